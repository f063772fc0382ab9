// Crash model. Nothing is read but what the segments prove: a sealed one by its summary, another
// one record by record. Of several records of one fingerprint the highest sequence counts, wherever
// it stands; a removal is a record like others, so that what was removed does not come back.
// Records of a segment whose sync failed count up to the place in its name.
#include "store/pack/rebuild.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "base/try.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

struct Read {
  std::uint32_t number = 0;
  std::vector<format::SummaryEntry> entries;
};

Result<std::vector<format::SegmentName>> list_segments(Directory& directory) {
  std::vector<format::SegmentName> names;
  LARDER_CHECK_OK(directory.list([&](std::string_view name) {
    if (const auto parsed = format::parse_segment_name(name)) names.push_back(*parsed);
    return true;
  }));
  return names;
}

class Rebuild {
 public:
  Rebuild(const RebuildParts& parts, IndexPlace place) : parts_(parts), place_(place) {}

  Result<Rebuilt> run() {
    if (place_ == IndexPlace::beside_others) LARDER_CHECK_OK(parts_.index.start_anew(0));
    LARDER_CHECK_OK(read_all());
    if (place_ == IndexPlace::shared) LARDER_CHECK_OK(parts_.index.start_anew(entries_));
    if (place_ == IndexPlace::in_private_memory) {
      LARDER_CHECK_OK(parts_.index.start_private(entries_));
    }
    for (const Read& segment : read_) LARDER_CHECK_OK(insert_all(segment));
    return result_;
  }

 private:
  // Whoever owns a segment that cannot be read now, only that one is missed.
  Result<void> read_all() {
    LARDER_TRY(const auto names, list_segments(parts_.segments_directory));
    for (const format::SegmentName& name : names) {
      result_.next_segment = std::max(result_.next_segment, std::uint64_t{name.number} + 1);
      const auto segment =
          Segment::open(parts_.segments_directory, parts_.store, name, OpenMode::read);
      if (!segment && segment.error().code == Errc::out_of_memory) {
        return std::unexpected(segment.error());
      }
      if (!segment) continue;
      auto found = read_entries(**segment, parts_.hash, parts_.large_is_good);
      if (!found || !found->from_summary) result_.unproven.push_back(name);
      if (found) note(name.number, std::move(found->entries));
    }
    return {};
  }

  void note(std::uint32_t number, std::vector<format::SummaryEntry> entries) {
    for (const format::SummaryEntry& entry : entries) {
      result_.highest_sequence = std::max(result_.highest_sequence, entry.sequence);
      if (!entry.removed) continue;
      auto& removed_at = removed_at_[entry.slot_tag];
      removed_at = std::max(removed_at, entry.sequence);
    }
    entries_ += entries.size();
    read_.push_back({.number = number, .entries = std::move(entries)});
  }

  Result<void> insert_all(const Read& segment) {
    for (const format::SummaryEntry& entry : segment.entries) {
      if (entry.removed) continue;
      const auto removed = removed_at_.find(entry.slot_tag);
      if (removed != removed_at_.end() && removed->second > entry.sequence) continue;
      const format::Location location{
          .segment = segment.number, .place = entry.place, .units = entry.hit_units};
      LARDER_CHECK_OK(insert(entry, location.word()));
    }
    return {};
  }

  // Beside others who may put: an entry that is there already gives way only to a newer one.
  Result<void> insert(const format::SummaryEntry& entry, std::uint64_t word) {
    std::uint64_t expected = 0;
    for (int attempt = 0; attempt < 64; ++attempt) {
      const auto never = [](std::uint64_t) { return false; };
      LARDER_TRY(const Published published,
                 parts_.index.publish(entry.slot_tag, expected, word, never, Index::Lock::is_held));
      if (published == Published::done) {
        if (expected == 0) ++result_.entries;
        return {};
      }
      LARDER_TRY(const std::optional<std::uint64_t> there, entry_there(entry.slot_tag));
      if (!there) {
        expected = 0;
        continue;
      }
      if (sequence_at(*there) >= entry.sequence) return {};
      expected = *there;
    }
    return {};
  }

  Result<std::optional<std::uint64_t>> entry_there(std::uint64_t tag) {
    IndexTable* const table = parts_.index.table();
    if (table == nullptr) return std::nullopt;
    for (IndexTable::Cursor cursor(*table, tag); cursor.next();) {
      const std::uint64_t there = cursor.word() & format::place_mask;
      if (there != 0) return there;
    }
    return std::nullopt;
  }

  // 0 when there is no good record there: anything is newer.
  std::uint64_t sequence_at(std::uint64_t word) {
    const format::Location location = format::Location::of(word);
    std::shared_ptr<Segment> keep;
    const auto segment = parts_.segments.find(location.segment, keep);
    if (!segment) return 0;
    std::array<std::byte, format::record_header_bytes> header;
    const auto count = (*segment)->file()->read_at(header, location.offset_bytes());
    format::Record record;
    if (!count || *count < header.size() ||
        format::decode_record(header, (*segment)->key(), location.place, record) !=
            format::RecordVerdict::good) {
      return 0;
    }
    return record.sequence;
  }

  const RebuildParts& parts_;
  const IndexPlace place_;
  Rebuilt result_;
  std::uint64_t entries_ = 0;
  std::vector<Read> read_;
  std::unordered_map<std::uint64_t, std::uint64_t>
      removed_at_;  // by slot tag: a keyed hash already
};

}  // namespace

Result<Rebuilt> rebuild(const RebuildParts& parts, IndexPlace place) {
  return Rebuild(parts, place).run();
}

}  // namespace larder::pack_store
