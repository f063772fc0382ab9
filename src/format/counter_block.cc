#include "format/counter_block.h"

#include <cstring>

#include "base/digest.h"

namespace larder::format {
namespace {

constexpr std::size_t digest_bytes = 32;

}  // namespace

std::optional<CounterBlock> open_counter_block(std::span<const std::byte> bytes,
                                               std::uint64_t magic,
                                               std::size_t fixed_bytes) noexcept {
  CheckedReader reader(bytes);
  const auto found_magic = reader.number<std::uint64_t>();
  const auto counters = reader.number<std::uint64_t>();
  if (!reader.ok() || found_magic != magic || counters > max_counters) return std::nullopt;
  const std::size_t covered_bytes = fixed_bytes + 8 * counters;
  if (bytes.size() < covered_bytes + digest_bytes) return std::nullopt;
  const auto digest = bytes.subspan(covered_bytes).first<digest_bytes>();
  if (!equal_constant_time(digest, blake3(bytes.first(covered_bytes)))) return std::nullopt;
  return CounterBlock{.fields = reader, .counters = counters};
}

void seal_counter_block(std::span<std::byte> block) noexcept {
  const auto covered = block.first(block.size() - digest_bytes);
  const Digest digest = blake3(covered);
  std::memcpy(block.data() + covered.size(), digest.data(), digest.size());
}

}  // namespace larder::format
