// Choosing, copying and leading the index to the copies; evict_leave.cc has the end.
#include "store/pack/evict_segment.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/large_files.h"
#include "store/pack/removal.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

using format::pack_unit_bytes;
using format::record_header_bytes;
using format::StateWord;

constexpr std::uint64_t bytes_per_look = 512;  // what looking at an entry costs, in bytes copied

}  // namespace

std::string path_of(const format::SegmentName& name) {
  return name.good_until_place ? format::bad_segment_name(name.number, *name.good_until_place)
                               : format::segment_name(name.number);
}

Gone gone_of(const format::Record& record, EvictionReason reason, std::int64_t now_s) noexcept {
  const std::int64_t age_s = std::max<std::int64_t>(0, now_s - record.written_s);
  return {.eviction = {.fingerprint = record.fingerprint,
                       .reason = reason,
                       .bytes = record.total_bytes() + large_bytes_of(record),
                       .age_s = static_cast<std::uint64_t>(age_s)}};
}

Gone nameless(std::uint64_t bytes) noexcept {
  Gone gone{.eviction = {}, .is_known = false};
  gone.eviction.bytes = bytes;
  return gone;
}

Result<void> sync_carried(Shelf& shelf, Writers& carriers) {
  Writers::Lost lost = carriers.sync([&shelf] { return shelf.is_in_place(); });
  if (lost.error) return std::unexpected(*std::move(lost.error));
  if (lost.undecided) return std::unexpected(*std::move(lost.undecided));
  if (lost.fingerprints.empty()) return {};
  return std::unexpected(
      Error{.code = Errc::absent, .message = "the store's directory was deleted or moved away"});
}

SegmentEviction::SegmentEviction(const Parts& parts, const SegmentOnDisk& on_disk, Rules rules,
                                 std::shared_ptr<Segment> segment)
    : parts_(parts), on_disk_(on_disk), rules_(std::move(rules)), segment_(std::move(segment)) {}

// Given up, its copies stay, and what it has let go of is in the segment: neither may be taken for
// what it is not. Who is killed here leaves the word raised. The kernel drops the lock with the
// file, should it come to that.
SegmentEviction::~SegmentEviction() {
  if (has_begun_ && phase_ != Phase::gone) parts_.shelf.note_given_up();
  if (has_begun_) parts_.shelf.end_eviction();
  best_effort([this] { (void)segment_->file()->unlock(owner_lock_at, 1); });
}

Result<std::unique_ptr<SegmentEviction>> SegmentEviction::begin(const Parts& parts,
                                                                const format::SegmentName& name,
                                                                Rules rules) {
  Directory& directory = parts.shelf.segments_directory();
  auto opened =
      parts.shelf.marks().open(directory, parts.shelf.origin(), name, OpenMode::read_write);
  if (!opened) {
    const Errc code = opened.error().code;
    // What is not recognised as a segment of this store is not touched.
    if (code == Errc::absent || code == Errc::corrupt || code == Errc::not_ours) return nullptr;
    return std::unexpected(std::move(opened).error());
  }
  File& file = *(*opened)->file();
  LARDER_TRY(const bool locked, file.try_lock(LockMode::exclusive, owner_lock_at, 1));
  if (!locked) return nullptr;
  LARDER_TRY(const FileInfo info, file.info());
  std::unique_ptr<SegmentEviction> eviction(
      new SegmentEviction(parts, on_disk_of(name, info), std::move(rules), *std::move(opened)));
  // Before the lock was ours it may have been evicted, or renamed because its sync failed.
  const auto named = directory.info_at(path_of(name));
  if (!named || !named->same_file(info)) return nullptr;
  LARDER_TRY(SegmentEntries read, read_entries(*eviction->segment_, parts.shelf.hash(), {}));
  // What was not seen would be dropped, and a removal that was not seen undone.
  if (read.has_gaps && eviction->rules_.lost_sectors == LostSectors::keep) {
    return std::unexpected(
        Error{.code = Errc::io_error, .message = path_of(name) + ": parts of it cannot be read"});
  }
  eviction->from_summary_ = read.from_summary;
  eviction->items_.reserve(read.entries.size());
  for (const format::SummaryEntry& entry : read.entries) {
    eviction->items_.push_back({.entry = entry});
  }
  return eviction;
}

bool SegmentEviction::is_unreadable(const Error& error) noexcept {
  return is_lost_sector(error) || (error.code == Errc::io_error && error.os_error == 0);
}

// A removal takes as much in the next segment. Where somebody else holds the older records, and
// with them more than the budget, each put would write all removals once more.
Result<SegmentEviction::Staying> SegmentEviction::staying_removals() {
  if (rules_.removals == Removals::move) return Staying{};
  OlderRecords::Sequences newest;
  std::uint64_t removals = 0, bytes = 0;
  for (const Item& item : items_) {
    bytes += std::uint64_t{item.entry.hit_units} * pack_unit_bytes;
    if (!item.entry.removed) continue;
    ++removals;
    auto& sequence = newest[item.entry.slot_tag];
    sequence = std::max(sequence, item.entry.sequence);
  }
  if (removals * record_header_bytes <= bytes / 2) return Staying{};
  LARDER_TRY(const auto needed, parts_.older.among(newest, number()));
  const auto stays = [&](const Item& item) {
    const std::uint64_t tag = item.entry.slot_tag;
    return item.entry.removed && needed.contains(tag) && newest[tag] == item.entry.sequence;
  };
  const auto staying = static_cast<std::uint64_t>(std::ranges::count_if(items_, stays));
  if (staying * record_header_bytes <= bytes / 2) return Staying{};
  return Staying{.bytes = staying * record_header_bytes, .of_bytes = bytes};
}

Result<bool> SegmentEviction::advance(const Step& step) {
  switch (phase_) {
    case Phase::copy: {
      LARDER_TRY(const bool done, copy(step.bytes));
      if (done) phase_ = Phase::settle;
      return false;
    }
    case Phase::settle:
      LARDER_CHECK_OK(settle(step));
      phase_ = Phase::swing;
      next_ = 0;
      return false;
    case Phase::swing: {
      LARDER_TRY(const bool done, swing(step));
      if (done) phase_ = Phase::bury;
      return false;
    }
    case Phase::bury:
      LARDER_CHECK_OK(bury());
      phase_ = Phase::leave;
      return false;
    case Phase::leave: {
      LARDER_TRY(const bool is_back, is_led_back());
      if (is_back) {
        phase_ = Phase::swing;
        next_ = 0;
        return false;
      }
      LARDER_CHECK_OK(leave(step));
      phase_ = Phase::gone;
      return true;
    }
    case Phase::gone: return true;
  }
  return true;
}

std::uint64_t SegmentEviction::place_word(const Item& item) const noexcept {
  return format::Location{
      .segment = number(), .place = item.entry.place, .units = item.entry.hit_units}
      .word();
}

Result<std::size_t> SegmentEviction::read(std::span<std::byte> into, std::uint64_t offset) {
  auto count = segment_->file()->read_at(into, offset);
  is_unreadable_ = is_unreadable_ || (!count && is_lost_sector(count.error()));
  return count;
}

// False when it is damaged.
Result<bool> SegmentEviction::read_header(const Item& item, format::Record& record) {
  std::array<std::byte, record_header_bytes> header;
  LARDER_TRY(const std::size_t count,
             read(header, std::uint64_t{item.entry.place} * pack_unit_bytes));
  return count == header.size() && format::decode_record(header, segment_->key(), item.entry.place,
                                                         record) == format::RecordVerdict::good;
}

// From the first copy until this segment is gone, the index and the segments do not say the same.
void SegmentEviction::note_begun() {
  if (!std::exchange(has_begun_, true)) parts_.shelf.begin_eviction();
}

// True when all were looked at.
Result<bool> SegmentEviction::copy(std::uint64_t bytes) {
  std::uint64_t done = 0;
  for (; next_ < items_.size() && done < bytes; ++next_) {
    LARDER_TRY(const std::uint64_t cost, sort_out(items_[next_]));
    done += cost;
  }
  return next_ == items_.size();
}

// The header is read where it may tell more than the entry does.
Result<SegmentEviction::Verdict> SegmentEviction::judge(const Item& item) {
  Asked asked{.place_word = place_word(item),
              .bytes = std::uint64_t{item.entry.hit_units} * pack_unit_bytes,
              .visited = item.visited};
  if (!item.visited && !rules_.needs_age && item.entry.hit_units != units_of_large) {
    return rules_.judge(asked);
  }
  format::Record record;
  LARDER_TRY(const bool is_good, read_header(item, record));
  if (is_good) {
    asked.large_bytes = large_bytes_of(record);
    asked.bytes = record.total_bytes() + asked.large_bytes;
    const std::int64_t age_s = parts_.file_system.now_s() - record.written_s;
    if (!item.visited) asked.age_s = static_cast<std::uint64_t>(std::max<std::int64_t>(0, age_s));
  }
  return rules_.judge(asked);
}

// Returns what it cost.
Result<std::uint64_t> SegmentEviction::sort_out(Item& item) {
  std::optional<std::uint64_t> word;
  if (!item.entry.removed) {
    LARDER_TRY(word, find_word(parts_.shelf, item.entry.slot_tag, place_word(item)));
  }
  if (!word) {
    item.fate = Fate::dead;
    return bytes_per_look;
  }
  item.visited = (*word & format::visited_bit) != 0;
  LARDER_TRY(const Verdict verdict, judge(item));
  item.reason = verdict.reason;
  item.fate = Fate::drop;
  if (verdict.fate == Verdict::Fate::drop) return bytes_per_look;
  auto carried = carry(item);
  const bool is_full = !carried && carried.error().code == Errc::no_space;
  if (is_full && rules_.when_full == WhenFull::drop) return bytes_per_look;
  return carried;
}

// A damaged record stays behind, and is dropped.
Result<std::uint64_t> SegmentEviction::carry(Item& item) {
  format::Record record;
  LARDER_TRY(const bool is_good, read_header(item, record));
  if (!is_good) return bytes_per_look;
  buffer_.resize(std::uint64_t{record.stored_bytes} + record.recipe_bytes);
  const std::uint64_t at = std::uint64_t{item.entry.place} * pack_unit_bytes + record_header_bytes;
  LARDER_TRY(const std::size_t count, read(buffer_, at));
  const std::span<const std::byte> bytes(buffer_);
  const auto stored = bytes.first(record.stored_bytes);
  const bool is_whole = count == bytes.size() && (record.kind == format::RecordKind::large ||
                                                  format::payload_is_good(record, stored));
  if (!is_whole) return bytes_per_look;
  const auto recipe = bytes.subspan(record.stored_bytes);
  // Ages count from the last use.
  if (item.visited) record.written_s = format::record_time(parts_.file_system.now_s());
  LARDER_TRY(auto claimed, parts_.carriers.claim(record.total_bytes(), large_bytes_of(record)));
  note_begun();
  LARDER_TRY(const format::Location location,
             claimed.writer->append(record, stored,
                                    {reinterpret_cast<const char*>(recipe.data()), recipe.size()}));
  const bool is_large = record.kind == format::RecordKind::large;
  if (is_large && !segment_->is_known_durable()) claimed.writer->withhold_proof();
  destinations_.insert(location.segment);
  item.moved_to = location.word();
  item.fate = Fate::carry;
  carried_bytes_ += record.total_bytes();
  return record.total_bytes();
}

// Whether an older record of its fingerprint could come back when this one is gone.
Result<bool> SegmentEviction::may_uncover(const Item& item) const {
  if (item.entry.removed) return true;
  const bool has_older = item.entry.supersedes || parts_.shelf.has_forgotten();
  if (!has_older || item.fate == Fate::carry) return false;
  if (item.fate == Fate::drop) return true;
  LARDER_TRY(const auto place, find_place(parts_.shelf, item.entry.slot_tag));
  return !place;
}

// Who has the key of a record believes no removal that is made without it: in its place the record
// stays.
Result<bool> SegmentEviction::carry_for_owner(Item& item) {
  format::Record record;
  LARDER_TRY(const bool is_good, read_header(item, record));
  const bool takes_removal = record.key_id == 0 || parts_.shelf.has_key(record.key_id);
  if (!is_good || takes_removal || record.kind == format::RecordKind::removed) return false;
  LARDER_CHECK_OK(carry(item));
  return item.fate == Fate::carry;
}

// One that stands there keeps its authenticator, and has its other copy beside it.
Result<void> SegmentEviction::leave_tombstone(const Item& item) {
  format::Record record;
  LARDER_TRY(const bool is_good, read_header(item, record));
  if (!is_good) {
    parts_.shelf.note_forgotten();
    return {};
  }
  // Forged: nothing authentic comes of it.
  if (!may_believe(record, parts_.shelf.keys())) return {};
  format::Record tombstone{.kind = format::RecordKind::removed,
                           .supersedes = true,
                           .written_s = record.written_s,
                           .key_id = record.key_id,
                           .sequence = record.sequence,
                           .fingerprint = record.fingerprint};
  const DerivedKey* key = find_key(parts_.shelf.keys(), record.key_id);
  const bool is_copy = record.kind == format::RecordKind::removed;
  if (is_copy) {
    tombstone.authenticator = record.authenticator;
  } else if (key != nullptr) {
    authenticate(tombstone, *key);
  }
  const Copies copies = is_copy ? Copies::one : Copies::two;
  const std::uint64_t bytes = removal_bytes(copies);
  LARDER_TRY(auto claimed, parts_.carriers.claim(bytes));
  LARDER_CHECK_OK(append_removal(parts_.shelf, *claimed.writer, tombstone, copies));
  destinations_.insert(claimed.writer->number());
  carried_bytes_ += bytes;
  return {};
}

// A put may be under way with a sequence below that of a tombstone: it looks at the epoch when it
// is published, and writes again. See remove.cc.
Result<void> SegmentEviction::leave_tombstones() {
  const bool may_be_copied = parts_.shelf.has_forgotten();
  const auto has_older = [may_be_copied](const Item& item) {
    const bool is_alone = !item.entry.supersedes && !may_be_copied;
    return !is_alone && !item.entry.removed && item.fate != Fate::carry;
  };
  if (std::ranges::any_of(items_, has_older)) {
    parts_.shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  }
  OlderRecords::Sequences newest;
  for (const Item& item : items_) {
    LARDER_TRY(const bool uncovers, may_uncover(item));
    if (!uncovers) continue;
    auto& sequence = newest[item.entry.slot_tag];
    sequence = std::max(sequence, item.entry.sequence);
  }
  if (newest.empty()) return {};
  LARDER_TRY(const auto needed, parts_.older.among(newest, number()));
  leaves_out_tombstones_ = needed.size() < newest.size();
  for (Item& item : items_) {
    const std::uint64_t tag = item.entry.slot_tag;
    const auto sequence = newest.find(tag);
    const bool is_newest = sequence != newest.end() && sequence->second == item.entry.sequence;
    if (!is_newest || !needed.contains(tag)) continue;
    LARDER_TRY(const bool goes_on, carry_for_owner(item));
    if (goes_on) continue;
    item.needs_removal = item.fate == Fate::drop;
    if (item.needs_removal) parts_.shelf.note_forgotten();
    if (!item.needs_removal) LARDER_CHECK_OK(leave_tombstone(item));
  }
  return {};
}

// An entry that lives gets its removal when the index does not lead to it any more: until then this
// eviction may fail, be given up, or find it changed, and a removal would take it at the next
// rebuild.
Result<void> SegmentEviction::settle(const Step& step) {
  // Before anything has left the index: what cannot be made durable keeps all of it.
  LARDER_CHECK_OK(secure_successors(step));
  note_begun();
  spared_bytes_ = carried_bytes_;
  LARDER_CHECK_OK(leave_tombstones());
  if (carried_bytes_ == 0) return {};
  return sync_carried(parts_.shelf, parts_.carriers);
}

// Since the step before, another process may have evicted one to which nothing led yet. Not within
// this step.
Result<void> SegmentEviction::check_destinations() const {
  std::shared_ptr<Segment> keep;
  for (const std::uint32_t number : destinations_) {
    const auto there = parts_.shelf.segments().find(number, keep);
    if (there && !(*there)->is_gone()) continue;
    return std::unexpected(Error{.code = Errc::timed_out,
                                 .message = "what was carried out of " + path_of(on_disk_.name) +
                                            " has left meanwhile; it is tried again"});
  }
  return {};
}

// True when the index leads to nothing in the source any more.
Result<bool> SegmentEviction::swing(const Step& step) {
  LARDER_CHECK_OK(check_destinations());
  const std::uint64_t most = std::max<std::uint64_t>(1, step.bytes / bytes_per_look);
  const std::size_t until = std::min<std::uint64_t>(items_.size(), next_ + most);
  for (; next_ < until; ++next_) LARDER_CHECK_OK(swing_one(items_[next_], step));
  if (next_ < items_.size()) return false;
  if (!from_summary_) LARDER_CHECK_OK(forget_unlisted(step));
  return true;
}

Result<void> SegmentEviction::swing_one(Item& item, const Step& step) {
  Index& index = parts_.shelf.index();
  const std::uint64_t tag = item.entry.slot_tag;
  if (item.fate == Fate::carry) {
    LARDER_CHECK_OK(index.publish(tag, place_word(item), item.moved_to, always_other));
  } else if (item.fate == Fate::drop) {
    LARDER_CHECK_OK(drop(item, step));
  }
  return {};
}

// As withdraw_alone: the removal when the slot is empty. One that cannot be written leaves the
// entry where it was.
Result<void> SegmentEviction::drop(Item& item, const Step& step) {
  Shelf& shelf = parts_.shelf;
  const std::uint64_t tag = item.entry.slot_tag;
  LARDER_TRY(const Published withdrawn, shelf.index().withdraw(tag, place_word(item)));
  if (withdrawn != Published::done) {
    item.fate = Fate::dead;
    return {};
  }
  auto left = item.needs_removal ? leave_tombstone(item) : Result<void>();
  if (!left) {
    (void)shelf.index().publish(tag, 0, place_word(item), never_other);
    return left;
  }
  has_removals_ = has_removals_ || item.needs_removal;
  if (std::exchange(item.is_told, true)) return {};
  shelf.count_entries(-1);
  tell(item, step);
  return {};
}

// Before their entries' records go, the removals have to be on the disk.
Result<void> SegmentEviction::bury() {
  if (!has_removals_) return {};
  // For a rebuild that has read the segment before.
  parts_.shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  return sync_carried(parts_.shelf, parts_.carriers);
}

void SegmentEviction::tell(const Item& item, const Step& step) {
  format::Record record;
  const auto is_good = read_header(item, record);
  if (!is_good || !*is_good) {
    step.gone.push_back(nameless(std::uint64_t{item.entry.hit_units} * pack_unit_bytes));
    return;
  }
  step.gone.push_back(gone_of(record, item.reason, parts_.file_system.now_s()));
}

// Entries whose header is damaged and that no summary tells of: only the index knows them.
Result<void> SegmentEviction::forget_unlisted(const Step& step) {
  LARDER_TRY(IndexTable* const table, parts_.shelf.index().table());
  std::unordered_map<std::uint64_t, std::uint64_t> listed;  // tags, by their places
  for (const Item& item : items_) listed.emplace(place_word(item), item.entry.slot_tag);
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const std::uint64_t word = table->word_at(slot) & format::place_mask;
    if (word == 0 || format::Location::of(word).segment != number()) continue;
    // Who made the index anew meanwhile has led it back: see is_led_back.
    const auto led_back = listed.find(word);
    if (led_back != listed.end() && led_back->second == table->tag_at(slot)) continue;
    parts_.shelf.note_forgotten();
    LARDER_TRY(const Published withdrawn, parts_.shelf.index().withdraw(table->tag_at(slot), word));
    if (withdrawn != Published::done) continue;
    parts_.shelf.count_entries(-1);
    step.gone.push_back(nameless(format::Location::of(word).hit_bytes()));
  }
  return {};
}

}  // namespace larder::pack_store
