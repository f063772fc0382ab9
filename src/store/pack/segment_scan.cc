#include "store/pack/segment_scan.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/try.h"

namespace larder::pack_store {
namespace {

using format::pack_unit_bytes;

// Room for the largest record, so that one can always be seen whole.
constexpr std::size_t window_bytes = 8u << 20;
static_assert(window_bytes >= format::max_record_bytes);
constexpr std::size_t sector_bytes = 4096;

std::uint32_t place_of(std::uint64_t offset) noexcept {
  return static_cast<std::uint32_t>(offset / pack_unit_bytes);
}

// Reads a file front to back through a window. A sector that the disk cannot give is zeros, which
// are no record.
class Window {
 public:
  explicit Window(File& file)
      : file_(file), bytes_(std::make_unique_for_overwrite<std::byte[]>(window_bytes)) {}

  // `length` bytes at `offset`, fewer at the end of the file.
  Result<std::span<const std::byte>> at(std::uint64_t offset, std::size_t length) {
    if (offset < start_ || offset + length > start_ + filled_) {
      start_ = offset;
      filled_ = 0;
      LARDER_TRY(filled_, fill(offset));
    }
    const std::size_t skip = std::min<std::uint64_t>(offset - start_, filled_);
    return std::span<const std::byte>(bytes_.get() + skip, std::min(length, filled_ - skip));
  }

  // How many zeros stand at `offset`, of what is at hand, in whole units.
  std::size_t zeros_at(std::uint64_t offset) const noexcept {
    static constexpr std::array<std::byte, 4096> zeros = {};
    const std::size_t from = offset - start_;
    std::size_t end = from;
    for (const std::size_t step : {zeros.size(), std::size_t{pack_unit_bytes}}) {
      while (end + step <= filled_ && std::memcmp(bytes_.get() + end, zeros.data(), step) == 0) {
        end += step;
      }
    }
    return end - from;
  }

  void note_gap() noexcept { has_gaps_ = true; }
  bool has_gaps() const noexcept { return has_gaps_; }

 private:
  Result<std::size_t> fill(std::uint64_t offset) {
    auto filled = file_.read_at({bytes_.get(), window_bytes}, offset);
    if (filled || !is_lost_sector(filled.error())) return filled;
    std::size_t total = 0;
    while (total < window_bytes) {
      const std::span<std::byte> sector(bytes_.get() + total, sector_bytes);
      auto count = file_.read_at(sector, offset + total);
      if (!count && !is_lost_sector(count.error())) return count;
      if (!count) {
        std::ranges::fill(sector, std::byte{0});
        has_gaps_ = true;
      }
      const std::size_t length = count.value_or(sector.size());
      total += length;
      if (length < sector.size()) break;
    }
    return total;
  }

  File& file_;
  std::unique_ptr<std::byte[]> bytes_;
  std::uint64_t start_ = 0;
  std::size_t filled_ = 0;
  bool has_gaps_ = false;
};

Result<bool> file_verifies(Window& window, const format::Record& record,
                           const LargeCheck& large_is_good) {
  if (!large_is_good) return true;
  auto is_good = large_is_good(record);
  if (is_good || !is_lost_sector(is_good.error())) return is_good;
  window.note_gap();
  return false;
}

Result<bool> payload_verifies(Window& window, const format::Record& record, std::uint64_t offset,
                              const LargeCheck& large_is_good) {
  if (record.kind == format::RecordKind::removed) return true;
  if (record.kind == format::RecordKind::large) return file_verifies(window, record, large_is_good);
  LARDER_TRY(const auto stored,
             window.at(offset + format::record_header_bytes, record.stored_bytes));
  return stored.size() == record.stored_bytes && format::payload_is_good(record, stored);
}

// Space that was never written.
bool is_hole(std::span<const std::byte> unit) noexcept {
  return std::ranges::all_of(unit, [](std::byte byte) { return byte == std::byte{0}; });
}

// How far the next record may begin. Behind a recipe that was cut, somebody may have gone on.
Result<std::uint64_t> length_of(Window& window, const format::Record& record,
                                std::uint64_t offset) {
  if (record.recipe_bytes == 0) return record.total_bytes();
  LARDER_TRY(const auto recipe, window.at(offset + record.hit_bytes(), record.recipe_bytes));
  const std::string_view text(reinterpret_cast<const char*>(recipe.data()), recipe.size());
  return format::recipe_is_good(record, text) ? record.total_bytes()
                                              : format::round_to_unit(record.hit_bytes());
}

}  // namespace

bool is_lost_sector(const Error& error) noexcept { return error.os_error == EIO; }

bool may_believe(const format::Record& record, std::span<const DerivedKey> keys) noexcept {
  if (record.key_id == 0) return true;
  const DerivedKey* key = find_key(keys, record.key_id);
  return key == nullptr || format::is_authentic(record, *key);
}

Result<Scanned> scan_records(Segment& segment, const ScanRange& range,
                             const RecordVisitor& visitor) {
  LARDER_TRY(const FileInfo info, segment.file()->info());
  Window window(*segment.file());
  Scanned scanned;
  bool was_whole = true;
  std::uint64_t offset = format::round_to_unit(std::max(range.from, format::records_at));
  const std::uint64_t until =
      std::min({range.until, segment.good_until(), longest_segment_bytes, info.size_bytes});
  while (offset + format::record_header_bytes <= until) {
    LARDER_TRY(const auto header, window.at(offset, format::record_header_bytes));
    if (header.size() < format::record_header_bytes) break;
    format::Record record;
    const auto verdict = format::decode_record(header, segment.key(), place_of(offset), record);
    const bool is_record = verdict == format::RecordVerdict::good &&
                           offset + record.hit_bytes() <= until && may_believe(record, range.keys);
    bool is_good = is_record;
    if (is_record) {
      LARDER_TRY(is_good, payload_verifies(window, record, offset, range.large_is_good));
    }
    // The file of what was removed, or replaced, is gone as it should be.
    const bool has_left = is_record && !is_good && record.kind == format::RecordKind::large;
    if (!is_good && !has_left) {
      // Of a record, the window may have gone on to the payload, and `header` with it.
      const bool is_torn = is_record || !is_hole(header);
      if (was_whole && is_torn) scanned.torn.push_back(place_of(offset));
      was_whole = was_whole && !is_torn;
      // How long it claims to be is not believed: good records may stand behind it. A file may be
      // sparse, and nothing but zeros for as long as a segment can be.
      offset += is_torn ? std::uint64_t{pack_unit_bytes} : window.zeros_at(offset);
      continue;
    }
    was_whole = true;
    if (is_good) visitor(record, place_of(offset));
    LARDER_TRY(const std::uint64_t length, length_of(window, record, offset));
    offset += length;
  }
  scanned.has_gaps = window.has_gaps();
  return scanned;
}

Result<SegmentEnd> read_end(Segment& segment) {
  LARDER_TRY(const FileInfo info, segment.file()->info());
  const std::uint64_t size = info.size_bytes;
  SegmentEnd end;
  if (size % pack_unit_bytes != 0 || size < format::records_at + 2 * format::footer_bytes ||
      size > segment.good_until()) {
    return end;
  }
  std::array<std::byte, format::footer_bytes + format::trailer_bytes> bytes = {};
  LARDER_TRY(const std::size_t count, segment.file()->read_at(bytes, size - bytes.size()));
  if (count < bytes.size()) return end;
  const std::span<const std::byte> both(bytes);
  const auto last = both.last(format::footer_bytes);
  end.footer_place = place_of(size) - 1;
  end.footer = format::decode_footer(last, end.footer_place);
  if (end.footer) return end;
  end.footer_place = place_of(size) - 2;
  end.footer = format::decode_footer(both.first(format::footer_bytes), end.footer_place);
  end.is_durable =
      end.footer && format::trailer_is_good(last, *end.footer, segment.key(), end.footer_place);
  return end;
}

Result<std::optional<std::vector<format::SummaryEntry>>> read_summary(Segment& segment,
                                                                      Proof proof) {
  LARDER_TRY(const SegmentEnd end, read_end(segment));
  if (!end.footer || (proof == Proof::wanted && !end.is_durable)) return std::nullopt;
  const std::uint64_t bytes = end.footer->summary_bytes() + format::footer_bytes;
  auto buffer = std::make_unique<std::byte[]>(bytes);
  const std::span<std::byte> summary(buffer.get(), bytes);
  const std::uint64_t at = std::uint64_t{end.footer->summary_place} * pack_unit_bytes;
  LARDER_TRY(const std::size_t count, segment.file()->read_at(summary, at));
  if (count != bytes) return std::nullopt;
  return format::decode_summary(summary, segment.key(), end.footer->summary_place);
}

Result<SegmentEntries> read_entries(Segment& segment, const format::SlotHash& hash,
                                    const ScanRange& range) {
  auto summary = read_summary(segment, Proof::wanted);
  if (!summary && !is_lost_sector(summary.error())) {
    return std::unexpected(std::move(summary).error());
  }
  if (summary && *summary) {
    return SegmentEntries{.entries = **std::move(summary), .from_summary = true};
  }
  SegmentEntries found;
  LARDER_TRY(Scanned scanned,
             scan_records(segment, range, [&](const format::Record& record, std::uint32_t place) {
               const std::uint64_t tag = hash(record.fingerprint, record.key_id);
               found.entries.push_back(format::summary_entry(record, tag, place));
             }));
  found.has_gaps = scanned.has_gaps;
  found.torn = std::move(scanned.torn);
  const auto end = read_end(segment);
  if (!end && !is_lost_sector(end.error())) return std::unexpected(end.error());
  if (end && end->footer) {
    std::erase_if(found.torn, [&](std::uint32_t at) { return at >= end->footer->summary_place; });
  }
  return found;
}

}  // namespace larder::pack_store
