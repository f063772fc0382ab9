#include "format/statistics.h"

#include <algorithm>

#include "base/byte_order.h"
#include "format/counter_block.h"

namespace larder::format {
namespace {

constexpr std::uint64_t magic = 0x31306e756f634c52;  // "RLcoun01"
constexpr std::size_t fixed_bytes = 40;
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
  seal_counter_block(block);
  return block;
}

std::optional<Statistics> decode_statistics(std::span<const std::byte> bytes) noexcept {
  auto block = open_counter_block(bytes, magic, fixed_bytes);
  if (!block) return std::nullopt;
  CheckedReader& reader = block->fields;
  const bool usage_known = reader.number<std::uint64_t>() != 0;
  const Usage usage{.bytes = reader.number<std::uint64_t>(),
                    .entries = reader.number<std::uint64_t>()};
  Statistics statistics;
  if (usage_known) statistics.usage = usage;
  // Another version may keep fewer or more: the common ones count.
  const auto& fields = metric_fields();
  for (std::size_t i = 0; i < std::min<std::size_t>(block->counters, fields.size()); ++i) {
    const auto value = reader.number<std::uint64_t>();
    if (!fields[i].gauge) statistics.counters.*fields[i].member = value;
  }
  return statistics;
}

}  // namespace larder::format
