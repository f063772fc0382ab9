#include "remote/redis_transport.h"

#include <utility>
#include <vector>

#include "base/try.h"
#include "remote/pool.h"
#include "remote/redis_commands.h"

namespace larder::remote {
namespace {

class RedisTransport final : public Transport {
 public:
  explicit RedisTransport(RedisEndpoint endpoint) : endpoint_(std::move(endpoint)) {}

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
  Result<std::optional<std::int64_t>> time_s(const Patience& patience) override {
    return with_connection(
        patience, [&](RedisConnection& connection) { return redis_time_s(connection, patience); });
  }

 private:
  // What `use` does with a connection, kept or new. One that is not usable afterwards is closed.
  template <class Use>
  auto with_connection(const Patience& patience, const Use& use)
      -> std::invoke_result_t<const Use&, RedisConnection&> {
    auto connection = take_open(idle_);
    if (!connection) {
      LARDER_TRY(connection, RedisConnection::open(endpoint_, patience));
    }
    auto result = use(*connection);
    if (connection->usable()) idle_.give_back(std::move(connection));
    return result;
  }

  Result<std::vector<RedisObject>> pipeline(RedisConnection& connection,
                                            std::span<const std::string> names,
                                            std::uint64_t max_bytes,
                                            const Patience& patience) const;

  const RedisEndpoint endpoint_;
  Pool<RedisConnection> idle_;
};

RedisObject RedisTransport::get(std::string_view name, std::uint64_t max_bytes,
                                const Patience& patience) {
  return with_connection(patience, [&](RedisConnection& connection) {
    return redis_get(connection, redis_key(name), max_bytes, patience);
  });
}

// What is lost with a connection that broke on the way is asked for one by one.
std::vector<RedisObject> RedisTransport::get_many(std::span<const std::string> names,
                                                  std::uint64_t max_bytes,
                                                  const Patience& patience) {
  auto answers = with_connection(patience, [&](RedisConnection& connection) {
    return pipeline(connection, names, max_bytes, patience);
  });
  if (!answers) return std::vector<RedisObject>(names.size(), std::unexpected(answers.error()));
  for (std::size_t i = answers->size(); i < names.size(); ++i) {
    answers->push_back(get(names[i], max_bytes, patience));
  }
  return *std::move(answers);
}

// All questions first, then all answers: one round trip. An error here is that of the first.
Result<std::vector<RedisObject>> RedisTransport::pipeline(RedisConnection& connection,
                                                          std::span<const std::string> names,
                                                          std::uint64_t max_bytes,
                                                          const Patience& patience) const {
  std::vector<std::string> keys;
  for (const std::string& name : names) keys.push_back(redis_key(name));
  LARDER_CHECK_OK(redis_ask_for(connection, keys, patience));
  std::vector<RedisObject> answers;
  while (answers.size() < names.size() && connection.usable()) {
    answers.push_back(redis_object(connection, max_bytes, patience));
  }
  const bool first_broke = !connection.usable() && answers.size() == 1 && !answers[0];
  if (first_broke && answers[0].error().code != Errc::too_large) {
    return std::unexpected(answers[0].error());
  }
  return answers;
}

Result<void> RedisTransport::put(std::string_view name, Pieces pieces, const Patience& patience) {
  return with_connection(patience, [&](RedisConnection& connection) {
    return redis_put(connection, redis_key(name), pieces, patience);
  });
}

Result<std::optional<std::uint64_t>> RedisTransport::size(std::string_view name,
                                                          const Patience& patience) {
  return with_connection(patience, [&](RedisConnection& connection) {
    return redis_size(connection, redis_key(name), patience);
  });
}

Result<bool> RedisTransport::remove(std::string_view name, const Patience& patience) {
  return with_connection(patience, [&](RedisConnection& connection) {
    return redis_remove(connection, redis_key(name), patience);
  });
}

Listed RedisTransport::list(std::string_view prefix, const ObjectVisitor& visitor,
                            const Patience& patience) {
  LARDER_TRY(const Visit last, with_connection(patience, [&](RedisConnection& connection) {
               return redis_list(connection, prefix, visitor, patience);
             }));
  (void)last;
  return {};
}

}  // namespace

std::unique_ptr<Transport> make_redis_transport(const RedisEndpoint& endpoint) {
  return std::make_unique<RedisTransport>(endpoint);
}

}  // namespace larder::remote
