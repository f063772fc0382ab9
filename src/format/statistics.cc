#include "format/statistics.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "base/checked_reader.h"
#include "base/digest.h"

namespace larder::format {
namespace {

constexpr std::uint64_t magic = 0x31306e756f634c52;  // "RLcoun01"
constexpr std::size_t digest_at = statistics_bytes - 32;
constexpr std::size_t fixed_bytes = 40;
constexpr std::uint64_t max_counters = 500;  // so that the block fits into StatisticsBytes
static_assert(fixed_bytes + 8 * max_counters + 32 <= sizeof(StatisticsBytes));

}  // namespace

StatisticsBlock encode_statistics(const Statistics& statistics) noexcept {
  StatisticsBlock block;
  std::byte* at = block.data();
  const auto put = [&at](std::uint64_t value) {
    store_little(at, value);
    at += sizeof value;
  };
  const Usage usage = statistics.usage.value_or(Usage{});
  put(magic);
  put(metric_field_count);
  put(statistics.usage ? 1 : 0);
  put(usage.bytes);
  put(usage.entries);
  for (const MetricField& field : metric_fields()) {
    put(field.gauge ? 0 : statistics.counters.*field.member);
  }
  const Digest digest = blake3(std::span(block).first(digest_at));
  std::memcpy(at, digest.data(), digest.size());
  return block;
}

std::optional<Statistics> decode_statistics(std::span<const std::byte> bytes) noexcept {
  CheckedReader reader(bytes);
  const auto found_magic = reader.number<std::uint64_t>();
  const auto counters = reader.number<std::uint64_t>();
  if (!reader.ok() || found_magic != magic || counters > max_counters) return std::nullopt;
  const std::size_t covered_bytes = fixed_bytes + 8 * counters;
  if (bytes.size() < covered_bytes + 32) return std::nullopt;
  const auto digest = bytes.subspan(covered_bytes).first<32>();
  if (!equal_constant_time(digest, blake3(bytes.first(covered_bytes)))) return std::nullopt;
  const bool usage_known = reader.number<std::uint64_t>() != 0;
  const Usage usage{.bytes = reader.number<std::uint64_t>(),
                    .entries = reader.number<std::uint64_t>()};
  Statistics statistics;
  if (usage_known) statistics.usage = usage;
  // Another version may keep fewer or more: the common ones count.
  const auto& fields = metric_fields();
  for (std::size_t i = 0; i < std::min<std::size_t>(counters, fields.size()); ++i) {
    const auto value = reader.number<std::uint64_t>();
    if (!fields[i].gauge) statistics.counters.*fields[i].member = value;
  }
  return statistics;
}

}  // namespace larder::format
