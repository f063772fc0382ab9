// The end of a segment's eviction: what must be durable before it goes, and what goes with it.
#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"
#include "format/pack_name.h"
#include "store/pack/evict_alone.h"
#include "store/pack/evict_segment.h"
#include "store/pack/large_files.h"
#include "store/pack/secure.h"

namespace larder::pack_store {

using format::StateWord;

bool SegmentEviction::is_secured(const format::Location& location) {
  if (location.units == units_of_large) return secured_files_.contains(location.word());
  return location.offset_bytes() + location.hit_bytes() <= secured_until_[location.segment];
}

// A put that replaces an entry promises that a power cut leaves the old one or the new one.
Result<void> SegmentEviction::secure_successors(const Step& step) {
  std::map<std::uint32_t, Secured> successors;
  std::vector<std::uint64_t> files;
  for (const Item& item : items_) {
    if (item.fate != Fate::dead || item.entry.removed) continue;
    LARDER_TRY(const auto word, find_place(parts_.shelf, item.entry.slot_tag));
    if (!word) continue;
    const auto location = format::Location::of(*word);
    // What is here leaves as well, or is carried, and no sync may vouch for this segment any more.
    if (location.segment == number() || is_secured(location)) continue;
    if (location.units == units_of_large) files.push_back(location.word());
    successors[location.segment].add(parts_.shelf, location);
  }
  const SecureParts parts{
      .shelf = parts_.shelf, .carriers = parts_.carriers, .sync_own = step.sync_own};
  for (const auto& [number, there] : successors) {
    LARDER_CHECK_OK(secure(parts, number, there));
    std::uint64_t& until = secured_until_[number];
    until = std::max(until, there.end);
  }
  secured_files_.insert(files.begin(), files.end());
  return {};
}

// What nothing led to when it was looked at may be a copy that another process has made, and led
// the index to since: an error. And who made the index anew between two steps may have led it back
// to what was carried or dropped: true. Not from here on: his turn would have to come.
Result<bool> SegmentEviction::is_led_back() const {
  bool is_back = false;
  for (const Item& item : items_) {
    if (item.entry.removed) continue;
    LARDER_TRY(const auto word, find_word(parts_.shelf, item.entry.slot_tag, place_word(item)));
    if (!word) continue;
    is_back = true;
    if (item.fate != Fate::dead) continue;
    return std::unexpected(Error{.code = Errc::timed_out,
                                 .message = "another process carries entries to " +
                                            path_of(on_disk_.name) + "; it is tried again"});
  }
  return is_back;
}

Result<void> SegmentEviction::leave(const Step& step) {
  Shelf& shelf = parts_.shelf;
  LARDER_CHECK_OK(secure_successors(step));
  // Tombstones were left out because certain segments are gone: they must not come back.
  if (leaves_out_tombstones_) LARDER_CHECK_OK(shelf.sync_names());
  const auto removed = shelf.segments_directory().remove_file(path_of(on_disk_.name));
  if (!removed && removed.error().code != Errc::absent) return removed;
  shelf.note_unlinked();
  shelf.state().word(StateWord::gone_segments).fetch_add(1);
  shelf.segments().remove(number());
  shelf.marks().forget(number());
  drop_large_files(step);
  if (step.blocks() == Blocks::at_once && leaves_for_good(step)) give_back_blocks();
  return {};
}

// Whether no power cut brings the name back.
bool SegmentEviction::leaves_for_good(const Step& step) {
  if (has_left_for_good_) return true;
  const auto synced = parts_.shelf.sync_names();
  if (!synced) step.told.push_back(synced.error());
  has_left_for_good_ = synced.has_value();
  return has_left_for_good_;
}

// Else they come back when the last process that has it open comes by and closes it: one that is
// idle, or was stopped, never does. Who reads it meanwhile finds less than there was, sees that it
// is gone, and looks the entry up once more; who has mapped it would be killed, and keeps it. Not
// before the name is gone for good: a power cut that brings that back may leave any part of it cut,
// a removal and not the entry before it. What has another name, a backup's, is not ours to cut.
void SegmentEviction::give_back_blocks() noexcept {
  best_effort([this] {
    File& file = *segment_->file();
    if (!segment_->is_gone() || !has_left_for_good_) return;
    const auto locked = file.try_lock(LockMode::exclusive, view_lock_at, 1);
    is_viewed_ = locked && !*locked;
    if (locked && *locked) (void)file.trim(format::records_at);
  });
}

bool SegmentEviction::may_be_older_than_unread(std::uint64_t place_word) const {
  if (!parts_.shelf.was_made_without_some()) return false;
  const auto record = describe_record(parts_.shelf, format::Location::of(place_word));
  return !record || parts_.shelf.may_be_older_than_unread(record->sequence);
}

// To the file of a dead one a record may lead that the index lacks: where it has no place for the
// entry, or an older one, because a segment could not be read when it was made. What is led to, or
// may be, is taken off the list.
void SegmentEviction::look_for_others(std::vector<std::pair<format::Record, Absent>>& left) {
  Shelf& shelf = parts_.shelf;
  std::unordered_set<std::uint64_t> asked, without_place;  // tags
  for (const auto& [record, absent] : left) {
    if (absent == Absent::is_gone) continue;
    const std::uint64_t tag = shelf.tag_of(record);
    const auto place = find_place(shelf, tag);
    if (place && *place && !may_be_older_than_unread(**place)) continue;
    if (!shelf.large().has_file(large_file_key(record)).value_or(true)) continue;
    asked.insert(tag);
    if (place && !*place) without_place.insert(tag);
  }
  if (asked.empty()) return;
  // What cannot be read may hold what the index was made without, or what has left it without a
  // durable removal. Whoever clears the store wants nothing of that back either.
  const bool may_hold_more = shelf.was_made_without_some() || shelf.has_forgotten();
  const bool is_cleared = rules_.lost_sectors == LostSectors::leave;
  const Unread unread = may_hold_more && !is_cleared ? Unread::counts : Unread::passed_over;
  const auto led_to = files_led_to(shelf, parts_.carriers, asked, unread);
  std::erase_if(left, [&](std::pair<format::Record, Absent>& each) {
    auto& [record, absent] = each;
    const std::uint64_t tag = shelf.tag_of(record);
    if (absent == Absent::is_gone || !asked.contains(tag)) return false;
    if (!led_to || led_to->contains(large_file_key(record))) return true;
    if (without_place.contains(tag)) absent = Absent::is_gone;
    return false;
  });
}

// Not before a power cut would leave the segment gone: a record without its file uncovers an older
// one in the same segment. What stays by mistake is swept.
void SegmentEviction::drop_large_files(const Step& step) {
  std::vector<std::pair<format::Record, Absent>> left;
  for (const Item& item : items_) {
    const bool is_gone = item.fate == Fate::dead || item.fate == Fate::drop;
    if (!is_gone || item.entry.removed || item.entry.hit_units != units_of_large) continue;
    format::Record record;
    const auto is_good = read_header(item, record);
    if (is_good && *is_good && record.kind == format::RecordKind::large) {
      left.emplace_back(record, item.fate == Fate::drop ? Absent::is_gone : Absent::tells_nothing);
    }
  }
  if (left.empty() || !leaves_for_good(step)) return;
  look_for_others(left);
  const Dropping dropping{
      .lasts = [&](const format::Location& location) { return is_made_to_last(location, step); },
      .bury = [&](const format::Record& record) { return bury_once_more(record); },
      .own_evictions = has_begun_ ? 1u : 0u,
      .given_up = given_up_};
  // Own removals are on the disk then, and count no more.
  if (parts_.shelf.taken_out_unsynced() > 0) (void)step.sync_own();
  for (const auto& [record, absent] : left) drop_large(parts_.shelf, record, absent, dropping);
}

bool SegmentEviction::is_made_to_last(const format::Location& location, const Step& step) {
  if (is_secured(location)) return true;
  const SecureParts parts{
      .shelf = parts_.shelf, .carriers = parts_.carriers, .sync_own = step.sync_own};
  Secured there;
  there.add(parts_.shelf, location);
  return secure(parts, location.segment, there).has_value();
}

bool SegmentEviction::bury_once_more(const format::Record& record) {
  const auto buried =
      bury_hidden(parts_.shelf, parts_.carriers, record, parts_.file_system.now_s());
  return buried && *buried == Buried::yes && sync_carried(parts_.shelf, parts_.carriers);
}

}  // namespace larder::pack_store
