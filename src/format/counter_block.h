// What the two files of counters share, statistics.h and tier_state.h: a magic number, how many
// counters there are, words of their own, the counters, and BLAKE3 of all that; little-endian.
#ifndef LARDER_FORMAT_COUNTER_BLOCK_H_
#define LARDER_FORMAT_COUNTER_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/checked_reader.h"

namespace larder::format {

// More than any version has, so that a block of another one is not read without end.
inline constexpr std::uint64_t max_counters = 500;

struct CounterBlock {
  CheckedReader fields;  // behind the number of counters
  std::uint64_t counters = 0;
};

// nullopt when it does not verify. `fixed_bytes` stand before the counters, magic and number
// included; what is behind the digest belongs to nobody.
std::optional<CounterBlock> open_counter_block(std::span<const std::byte> bytes,
                                               std::uint64_t magic,
                                               std::size_t fixed_bytes) noexcept;

// Writes the digest of all that stands before it into the last 32 bytes.
void seal_counter_block(std::span<std::byte> block) noexcept;

}  // namespace larder::format

#endif  // LARDER_FORMAT_COUNTER_BLOCK_H_
