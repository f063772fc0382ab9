#include "remote/redis_cluster_transport.h"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

#include "base/try.h"
#include "os/socket_io.h"
#include "remote/redis_commands.h"
#include "remote/redis_nodes.h"

namespace larder::remote {
namespace {

using Kind = RedisRedirection::Kind;

constexpr int most_hops = 4;  // two servers could send us to each other for ever
constexpr std::uint64_t largest_short_reply = 4096;

class RedisClusterTransport final : public Transport {
 public:
  explicit RedisClusterTransport(const RedisClusterOptions& options) : nodes_(options) {}

  RedisObject get(std::string_view name, std::uint64_t max_bytes,
                  const Patience& patience) override;
  std::vector<RedisObject> get_many(std::span<const std::string> names, std::uint64_t max_bytes,
                                    const Patience& patience) override;
  Result<void> put(std::string_view name, Pieces pieces, const Patience& patience) override;
  Result<std::optional<std::uint64_t>> size(std::string_view name,
                                            const Patience& patience) override;
  Result<bool> remove(std::string_view name, const Patience& patience) override;
  Listed list(std::string_view prefix, const ObjectVisitor& visitor,
              const Patience& patience) override;
  bool is_partly_up() const noexcept override { return nodes_.is_partly_up(); }

 private:
  // What is asked of one server in a batch.
  struct Share {
    std::shared_ptr<RedisNode> node;
    std::unique_ptr<RedisConnection> connection = {};
    std::vector<std::size_t> places = {};
    std::vector<std::string> keys = {};
  };

  Result<std::unique_ptr<RedisConnection>> take(RedisNode& node, const Patience& patience);
  void give_back(RedisNode& node, std::unique_ptr<RedisConnection> connection);

  Result<Visit> list_one(RedisNode& node, std::string_view prefix, const ObjectVisitor& visitor,
                         const Patience& patience);

  // What `use` does with a connection to the server that has the key.
  template <class Use>
  auto route(std::string_view key, const Patience& patience, const Use& use)
      -> std::invoke_result_t<const Use&, RedisConnection&>;

  std::vector<Share> share_out(std::span<const std::string> names, const Patience& patience,
                               std::vector<RedisObject>& answers);
  Result<void> ask(Share& share, const Patience& patience);
  static Share* next_to_answer(std::span<Share* const> waiting, const Patience& patience);
  std::vector<std::size_t> receive_all(std::vector<Share>& shares, std::uint64_t max_bytes,
                                       const Patience& patience, std::vector<RedisObject>& answers);
  std::vector<std::size_t> receive(Share& share, std::uint64_t max_bytes, const Patience& patience,
                                   std::vector<RedisObject>& answers);

  RedisNodes nodes_;
};

// A map that names another server may be had once this one cannot be reached.
Result<std::unique_ptr<RedisConnection>> RedisClusterTransport::take(RedisNode& node,
                                                                     const Patience& patience) {
  const bool was_left_alone = node.is_left_alone();
  auto connection = node.take(patience);
  if (!connection && !was_left_alone) nodes_.expect_another_map();
  return connection;
}

void RedisClusterTransport::give_back(RedisNode& node,
                                      std::unique_ptr<RedisConnection> connection) {
  const bool broke = !connection->usable();
  node.give_back(std::move(connection));
  if (broke) nodes_.expect_another_map();
}

template <class Use>
auto RedisClusterTransport::route(std::string_view key, const Patience& patience, const Use& use)
    -> std::invoke_result_t<const Use&, RedisConnection&> {
  using Answer = std::invoke_result_t<const Use&, RedisConnection&>;
  LARDER_TRY(std::shared_ptr<RedisNode> node, nodes_.owner_of(redis_slot_of(key), patience));
  Kind kind = Kind::moved;
  for (int hops = 0;; ++hops) {
    LARDER_TRY(auto connection, take(*node, patience));
    Answer answer = [&]() -> Answer {
      if (kind == Kind::ask) {
        LARDER_TRY(const auto told, connection->ask({{"ASKING"}}, largest_short_reply, patience));
      }
      return use(*connection);
    }();
    const auto redirection = connection->redirection();
    give_back(*node, std::move(connection));
    if (!redirection || hops == most_hops) return answer;
    LARDER_TRY(node, nodes_.follow(*redirection, *node));
    kind = redirection->kind;
  }
}

RedisObject RedisClusterTransport::get(std::string_view name, std::uint64_t max_bytes,
                                       const Patience& patience) {
  const std::string key = redis_key(name);
  return route(key, patience, [&](RedisConnection& connection) {
    return redis_get(connection, key, max_bytes, patience);
  });
}

// Of whose owner is not known the error is the answer.
std::vector<RedisClusterTransport::Share> RedisClusterTransport::share_out(
    std::span<const std::string> names, const Patience& patience,
    std::vector<RedisObject>& answers) {
  std::vector<Share> shares;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::string key = redis_key(names[i]);
    auto node = nodes_.owner_of(redis_slot_of(key), patience);
    if (!node) {
      answers[i] = std::unexpected(std::move(node).error());
      continue;
    }
    auto share = std::ranges::find(shares, *node, &Share::node);
    if (share == shares.end()) {
      shares.push_back({.node = *node});
      share = std::prev(shares.end());
    }
    share->places.push_back(i);
    share->keys.push_back(std::move(key));
  }
  return shares;
}

Result<void> RedisClusterTransport::ask(Share& share, const Patience& patience) {
  LARDER_TRY(share.connection, take(*share.node, patience));
  return redis_ask_for(*share.connection, share.keys, patience);
}

// The places of those that are to be asked for elsewhere. Once the connection broke, all that is
// left of it broke.
std::vector<std::size_t> RedisClusterTransport::receive(Share& share, std::uint64_t max_bytes,
                                                        const Patience& patience,
                                                        std::vector<RedisObject>& answers) {
  std::vector<std::size_t> elsewhere;
  RedisConnection& connection = *share.connection;
  std::optional<Error> failure;
  for (const std::size_t place : share.places) {
    if (failure && !connection.usable()) {
      const Errc code = failure->code == Errc::timed_out ? Errc::timed_out : Errc::unreachable;
      answers[place] = std::unexpected(Error{.code = code, .message = failure->message});
      continue;
    }
    answers[place] = redis_object(connection, max_bytes, patience);
    if (!answers[place]) failure = answers[place].error();
    if (connection.redirection()) elsewhere.push_back(place);
  }
  give_back(*share.node, std::move(share.connection));
  return elsewhere;
}

// Which of them answers next; null: none does in time.
RedisClusterTransport::Share* RedisClusterTransport::next_to_answer(std::span<Share* const> waiting,
                                                                    const Patience& patience) {
  std::vector<int> sockets;
  for (const Share* share : waiting) sockets.push_back(share->connection->descriptor());
  const auto ready =
      os::wait_any_readable(sockets, patience.wait_until(Clock::now() + patience.silence));
  return ready && *ready ? waiting[**ready] : nullptr;
}

// Who is silent costs nobody else's time: whoever answers first is read first.
std::vector<std::size_t> RedisClusterTransport::receive_all(std::vector<Share>& shares,
                                                            std::uint64_t max_bytes,
                                                            const Patience& patience,
                                                            std::vector<RedisObject>& answers) {
  std::vector<std::size_t> elsewhere;
  std::vector<Share*> waiting;
  for (Share& share : shares) {
    if (share.connection) waiting.push_back(&share);
  }
  while (!waiting.empty()) {
    Share* const next = next_to_answer(waiting, patience);
    if (next == nullptr) break;
    for (const std::size_t place : receive(*next, max_bytes, patience, answers)) {
      elsewhere.push_back(place);
    }
    std::erase(waiting, next);
  }
  for (Share* share : waiting) {
    const auto late = share->connection->expire();
    for (const std::size_t place : share->places) answers[place] = late;
    give_back(*share->node, std::move(share->connection));
  }
  return elsewhere;
}

// Every server is asked for its share before any is waited for.
std::vector<RedisObject> RedisClusterTransport::get_many(std::span<const std::string> names,
                                                         std::uint64_t max_bytes,
                                                         const Patience& patience) {
  std::vector<RedisObject> answers(names.size());
  std::vector<Share> shares = share_out(names, patience, answers);
  for (Share& share : shares) {
    const auto asked = ask(share, patience);
    if (asked) continue;
    for (const std::size_t place : share.places) answers[place] = std::unexpected(asked.error());
    if (share.connection) give_back(*share.node, std::move(share.connection));
  }
  for (const std::size_t place : receive_all(shares, max_bytes, patience, answers)) {
    answers[place] = get(names[place], max_bytes, patience);
  }
  return answers;
}

Result<void> RedisClusterTransport::put(std::string_view name, Pieces pieces,
                                        const Patience& patience) {
  const std::string key = redis_key(name);
  return route(key, patience, [&](RedisConnection& connection) {
    return redis_put(connection, key, pieces, patience);
  });
}

Result<std::optional<std::uint64_t>> RedisClusterTransport::size(std::string_view name,
                                                                 const Patience& patience) {
  const std::string key = redis_key(name);
  return route(key, patience,
               [&](RedisConnection& connection) { return redis_size(connection, key, patience); });
}

Result<bool> RedisClusterTransport::remove(std::string_view name, const Patience& patience) {
  const std::string key = redis_key(name);
  return route(key, patience, [&](RedisConnection& connection) {
    return redis_remove(connection, key, patience);
  });
}

Result<Visit> RedisClusterTransport::list_one(RedisNode& node, std::string_view prefix,
                                              const ObjectVisitor& visitor,
                                              const Patience& patience) {
  LARDER_TRY(auto connection, take(node, patience));
  auto told = redis_list(*connection, prefix, visitor, patience);
  give_back(node, std::move(connection));
  return told;
}

Listed RedisClusterTransport::list(std::string_view prefix, const ObjectVisitor& visitor,
                                   const Patience& patience) {
  LARDER_TRY(const auto owners, nodes_.owners(patience));
  std::optional<Error> missing;
  bool is_any_listed = owners.empty();
  for (const auto& node : owners) {
    const auto told = list_one(*node, prefix, visitor, patience);
    is_any_listed = is_any_listed || told.has_value();
    if (!told && !missing) missing = told.error();
    if (told && *told == Visit::stop) break;
  }
  if (!is_any_listed) return std::unexpected(*std::move(missing));
  return missing;
}

}  // namespace

std::unique_ptr<Transport> make_redis_cluster_transport(const RedisClusterOptions& options) {
  return std::make_unique<RedisClusterTransport>(options);
}

}  // namespace larder::remote
