#include "format/tier_state.h"

#include <algorithm>

#include "base/byte_order.h"
#include "base/digest.h"
#include "format/counter_block.h"
#include "larder/fingerprint.h"

namespace larder::format {
namespace {

constexpr std::uint64_t magic = 0x313072656974524c;  // "LRtier01"
constexpr std::size_t fixed_bytes = 24;
static_assert(fixed_bytes + 8 * max_counters + 32 <= largest_tier_state_bytes);

}  // namespace

TierStateBlock encode_tier_state(const TierState& state) noexcept {
  TierStateBlock block;
  std::byte* at = block.data();
  const auto put = [&at](std::uint64_t value) {
    store_little(at, value);
    at += sizeof value;
  };
  put(magic);
  put(remote_metric_count);
  put(state.open_until_s);
  for (const RemoteMetricField& field : remote_metric_fields()) put(state.counters.*field.member);
  seal_counter_block(block);
  return block;
}

std::optional<TierState> decode_tier_state(std::span<const std::byte> bytes) noexcept {
  auto block = open_counter_block(bytes, magic, fixed_bytes);
  if (!block) return std::nullopt;
  CheckedReader& reader = block->fields;
  TierState state{.open_until_s = reader.number<std::uint64_t>(), .counters = {}};
  // Another version may keep fewer or more: the common ones count.
  const auto& fields = remote_metric_fields();
  for (std::size_t i = 0; i < std::min<std::size_t>(block->counters, fields.size()); ++i) {
    state.counters.*fields[i].member = reader.number<std::uint64_t>();
  }
  return state;
}

std::string tier_state_name(std::string_view url, std::string_view name_space,
                            const std::map<std::string, std::string>& attributes) {
  std::string text(url);
  text.append("\n").append(name_space);
  for (const auto& [name, value] : attributes) {
    text.append("\n").append(name).append("=").append(value);
  }
  return ".larder-tier-" + Fingerprint{blake3(text)}.hex().substr(0, 32);
}

}  // namespace larder::format
