// The block at the front of a store's lock file: counters that outlive processes, and what the
// store holds. Only a convenience: a block that does not verify counts as absent.
#ifndef LARDER_FORMAT_STATISTICS_H_
#define LARDER_FORMAT_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "larder/metrics.h"

namespace larder::format {

// Magic (8), number of counters (8), usage known (8), bytes (8), entries (8), counters (8 each),
// BLAKE3 of all that (32); little-endian.
inline constexpr std::size_t statistics_bytes = 40 + 8 * metric_field_count + 32;
using StatisticsBlock = std::array<std::byte, statistics_bytes>;

// Room for the block of a version with more counters, whose first ones are then read.
using StatisticsBytes = std::array<std::byte, 4096>;

struct Usage {
  std::uint64_t bytes = 0;  // blocks of all entries
  std::uint64_t entries = 0;
};

struct Statistics {
  Metrics counters;            // gauges are zero
  std::optional<Usage> usage;  // nullopt: not known, count the files
};

StatisticsBlock encode_statistics(const Statistics& statistics) noexcept;
std::optional<Statistics> decode_statistics(std::span<const std::byte> bytes) noexcept;

}  // namespace larder::format

#endif  // LARDER_FORMAT_STATISTICS_H_
