#include "remote/redis_transport.h"

#include <hiredis/hiredis.h>

#include <cstring>
#include <utility>
#include <vector>

#include "base/try.h"
#include "remote/pool.h"

namespace larder::remote {
namespace {

constexpr std::string_view key_prefix = "larder:";
constexpr std::uint64_t largest_short_reply = 4096;
// A page of a listing: a thousand names are asked for, and a server may give somewhat more.
constexpr std::string_view names_per_page = "1000";
constexpr std::uint64_t largest_page = 4ull << 20;

std::string key_of(std::string_view name) { return std::string(key_prefix).append(name); }

std::string_view text_of(const redisReply& reply) noexcept { return {reply.str, reply.len}; }

class RedisTransport final : public Transport {
 public:
  explicit RedisTransport(RedisEndpoint endpoint) : endpoint_(std::move(endpoint)) {}

  Result<std::optional<ArtifactBuffer>> get(std::string_view name, std::uint64_t max_bytes,
                                            const Patience& patience) override;
  std::vector<Result<std::optional<ArtifactBuffer>>> get_many(std::span<const std::string> names,
                                                              std::uint64_t max_bytes,
                                                              const Patience& patience) override;
  Result<void> put(std::string_view name, Pieces pieces, const Patience& patience) override;
  Result<std::optional<std::uint64_t>> size(std::string_view name,
                                            const Patience& patience) override;
  Result<bool> remove(std::string_view name, const Patience& patience) override;
  Result<void> list(std::string_view prefix, const ObjectVisitor& visitor,
                    const Patience& patience) override;

 private:
  // What `use` does with a connection, kept or new. One that is not usable afterwards is closed.
  template <class Use>
  auto with_connection(const Patience& patience, const Use& use)
      -> std::invoke_result_t<const Use&, RedisConnection&> {
    auto connection = idle_.take();
    if (!connection) {
      LARDER_TRY(connection, RedisConnection::open(endpoint_, patience));
    }
    auto result = use(*connection);
    if (connection->usable()) idle_.give_back(std::move(connection));
    return result;
  }

  Result<RedisReply> ask(RedisConnection::Words words, std::uint64_t max_bytes,
                         const Patience& patience) {
    return with_connection(patience, [&](RedisConnection& connection) {
      return connection.ask(words, max_bytes, patience);
    });
  }

  using Answer = Result<std::optional<ArtifactBuffer>>;
  Answer to_answer(const Result<RedisReply>& reply) const;
  Result<std::vector<Answer>> pipeline(RedisConnection& connection,
                                       std::span<const std::string> names, std::uint64_t max_bytes,
                                       const Patience& patience) const;

  Result<long long> ask_number(RedisConnection::Words words, const Patience& patience);
  std::unexpected<Error> not_understood() const;

  struct Page {
    std::string next;  // the cursor of the page after it; "0": there is none
    std::vector<std::string> keys;
  };
  Result<Page> read_page(const std::string& cursor, const std::string& pattern,
                         const Patience& patience);
  Result<std::vector<std::uint64_t>> sizes_of(const std::vector<std::string>& keys,
                                              const Patience& patience);

  const RedisEndpoint endpoint_;
  Pool<RedisConnection> idle_;
};

std::unexpected<Error> RedisTransport::not_understood() const {
  return std::unexpected(Error{.code = Errc::io_error,
                               .message = endpoint_.shown +
                                          ": the answer is of another kind than was asked for; is "
                                          "it a Redis server?"});
}

RedisTransport::Answer RedisTransport::to_answer(const Result<RedisReply>& reply) const {
  if (!reply) return std::unexpected(reply.error());
  if ((*reply)->type == REDIS_REPLY_NIL) return std::nullopt;
  if ((*reply)->type != REDIS_REPLY_STRING) return not_understood();
  const std::string_view text = text_of(**reply);
  LARDER_TRY(ArtifactBuffer bytes, ArtifactBuffer::allocate(text.size()));
  if (!text.empty()) std::memcpy(bytes.bytes().data(), text.data(), text.size());
  return bytes;
}

Result<std::optional<ArtifactBuffer>> RedisTransport::get(std::string_view name,
                                                          std::uint64_t max_bytes,
                                                          const Patience& patience) {
  const std::string key = key_of(name);
  return to_answer(ask({{"GET", key}}, max_bytes, patience));
}

// What is lost with a connection that broke on the way is asked for one by one.
std::vector<Result<std::optional<ArtifactBuffer>>> RedisTransport::get_many(
    std::span<const std::string> names, std::uint64_t max_bytes, const Patience& patience) {
  auto answers = with_connection(patience, [&](RedisConnection& connection) {
    return pipeline(connection, names, max_bytes, patience);
  });
  if (!answers) return std::vector<Answer>(names.size(), std::unexpected(answers.error()));
  for (std::size_t i = answers->size(); i < names.size(); ++i) {
    answers->push_back(get(names[i], max_bytes, patience));
  }
  return *std::move(answers);
}

// All questions first, then all answers: one round trip. An error here is that of the first.
Result<std::vector<RedisTransport::Answer>> RedisTransport::pipeline(
    RedisConnection& connection, std::span<const std::string> names, std::uint64_t max_bytes,
    const Patience& patience) const {
  std::string commands;
  for (const std::string& name : names) {
    RedisConnection::append_command(commands, {{"GET", key_of(name)}});
  }
  LARDER_CHECK_OK(connection.send(commands, names.size(), patience));
  std::vector<Answer> answers;
  while (answers.size() < names.size() && connection.usable()) {
    answers.push_back(to_answer(connection.receive(max_bytes, patience)));
  }
  if (!connection.usable() && answers.size() == 1) {
    if (answers[0].error().code != Errc::too_large) return std::unexpected(answers[0].error());
  }
  return answers;
}

Result<void> RedisTransport::put(std::string_view name, Pieces pieces, const Patience& patience) {
  const std::string key = key_of(name);
  return with_connection(patience, [&](RedisConnection& connection) -> Result<void> {
    LARDER_CHECK_OK(connection.send({{"SET", key}}, pieces, patience));
    LARDER_TRY(const RedisReply reply, connection.receive(largest_short_reply, patience));
    if (reply->type != REDIS_REPLY_STATUS || text_of(*reply) != "OK") return not_understood();
    return {};
  });
}

Result<long long> RedisTransport::ask_number(RedisConnection::Words words,
                                             const Patience& patience) {
  LARDER_TRY(const RedisReply reply, ask(words, largest_short_reply, patience));
  if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0) return not_understood();
  return reply->integer;
}

// An empty value counts as none: no object of ours is empty, and STRLEN does not tell the two
// apart.
Result<std::optional<std::uint64_t>> RedisTransport::size(std::string_view name,
                                                          const Patience& patience) {
  const std::string key = key_of(name);
  LARDER_TRY(const long long bytes, ask_number({{"STRLEN", key}}, patience));
  if (bytes == 0) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

Result<bool> RedisTransport::remove(std::string_view name, const Patience& patience) {
  const std::string key = key_of(name);
  LARDER_TRY(const long long removed, ask_number({{"DEL", key}}, patience));
  return removed != 0;
}

Result<RedisTransport::Page> RedisTransport::read_page(const std::string& cursor,
                                                       const std::string& pattern,
                                                       const Patience& patience) {
  LARDER_TRY(
      const RedisReply reply,
      ask({{"SCAN", cursor, "MATCH", pattern, "COUNT", names_per_page}}, largest_page, patience));
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) return not_understood();
  const redisReply& next = *reply->element[0];
  const redisReply& keys = *reply->element[1];
  if (next.type != REDIS_REPLY_STRING || keys.type != REDIS_REPLY_ARRAY) return not_understood();
  Page page{.next = std::string(text_of(next)), .keys = {}};
  for (const redisReply* key : std::span(keys.element, keys.elements)) {
    if (key->type != REDIS_REPLY_STRING) return not_understood();
    page.keys.emplace_back(text_of(*key));
  }
  return page;
}

// All questions first, then all answers: one round trip. The questions are far smaller than what a
// socket takes before anybody reads.
Result<std::vector<std::uint64_t>> RedisTransport::sizes_of(const std::vector<std::string>& keys,
                                                            const Patience& patience) {
  return with_connection(
      patience, [&](RedisConnection& connection) -> Result<std::vector<std::uint64_t>> {
        std::string commands;
        for (const std::string& key : keys) {
          RedisConnection::append_command(commands, {{"STRLEN", key}});
        }
        LARDER_CHECK_OK(connection.send(commands, keys.size(), patience));
        std::vector<std::uint64_t> sizes;
        for (std::size_t i = 0; i < keys.size(); ++i) {
          auto reply = connection.receive(largest_short_reply, patience);
          if (!reply && !connection.usable()) return std::unexpected(std::move(reply).error());
          const bool is_size = reply && (*reply)->type == REDIS_REPLY_INTEGER;
          sizes.push_back(is_size ? static_cast<std::uint64_t>((*reply)->integer) : 0);
        }
        return sizes;
      });
}

Result<void> RedisTransport::list(std::string_view prefix, const ObjectVisitor& visitor,
                                  const Patience& patience) {
  const std::string pattern = key_of(prefix) + "*";
  std::string cursor = "0";
  do {
    LARDER_TRY(const Page page, read_page(cursor, pattern, patience));
    LARDER_TRY(const auto sizes, sizes_of(page.keys, patience));
    for (std::size_t i = 0; i < page.keys.size(); ++i) {
      const std::string_view key = page.keys[i];
      if (!key.starts_with(key_prefix) || sizes[i] == 0) continue;
      if (visitor({key.substr(key_prefix.size()), sizes[i]}) == Visit::stop) return {};
    }
    cursor = page.next;
  } while (cursor != "0");
  return {};
}

}  // namespace

std::unique_ptr<Transport> make_redis_transport(const RedisEndpoint& endpoint) {
  return std::make_unique<RedisTransport>(endpoint);
}

}  // namespace larder::remote
