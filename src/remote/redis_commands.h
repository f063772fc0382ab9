// What Larder asks a Redis server for, over one connection: objects are string values under
// "larder:" and their names, without expiry.
#ifndef LARDER_REMOTE_REDIS_COMMANDS_H_
#define LARDER_REMOTE_REDIS_COMMANDS_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "remote/redis_connection.h"
#include "remote/transport.h"

namespace larder::remote {

using RedisObject = Result<std::optional<ArtifactBuffer>>;  // nullopt: there is none

std::string redis_key(std::string_view name);

// Errors as transport.h lists them; after some the connection is not usable().
RedisObject redis_get(RedisConnection& connection, std::string_view key, std::uint64_t max_bytes,
                      const Patience& patience);
Result<void> redis_put(RedisConnection& connection, std::string_view key, Pieces pieces,
                       const Patience& patience);
Result<std::optional<std::uint64_t>> redis_size(RedisConnection& connection, std::string_view key,
                                                const Patience& patience);
Result<bool> redis_remove(RedisConnection& connection, std::string_view key,
                          const Patience& patience);

// Sends the questions for all keys, whose answers are then read one by one with redis_object.
Result<void> redis_ask_for(RedisConnection& connection, std::span<const std::string> keys,
                           const Patience& patience);
RedisObject redis_object(RedisConnection& connection, std::uint64_t max_bytes,
                         const Patience& patience);

// By the server's clock.
Result<std::optional<std::int64_t>> redis_time_s(RedisConnection& connection,
                                                 const Patience& patience);

// Tells of every object whose name begins with `prefix`.
Result<Visit> redis_list(RedisConnection& connection, std::string_view prefix,
                         const ObjectVisitor& visitor, const Patience& patience);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_COMMANDS_H_
