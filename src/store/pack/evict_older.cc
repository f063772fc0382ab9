#include "store/pack/evict_older.h"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "base/try.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

std::optional<std::uint64_t> created_at_sequence(std::span<const std::byte> head) {
  auto header = format::decode_segment_header(head.first(format::segment_header_bytes));
  if (!header) header = format::decode_segment_header(head.subspan(format::segment_header_bytes));
  return header ? std::optional(header->created_at_sequence) : std::nullopt;
}

bool any_large(const format::Record&) noexcept { return true; }

}  // namespace

// 0 when nothing is known: then all of it is read.
Result<std::uint64_t> OlderRecords::lower_bound(Segment& segment) {
  if (const auto known = lowest_.find(segment.number()); known != lowest_.end()) {
    return known->second;
  }
  std::array<std::byte, format::records_at + format::record_header_bytes> head = {};
  LARDER_TRY(const std::size_t count, segment.file()->read_at(head, 0));
  if (count < head.size()) return 0;
  const auto created_at = created_at_sequence(std::span(head).first(format::records_at));
  if (!created_at) return 0;
  format::Record first;
  const auto verdict =
      format::decode_record(std::span(head).subspan(format::records_at), segment.key(),
                            format::records_at / format::pack_unit_bytes, first);
  const bool is_plain = verdict == format::RecordVerdict::good && first.sequence >= *created_at;
  return is_plain ? *created_at : 0;
}

Result<void> OlderRecords::look_into(const format::SegmentName& name, const Sequences& newest,
                                     std::uint64_t highest,
                                     std::unordered_set<std::uint64_t>& found) {
  std::shared_ptr<Segment> keep;
  const auto segment = shelf_.segments().find(name.number, keep);
  // One that is no segment of this store has no records, now and at the next rebuild.
  if (!segment && (segment.error().code == Errc::absent || segment.error().code == Errc::corrupt)) {
    return {};
  }
  if (!segment) return std::unexpected(segment.error());
  LARDER_TRY(const std::uint64_t bound, lower_bound(**segment));
  if (bound > highest) return {};
  LARDER_TRY(const SegmentEntries read, read_entries(**segment, shelf_.hash(), any_large));
  std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();
  for (const format::SummaryEntry& entry : read.entries) {
    lowest = std::min(lowest, entry.sequence);
    const auto asked = newest.find(entry.slot_tag);
    if (asked != newest.end() && entry.sequence < asked->second) found.insert(entry.slot_tag);
  }
  if (read.from_summary) lowest_[name.number] = lowest;
  return {};
}

Result<std::unordered_set<std::uint64_t>> OlderRecords::among(const Sequences& newest,
                                                              std::uint32_t leaving) {
  std::unordered_set<std::uint64_t> found;
  std::uint64_t highest = 0;
  for (const auto& [tag, sequence] : newest) highest = std::max(highest, sequence);
  std::vector<format::SegmentName> names;
  LARDER_CHECK_OK(shelf_.segments_directory().list([&](std::string_view name) {
    const auto parsed = format::parse_segment_name(name);
    if (parsed && parsed->number != leaving) names.push_back(*parsed);
    return true;
  }));
  for (const format::SegmentName& name : names) {
    if (look_into(name, newest, highest, found)) continue;
    // What cannot be read now may be read at the next rebuild, and hold anything.
    for (const auto& [tag, sequence] : newest) found.insert(tag);
  }
  return found;
}

}  // namespace larder::pack_store
