// Crash model. Nothing is read but what the segments prove: a sealed one by its summary, another
// one record by record. Of several records of one fingerprint the highest sequence counts, wherever
// it stands; a removal is a record like others, so that what was removed does not come back.
// Records of a segment whose sync failed count up to the place in its name.
//
// Who has keys believes no summary that an entry was removed: a removal of one of his keys counts
// when it is authentic. One of another key cannot be told from a forged one, and counts: that costs
// a miss, where an entry that comes back after its removal would be a wrong answer.
#include "store/pack/rebuild.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "base/try.h"
#include "store/pack/segment_scan.h"
#include "store/pack/sync_marks.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

constexpr int rounds_of_reading = 4;
constexpr std::uint64_t farthest_headless = 1024;  // each process makes a few

// A record, or a removal, of one fingerprint.
struct Entry {
  std::uint64_t slot_tag = 0;
  std::uint64_t sequence = 0;
  std::uint64_t word = 0;
  bool removed = false;
  bool supersedes = false;
};

bool is_none(const Error& error) noexcept {
  return error.code == Errc::corrupt || error.code == Errc::absent || error.code == Errc::not_ours;
}

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
    if (place_ == IndexPlace::beside_others) return run_beside_others();
    return place_ == IndexPlace::in_private_memory ? run_for_reader() : run_alone();
  }

 private:
  Result<Rebuilt> run_beside_others() {
    auto partial = parts_.state.word(StateWord::partial_index);
    const std::uint64_t was_partial = partial.load();
    partial.store(1);
    parts_.state.word(StateWord::rebuilds).fetch_add(1);
    const std::uint64_t removals = removal_epoch();
    if (auto started = parts_.index.start_anew(0); !started) {
      partial.store(was_partial);  // the old one stands as it was
      return std::unexpected(std::move(started).error());
    }
    LARDER_CHECK_OK(read_all());
    LARDER_CHECK_OK(keep_newest());
    // Not in the order of their tags: in a table that has yet to grow they would all be in one run.
    std::ranges::sort(found_, {}, &Entry::word);
    for (const Entry& newest : found_) LARDER_CHECK_OK(insert(newest));
    LARDER_CHECK_OK(take_back_distrusted());
    if (removal_epoch() != removals) LARDER_CHECK_OK(take_back_removed());
    partial.store(0);
    return result_;
  }

  Result<Rebuilt> run_alone() {
    LARDER_CHECK_OK(read_all());
    LARDER_CHECK_OK(keep_newest());
    if (place_ == IndexPlace::shared) LARDER_CHECK_OK(start_shared());
    if (place_ == IndexPlace::for_comparison) {
      LARDER_CHECK_OK(parts_.index.start_private(found_.size()));
    }
    for (const Entry& newest : found_) LARDER_CHECK_OK(insert(newest));
    if (place_ == IndexPlace::shared) parts_.state.word(StateWord::partial_index).store(0);
    return result_;
  }

  // Beside who removes and evicts: what he moves to a segment that was read before, out of one that
  // is read later, is not seen at all.
  Result<Rebuilt> run_for_reader() {
    std::uint64_t removals = 0, gone = 0;
    const auto is_quiet = [&] { return removals == removal_epoch() && gone == gone_segments(); };
    for (int round = 0; round < rounds_of_reading && (round == 0 || !is_quiet()); ++round) {
      removals = removal_epoch();
      gone = gone_segments();
      found_.clear();
      seen_.clear();
      LARDER_CHECK_OK(read_all());
    }
    LARDER_CHECK_OK(keep_newest());
    LARDER_CHECK_OK(parts_.index.start_private(found_.size()));
    for (const Entry& newest : found_) LARDER_CHECK_OK(insert(newest));
    if (!is_quiet()) LARDER_CHECK_OK(take_back_removed());
    return result_;
  }

  // On a full disk, the table that is to be replaced has to make room first: it is no use to
  // anybody any more.
  Result<void> start_shared() {
    auto started = parts_.index.start_anew(found_.size());
    if (started || started.error().code != Errc::no_space) return started;
    parts_.index.remove_tables(Index::Keep::none);
    return parts_.index.start_anew(found_.size());
  }

  std::uint64_t removal_epoch() const { return parts_.state.word(StateWord::removal_epoch).load(); }
  std::uint64_t gone_segments() const { return parts_.state.word(StateWord::gone_segments).load(); }

  // What was read before its segment was renamed, since a sync of it failed. Whoever does that
  // looks for it in the index afterwards: one of the two finds it.
  Result<void> take_back_distrusted() {
    LARDER_TRY(const auto names, list_segments(parts_.segments_directory));
    for (const format::SegmentName& name : names) {
      if (!name.good_until_place || seen_.contains({name.number, name.good_until_place})) continue;
      for (const Entry& entry : found_) {
        const auto location = format::Location::of(entry.word);
        if (location.segment != name.number || location.place < *name.good_until_place) continue;
        LARDER_TRY(const Published withdrawn,
                   parts_.index.withdraw(entry.slot_tag, entry.word, Index::Lock::is_held));
        if (withdrawn == Published::done && result_.entries > 0) --result_.entries;
      }
    }
    return {};
  }

  // What was removed after its segment was read. A removal raises the epoch when its record stands
  // there, and waits for the end of this before it looks whether the entry is in the index: one of
  // the two finds it, and nobody is given it after it was removed.
  Result<void> take_back_removed() {
    found_.clear();
    seen_.clear();
    LARDER_CHECK_OK(read_all());
    LARDER_CHECK_OK(sort_by_age());
    for (const Entry& newest : found_) {
      if (!newest.removed) continue;
      LARDER_TRY(const std::optional<std::uint64_t> there, entry_there(newest.slot_tag));
      if (!there) continue;
      LARDER_TRY(const auto sequence, sequence_at(*there));
      if (!sequence || *sequence >= newest.sequence) continue;
      LARDER_TRY(const Published withdrawn,
                 parts_.index.withdraw(newest.slot_tag, *there, Index::Lock::is_held));
      if (withdrawn == Published::done && result_.entries > 0) --result_.entries;
    }
    return {};
  }

  // Until no name comes up that was not read: others make segments, and rename those whose sync
  // failed.
  Result<void> read_all() {
    bool any_new = true;
    for (int round = 0; any_new && round < rounds_of_reading; ++round) {
      any_new = false;
      LARDER_TRY(const auto names, list_segments(parts_.segments_directory));
      for (const format::SegmentName& name : names) {
        const bool is_new = seen_.emplace(name.number, name.good_until_place).second;
        if (is_new) LARDER_CHECK_OK(read_one(name));
        any_new = any_new || is_new;
      }
    }
    pass_headless();
    return {};
  }

  Result<void> read_one(const format::SegmentName& name) {
    auto segment = SyncMarks(parts_.state)
                       .open(parts_.segments_directory, parts_.origin, name, OpenMode::read);
    if (!segment && is_none(segment.error())) {
      headless_.insert(name.number);
      return {};
    }
    result_.next_segment = std::max(result_.next_segment, std::uint64_t{name.number} + 1);
    if (!segment) return forgive(segment.error());
    if (name.good_until_place) forget_from(name.number, *name.good_until_place);
    auto found = read_entries(**segment, parts_.hash,
                              {.keys = parts_.keys, .large_is_good = parts_.large_is_good});
    if (!found) return forgive(found.error());
    if (!found->from_summary) result_.unproven.push_back(name);
    if (found->has_gaps) result_.is_complete = false;
    if (!found->torn.empty()) result_.torn.emplace(name.number, std::move(found->torn));
    for (const format::SummaryEntry& entry : found->entries) note(name.number, entry);
    return {};
  }

  // What a power cut took the headers of had numbers not far beyond the others'. One that is far
  // beyond is nobody's: who makes a segment of that number finds the name taken.
  void pass_headless() {
    for (const std::uint32_t number : headless_) {
      if (number > result_.next_segment + farthest_headless) break;
      result_.next_segment = std::max(result_.next_segment, std::uint64_t{number} + 1);
    }
  }

  // What is no segment, or is gone, or cannot be read from its disk, costs its own records. Nothing
  // else may pass for that: a removal that was not seen brings back what was removed.
  Result<void> forgive(const Error& error) {
    if (is_none(error)) return {};
    if (!is_lost_sector(error)) return std::unexpected(error);
    result_.is_complete = false;
    return {};
  }

  // What was read before it was renamed.
  void forget_from(std::uint32_t number, std::uint32_t place) {
    std::erase_if(found_, [&](const Entry& entry) {
      const auto location = format::Location::of(entry.word);
      return location.segment == number && location.place >= place;
    });
  }

  void note(std::uint32_t number, const format::SummaryEntry& entry) {
    result_.highest_sequence = std::max(result_.highest_sequence, entry.sequence);
    const format::Location location{
        .segment = number, .place = entry.place, .units = entry.hit_units};
    found_.push_back({.slot_tag = entry.slot_tag,
                      .sequence = entry.sequence,
                      .word = location.word(),
                      .removed = entry.removed,
                      .supersedes = entry.supersedes});
  }

  // One for each tag, in their order: the inserts then go through the table from front to back.
  Result<void> keep_newest() {
    LARDER_CHECK_OK(sort_by_age());
    std::erase_if(found_, [](const Entry& newest) { return newest.removed; });
    return {};
  }

  // Copies of a record have its sequence, and so has the removal that an eviction leaves of it:
  // that counts. Of two copies the later one.
  Result<void> sort_by_age() {
    std::ranges::sort(found_, [](const Entry& a, const Entry& b) {
      return std::tie(a.slot_tag, b.sequence, b.removed, b.word) <
             std::tie(b.slot_tag, a.sequence, a.removed, a.word);
    });
    LARDER_CHECK_OK(drop_forged_removals());
    note_copies();
    const auto older = std::ranges::unique(found_, {}, &Entry::slot_tag);
    found_.erase(older.begin(), older.end());
    return {};
  }

  // Of who was killed while he evicted: the newest record does not say that there is an older one.
  void note_copies() {
    const auto hides = [](const Entry& newest, const Entry& other) {
      return newest.slot_tag == other.slot_tag && !newest.removed && !newest.supersedes &&
             !other.removed;
    };
    const auto hides_older = [&](const Entry& newest, const Entry& other) {
      return hides(newest, other) && newest.sequence != other.sequence;
    };
    if (std::ranges::adjacent_find(found_, hides) != found_.end()) result_.has_copies = true;
    if (std::ranges::adjacent_find(found_, hides_older) != found_.end()) result_.hides_older = true;
  }

  // Those that would count: the newest of an entry that has something older.
  Result<void> drop_forged_removals() {
    if (parts_.keys.front().id == 0) return {};
    std::vector<Entry> believed;
    believed.reserve(found_.size());
    for (std::size_t i = 0; i < found_.size(); ++i) {
      const Entry& entry = found_[i];
      const bool is_newest = believed.empty() || believed.back().slot_tag != entry.slot_tag;
      const bool has_older = i + 1 < found_.size() && found_[i + 1].slot_tag == entry.slot_tag;
      const bool may_be_forged = entry.removed && is_newest && has_older;
      bool is_forged = false;
      if (may_be_forged) {
        LARDER_TRY(const bool is_good, removal_is_good(entry));
        is_forged = !is_good;
      }
      if (!is_forged) believed.push_back(entry);
    }
    found_ = std::move(believed);
    return {};
  }

  Result<bool> removal_is_good(const Entry& entry) {
    LARDER_TRY(const auto record, record_at(entry.word));
    return record && record->kind == format::RecordKind::removed &&
           record->sequence == entry.sequence &&
           parts_.hash(record->fingerprint, record->key_id) == entry.slot_tag &&
           may_believe(*record, parts_.keys);
  }

  // Beside others who may put: an entry that is there already gives way only to a newer one.
  Result<void> insert(const Entry& newest) {
    LARDER_TRY(const bool is_over, was_removed(newest.slot_tag));
    if (is_over) return {};
    std::uint64_t expected = 0;
    for (int attempt = 0; attempt < 64; ++attempt) {
      const auto never = [](std::uint64_t) { return false; };
      LARDER_TRY(const Published published,
                 parts_.index.publish(newest.slot_tag, expected, newest.word, never,
                                      Index::Lock::is_held));
      if (published == Published::done) {
        if (expected == 0) ++result_.entries;
        return {};
      }
      LARDER_TRY(const std::optional<std::uint64_t> there, entry_there(newest.slot_tag));
      if (!there) {
        expected = 0;
        continue;
      }
      LARDER_TRY(const auto sequence, sequence_at(*there));
      if (!sequence || *sequence >= newest.sequence) return {};
      expected = *there;
    }
    return {};
  }

  // Put and taken away since the index was begun, and perhaps since its segment was read.
  Result<bool> was_removed(std::uint64_t tag) {
    if (place_ != IndexPlace::beside_others) return false;
    LARDER_TRY(const bool has_tag, parts_.index.has_tag(tag));
    if (!has_tag) return false;
    LARDER_TRY(const std::optional<std::uint64_t> there, entry_there(tag));
    return !there;
  }

  Result<std::optional<std::uint64_t>> entry_there(std::uint64_t tag) {
    LARDER_TRY(IndexTable* const table, parts_.index.table());
    for (IndexTable::Cursor cursor(*table, tag); cursor.next();) {
      const std::uint64_t there = cursor.word() & format::place_mask;
      if (there != 0) return there;
    }
    return std::nullopt;
  }

  // nullopt: no good record stands there, or its sector is lost.
  Result<std::optional<std::uint64_t>> sequence_at(std::uint64_t word) {
    LARDER_TRY(const auto record, record_at(word));
    return record ? std::optional(record->sequence) : std::nullopt;
  }

  Result<std::optional<format::Record>> record_at(std::uint64_t word) {
    const format::Location location = format::Location::of(word);
    std::shared_ptr<Segment> keep;
    const auto segment = parts_.segments.find(location.segment, keep);
    if (!segment) return nothing_but(forgive(segment.error()));
    std::array<std::byte, format::record_header_bytes> header;
    const auto count = (*segment)->file()->read_at(header, location.offset_bytes());
    if (!count) return nothing_but(forgive(count.error()));
    format::Record record;
    const bool is_good = *count == header.size() &&
                         format::decode_record(header, (*segment)->key(), location.place, record) ==
                             format::RecordVerdict::good;
    return is_good ? std::optional(record) : std::nullopt;
  }

  static Result<std::optional<format::Record>> nothing_but(Result<void> forgiven) {
    if (!forgiven) return std::unexpected(std::move(forgiven).error());
    return std::nullopt;
  }

  const RebuildParts& parts_;
  const IndexPlace place_;
  Rebuilt result_;
  std::vector<Entry> found_;
  std::set<std::pair<std::uint32_t, std::optional<std::uint32_t>>> seen_;
  std::set<std::uint32_t> headless_;
};

}  // namespace

Result<Rebuilt> rebuild(const RebuildParts& parts, IndexPlace place) {
  return Rebuild(parts, place).run();
}

}  // namespace larder::pack_store
