// How a Redis Cluster spreads its keys: 16384 slots, each on one server.
#ifndef LARDER_REMOTE_REDIS_SLOTS_H_
#define LARDER_REMOTE_REDIS_SLOTS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct redisReply;

namespace larder::remote {

inline constexpr std::size_t redis_slots = 16384;

// CRC16 (XMODEM) of the key. Keys of ours have no braces, of which only a part would count.
std::uint16_t redis_slot_of(std::string_view key) noexcept;

struct RedisAddress {
  std::string host;  // empty: that of who said so
  std::uint16_t port = 0;

  friend auto operator<=>(const RedisAddress&, const RedisAddress&) = default;
};

// "MOVED 3999 127.0.0.1:6381": the slot is there now. "ASK ...": this key is, for once.
struct RedisRedirection {
  enum class Kind { moved, ask };
  Kind kind = Kind::moved;
  std::uint16_t slot = 0;
  RedisAddress address;
};

// nullopt for whatever else a server may say.
std::optional<RedisRedirection> parse_redirection(std::string_view error);

struct RedisSlotMap {
  static constexpr std::uint16_t nobody = 0xffff;
  std::vector<RedisAddress> nodes;                // those that have slots, each once
  std::array<std::uint16_t, redis_slots> owners;  // places in nodes, or nobody
};

// Of the reply to CLUSTER SLOTS; nullopt when it is none. Replicas are passed over.
std::optional<RedisSlotMap> parse_slot_map(const redisReply& reply);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_SLOTS_H_
