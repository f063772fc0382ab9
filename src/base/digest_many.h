// BLAKE3 of several messages at once. A single short message cannot use the width of a processor's
// vectors, because each block of a chunk needs the one before it; sixteen messages can.
#ifndef LARDER_BASE_DIGEST_MANY_H_
#define LARDER_BASE_DIGEST_MANY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/digest.h"
#include "base/lanes.h"

namespace larder {

inline constexpr std::size_t max_lane_message_bytes = 64 << 10;

// digests[i] becomes blake3(messages[i]); both spans have the same length. Allocates nothing; uses
// 20 KiB of stack. Messages above 64 KiB fill the vectors by themselves and are hashed one by one.
// `level` is for tests: no more than best_lane_level().
void blake3_many(std::span<const std::span<const std::byte>> messages, std::span<Digest> digests,
                 LaneLevel level = best_lane_level()) noexcept;

struct KeyedMessage {
  const std::array<std::uint8_t, 32>* key = nullptr;
  std::span<const std::byte> bytes = {};  // at most chunk_bytes
};

// digests[i] becomes blake3_keyed_short(*messages[i].key, messages[i].bytes).
void blake3_keyed_short_many(std::span<const KeyedMessage> messages, std::span<Digest> digests,
                             LaneLevel level = best_lane_level()) noexcept;

}  // namespace larder

#endif  // LARDER_BASE_DIGEST_MANY_H_
