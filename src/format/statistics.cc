#include "format/statistics.h"

#include <cstring>

#include "base/byte_order.h"
#include "base/checked_reader.h"
#include "base/digest.h"

namespace larder::format {
namespace {

constexpr std::uint64_t magic = 0x31306e756f634c52;  // "RLcoun01"
constexpr std::size_t digest_at = statistics_bytes - 32;

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
  if (bytes.size() < statistics_bytes) return std::nullopt;
  const auto digest = bytes.subspan(digest_at).first<32>();
  if (!equal_constant_time(digest, blake3(bytes.first(digest_at)))) return std::nullopt;
  CheckedReader reader(bytes.first(digest_at));
  if (reader.number<std::uint64_t>() != magic) return std::nullopt;
  if (reader.number<std::uint64_t>() != metric_field_count) return std::nullopt;
  const bool usage_known = reader.number<std::uint64_t>() != 0;
  const Usage usage{.bytes = reader.number<std::uint64_t>(),
                    .entries = reader.number<std::uint64_t>()};
  Statistics statistics;
  if (usage_known) statistics.usage = usage;
  for (const MetricField& field : metric_fields()) {
    statistics.counters.*field.member = reader.number<std::uint64_t>();
  }
  return statistics;
}

}  // namespace larder::format
