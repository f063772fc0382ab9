#include "remote/redis_commands.h"

#include <hiredis/hiredis.h>

#include <charconv>
#include <utility>

#include "base/try.h"

namespace larder::remote {
namespace {

constexpr std::string_view key_prefix = "larder:";
constexpr std::uint64_t largest_short_reply = 4096;
// A page of a listing: a thousand names are asked for, and a server may give somewhat more.
constexpr std::string_view names_per_page = "1000";
constexpr std::uint64_t largest_page = 4ull << 20;

std::string_view text_of(const redisReply& reply) noexcept { return {reply.str, reply.len}; }

std::unexpected<Error> not_understood(const RedisConnection& connection) {
  return std::unexpected(Error{.code = Errc::io_error,
                               .message = connection.shown() +
                                          ": the answer is of another kind than was asked for; is "
                                          "it a Redis server?"});
}

Result<long long> ask_number(RedisConnection& connection, RedisConnection::Words words,
                             const Patience& patience) {
  LARDER_TRY(const RedisReply reply, connection.ask(words, largest_short_reply, patience));
  if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0) return not_understood(connection);
  return reply->integer;
}

struct Page {
  std::string next;  // the cursor of the page after it; "0": there is none
  std::vector<std::string> keys;
};

Result<Page> read_page(RedisConnection& connection, const std::string& cursor,
                       const std::string& pattern, const Patience& patience) {
  LARDER_TRY(const RedisReply reply,
             connection.ask({{"SCAN", cursor, "MATCH", pattern, "COUNT", names_per_page}},
                            largest_page, patience, RedisAnswer::list));
  if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) return not_understood(connection);
  const redisReply& next = *reply->element[0];
  const redisReply& keys = *reply->element[1];
  if (next.type != REDIS_REPLY_STRING || keys.type != REDIS_REPLY_ARRAY) {
    return not_understood(connection);
  }
  Page page{.next = std::string(text_of(next)), .keys = {}};
  for (const redisReply* key : std::span(keys.element, keys.elements)) {
    if (key->type != REDIS_REPLY_STRING) return not_understood(connection);
    page.keys.emplace_back(text_of(*key));
  }
  return page;
}

// All questions first, then all answers: one round trip. The questions are far smaller than what a
// socket takes before anybody reads.
Result<std::vector<std::uint64_t>> sizes_of(RedisConnection& connection,
                                            const std::vector<std::string>& keys,
                                            const Patience& patience) {
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
}

}  // namespace

std::string redis_key(std::string_view name) { return std::string(key_prefix).append(name); }

Result<void> redis_ask_for(RedisConnection& connection, std::span<const std::string> keys,
                           const Patience& patience) {
  std::string commands;
  for (const std::string& key : keys) RedisConnection::append_command(commands, {{"GET", key}});
  return connection.send(commands, keys.size(), patience);
}

RedisObject redis_object(RedisConnection& connection, std::uint64_t max_bytes,
                         const Patience& patience) {
  return connection.receive_bytes(max_bytes, patience);
}

RedisObject redis_get(RedisConnection& connection, std::string_view key, std::uint64_t max_bytes,
                      const Patience& patience) {
  std::string command;
  RedisConnection::append_command(command, {{"GET", key}});
  LARDER_CHECK_OK(connection.send(command, 1, patience));
  return redis_object(connection, max_bytes, patience);
}

Result<void> redis_put(RedisConnection& connection, std::string_view key, Pieces pieces,
                       const Patience& patience) {
  LARDER_CHECK_OK(connection.send({{"SET", key}}, pieces, patience));
  LARDER_TRY(const RedisReply reply, connection.receive(largest_short_reply, patience));
  if (reply->type != REDIS_REPLY_STATUS || text_of(*reply) != "OK") {
    return not_understood(connection);
  }
  return {};
}

// An empty value counts as none: no object of ours is empty, and STRLEN does not tell the two
// apart.
Result<std::optional<std::uint64_t>> redis_size(RedisConnection& connection, std::string_view key,
                                                const Patience& patience) {
  LARDER_TRY(const long long bytes, ask_number(connection, {{"STRLEN", key}}, patience));
  if (bytes == 0) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

Result<bool> redis_remove(RedisConnection& connection, std::string_view key,
                          const Patience& patience) {
  LARDER_TRY(const long long removed, ask_number(connection, {{"DEL", key}}, patience));
  return removed != 0;
}

Result<std::optional<std::int64_t>> redis_time_s(RedisConnection& connection,
                                                 const Patience& patience) {
  auto reply = connection.ask({{"TIME"}}, largest_short_reply, patience, RedisAnswer::list);
  if (!reply && reply.error().code == Errc::permission_denied) return std::nullopt;
  if (!reply) return std::unexpected(std::move(reply).error());
  const redisReply& parts = **reply;
  std::int64_t seconds = 0;
  if (parts.type != REDIS_REPLY_ARRAY || parts.elements != 2 ||
      parts.element[0]->type != REDIS_REPLY_STRING) {
    return not_understood(connection);
  }
  const std::string_view text = text_of(*parts.element[0]);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) return not_understood(connection);
  return seconds;
}

Result<Visit> redis_list(RedisConnection& connection, std::string_view prefix,
                         const ObjectVisitor& visitor, const Patience& patience) {
  const std::string pattern = redis_key(prefix) + "*";
  std::string cursor = "0";
  do {
    LARDER_TRY(const Page page, read_page(connection, cursor, pattern, patience));
    LARDER_TRY(const auto sizes, sizes_of(connection, page.keys, patience));
    for (std::size_t i = 0; i < page.keys.size(); ++i) {
      const std::string_view key = page.keys[i];
      if (!key.starts_with(key_prefix) || sizes[i] == 0) continue;
      if (visitor({key.substr(key_prefix.size()), sizes[i]}) == Visit::stop) return Visit::stop;
    }
    cursor = page.next;
  } while (cursor != "0");
  return Visit::go_on;
}

}  // namespace larder::remote
