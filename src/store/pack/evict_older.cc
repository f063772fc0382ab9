#include "store/pack/evict_older.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/try.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

constexpr std::size_t most_tags = 1u << 20;  // of segments being written, kept: some 40 MiB

void note_lower(OlderRecords::Sequences& lowest, std::uint64_t tag, std::uint64_t sequence) {
  const auto [at, is_new] = lowest.emplace(tag, sequence);
  if (!is_new) at->second = std::min(at->second, sequence);
}

struct Beginning {
  std::uint64_t created_at_sequence = 0;
  Content content = Content::unknown;
};

Beginning beginning_of(Segment& segment) {
  std::array<std::byte, format::records_at + format::record_header_bytes> bytes = {};
  const auto count = segment.file()->read_at(bytes, 0);
  if (!count || *count < bytes.size()) return {};
  const std::span<const std::byte> head(bytes);
  auto header = format::decode_segment_header(head.first(format::segment_header_bytes));
  if (!header) header = format::decode_segment_header(head.subspan(format::segment_header_bytes));
  format::Record first;
  const auto verdict = format::decode_record(head.subspan(format::records_at), segment.key(),
                                             format::records_at / format::pack_unit_bytes, first);
  if (!header || verdict != format::RecordVerdict::good) return {};
  const bool is_younger = first.sequence >= header->created_at_sequence;
  return {.created_at_sequence = header->created_at_sequence,
          .content = is_younger ? Content::put : Content::carried};
}

struct Listed {
  std::vector<format::SummaryEntry> entries;
  bool is_own = false;  // more may come
};

// What this process, or its summary, knows of a segment; nullopt where it has to be read.
std::optional<Listed> listed_records(Shelf& shelf, Writers& carriers, Segment& segment) {
  for (Writers* const own : {&carriers, &shelf.writers()}) {
    auto entries = own->entries_of(segment.number());
    if (entries) return Listed{*std::move(entries), true};
  }
  auto summary = read_summary(segment, Proof::unwanted);
  if (!summary || !*summary) return std::nullopt;
  return Listed{**std::move(summary), false};
}

}  // namespace

Content content_of(Segment& segment) { return beginning_of(segment).content; }

Result<std::vector<format::SummaryEntry>> list_records(Shelf& shelf, Writers& carriers,
                                                       Segment& segment) {
  if (auto listed = listed_records(shelf, carriers, segment)) return std::move(listed->entries);
  std::vector<format::SummaryEntry> entries;
  LARDER_TRY(const Scanned scanned,
             scan_records(segment, {}, [&](const format::Record& record, std::uint32_t place) {
               entries.push_back(format::summary_entry(record, shelf.tag_of(record), place));
             }));
  if (!scanned.has_gaps) return entries;
  return std::unexpected(Error{.code = Errc::io_error, .message = "not all of it can be read"});
}

// 0 when nothing is known: then all of it is read.
std::uint64_t OlderRecords::lower_bound(Segment& segment) {
  if (const auto known = lowest_.find(segment.number()); known != lowest_.end()) {
    return known->second;
  }
  const Beginning beginning = beginning_of(segment);
  return beginning.content == Content::put ? beginning.created_at_sequence : 0;
}

// A record that is under way leaves a gap, and what stands behind it is read once more.
Result<const OlderRecords::Sequences*> OlderRecords::read_on(Segment& segment) {
  Growing& growing = growing_[segment.number()];
  growing.until = std::max(growing.until, format::records_at);
  std::uint64_t end = growing.until;
  LARDER_TRY(const Scanned scanned,
             scan_records(segment, {.from = growing.until},
                          [&](const format::Record& record, std::uint32_t place) {
                            const std::uint64_t at = std::uint64_t{place} * format::pack_unit_bytes;
                            if (at == end) end += record.total_bytes();
                            if (record.kind == format::RecordKind::removed) return;
                            note_lower(growing.lowest, shelf_.tag_of(record), record.sequence);
                          }));
  if (scanned.has_gaps) {
    return std::unexpected(Error{.code = Errc::io_error, .message = "not all of it can be read"});
  }
  growing.until = end;
  return &growing.lowest;
}

Result<const OlderRecords::Sequences*> OlderRecords::lowest_puts(Segment& segment,
                                                                 Sequences& scratch) {
  const auto listed = listed_records(shelf_, carriers_, segment);
  if (!listed) return read_on(segment);
  std::uint64_t lowest_of_all = std::numeric_limits<std::uint64_t>::max();
  for (const format::SummaryEntry& entry : listed->entries) {
    if (entry.removed) continue;
    note_lower(scratch, entry.slot_tag, entry.sequence);
    lowest_of_all = std::min(lowest_of_all, entry.sequence);
  }
  if (!listed->is_own || segment.is_known_durable()) lowest_[segment.number()] = lowest_of_all;
  return &scratch;
}

Result<void> OlderRecords::look_into(const format::SegmentName& name, const Sequences& newest,
                                     std::uint64_t highest,
                                     std::unordered_set<std::uint64_t>& found) {
  const auto known = lowest_.find(name.number);
  if (known != lowest_.end() && known->second > highest) return {};
  std::shared_ptr<Segment> keep;
  const auto segment = shelf_.segments().find(name.number, keep);
  // One that is no segment of this store has no records, now and at the next rebuild.
  if (!segment && (segment.error().code == Errc::absent || segment.error().code == Errc::corrupt)) {
    return {};
  }
  if (!segment) return std::unexpected(segment.error());
  if (lower_bound(**segment) > highest) return {};
  Sequences scratch;
  LARDER_TRY(const Sequences* const lowest, lowest_puts(**segment, scratch));
  for (const auto& [tag, sequence] : newest) {
    const auto older = lowest->find(tag);
    if (older != lowest->end() && older->second <= sequence) found.insert(tag);
  }
  return {};
}

// Of segments that have left or are complete by now; and of all of them where it would be too much.
void OlderRecords::forget_all_but(const std::vector<format::SegmentName>& names) {
  std::unordered_set<std::uint32_t> there;
  for (const format::SegmentName& name : names) there.insert(name.number);
  std::erase_if(lowest_, [&](const auto& known) { return !there.contains(known.first); });
  std::erase_if(growing_, [&](const auto& known) {
    return !there.contains(known.first) || lowest_.contains(known.first);
  });
  std::size_t tags = 0;
  for (const auto& [number, growing] : growing_) tags += growing.lowest.size();
  if (tags > most_tags) growing_.clear();
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
  forget_all_but(names);
  for (const format::SegmentName& name : names) {
    if (look_into(name, newest, highest, found)) continue;
    // What cannot be read now may be read at the next rebuild, and hold anything.
    for (const auto& [tag, sequence] : newest) found.insert(tag);
  }
  return found;
}

}  // namespace larder::pack_store
