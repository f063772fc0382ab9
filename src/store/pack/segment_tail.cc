// Where writing stopped in a segment whose owner was killed: somewhere in the zeros at its end.
#include <algorithm>
#include <memory>

#include "base/try.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

using format::pack_unit_bytes;

struct Tail {
  std::uint64_t at = 0;  // in the segment
  std::unique_ptr<std::byte[]> bytes;
  std::size_t size = 0;

  std::span<const std::byte> all() const noexcept { return {bytes.get(), size}; }
};

// The bytes of [end - length, end), from the first record on.
Result<Tail> read_tail(Segment& segment, std::uint64_t end, std::uint64_t length) {
  const std::uint64_t from = end - std::min(end, length);
  Tail tail{.at = std::max(from, format::records_at), .bytes = {}};
  if (tail.at >= end) return tail;
  tail.bytes = std::make_unique<std::byte[]>(end - tail.at);
  LARDER_TRY(tail.size, segment.file()->read_at({tail.bytes.get(), end - tail.at}, tail.at));
  return tail;
}

// Behind the last byte that is not zero; nullopt when there is none.
std::optional<std::uint64_t> end_of_bytes(const Tail& tail) noexcept {
  const auto all = tail.all();
  std::size_t end = all.size();
  while (end > 0 && all[end - 1] == std::byte{0}) --end;
  if (end == 0) return std::nullopt;
  return format::round_to_unit(tail.at + end);
}

}  // namespace

Result<std::uint64_t> read_written_end(Segment& segment, std::uint64_t size_bytes) {
  const std::uint64_t size = std::max(format::round_to_unit(size_bytes), format::records_at);
  LARDER_TRY(const Tail zeros, read_tail(segment, size, zero_step_bytes));
  const auto written = end_of_bytes(zeros);
  // Nothing but zeros is no writer's trace: whatever it is, it stays.
  if (!written || *written >= size) return size;
  // A payload may end in zeros: what claims to be a record keeps all its bytes.
  std::uint64_t end = *written;
  LARDER_TRY(const Tail tail, read_tail(segment, std::min(end + format::record_header_bytes, size),
                                        format::max_record_bytes));
  for (std::size_t i = 0; i + format::record_header_bytes <= tail.size; i += pack_unit_bytes) {
    const std::uint64_t offset = tail.at + i;
    format::Record record;
    const auto verdict =
        format::decode_record(tail.all().subspan(i, format::record_header_bytes), segment.key(),
                              static_cast<std::uint32_t>(offset / pack_unit_bytes), record);
    if (verdict == format::RecordVerdict::damaged) continue;
    end = std::max(end, offset + record.total_bytes());
  }
  return std::min(end, size);
}

}  // namespace larder::pack_store
