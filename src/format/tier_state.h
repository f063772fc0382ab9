// What processes tell each other about a remote tier: a small file in the store that it stands
// behind (docs/FORMAT.md). Only a convenience: one that does not verify counts as absent.
#ifndef LARDER_FORMAT_TIER_STATE_H_
#define LARDER_FORMAT_TIER_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "larder/remote.h"

namespace larder::format {

// Magic (8), number of counters (8), when the tier may be asked again (8), counters (8 each),
// BLAKE3 of all that (32); little-endian.
inline constexpr std::size_t tier_state_bytes = 24 + 8 * remote_metric_count + 32;
using TierStateBlock = std::array<std::byte, tier_state_bytes>;

// Room for the block of a version with more counters, whose first ones are then read.
inline constexpr std::size_t largest_tier_state_bytes = 4096;

struct TierState {
  std::uint64_t open_until_s = 0;  // seconds since 1970; 0: it answers, as far as is known
  RemoteMetrics counters = {};
};

TierStateBlock encode_tier_state(const TierState& state) noexcept;
std::optional<TierState> decode_tier_state(std::span<const std::byte> bytes) noexcept;

// ".larder-tier-<32 hex>", by what the tier is and whose part of it: two settings that may lead to
// two servers, or to two users of one, have two names.
std::string tier_state_name(std::string_view url, std::string_view name_space,
                            const std::map<std::string, std::string>& attributes);

}  // namespace larder::format

#endif  // LARDER_FORMAT_TIER_STATE_H_
