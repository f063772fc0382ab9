// The end of a segment's eviction: what must be durable before it goes, and what goes with it.
#include <algorithm>
#include <map>
#include <string>

#include "base/try.h"
#include "store/pack/evict_segment.h"
#include "store/pack/large_files.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

std::unexpected<Error> not_now(const char* why) {
  return std::unexpected(Error{.code = Errc::timed_out, .message = why});
}

}  // namespace

// Whether a power cut would leave what the index leads to now. The files of large artifacts come
// first: no sync of a segment says anything of them, whoever writes it.
Result<void> SegmentEviction::secure(std::uint32_t number, const Successors& successors,
                                     const Step& step) {
  std::shared_ptr<Segment> keep;
  const auto segment = parts_.shelf.segments().find(number, keep);
  if (segment && (*segment)->is_known_durable()) return {};
  LARDER_TRY(const bool files_synced, sync_large(parts_.shelf, successors.large));
  if (!files_synced) return not_now("the file of what replaced an entry could not be synced");
  // What was carried is led to when it is synced.
  if (parts_.carriers.writes(number)) return {};
  if (parts_.shelf.writers().writes(number)) {
    if (step.sync_own()) return {};
    return not_now("what replaced an entry could not be made durable");
  }
  if (segment || segment.error().code == Errc::absent) {
    return secure_by_name(number, successors.end);
  }
  const Errc code = segment.error().code;
  if (code == Errc::corrupt || code == Errc::not_ours) return {};
  return std::unexpected(segment.error());
}

// What another process has not synced yet is synced here: by a descriptor of our own, so that a
// failure is still told to the other one. One that failed before is told by a mark or the name.
Result<void> SegmentEviction::secure_by_name(std::uint32_t number, std::uint64_t end) {
  Directory& directory = parts_.shelf.segments_directory();
  const std::string name = format::segment_name(number);
  const auto file = directory.open_file(name, OpenMode::read);
  if (!file && file.error().code != Errc::absent) return std::unexpected(file.error());
  SyncMarks marks = parts_.shelf.marks();
  if (file) {
    LARDER_CHECK_OK(marks.sync(number, **file));
    LARDER_CHECK_OK(directory.sync());
    LARDER_TRY(const FileInfo info, (*file)->info());
    const auto named = directory.info_at(name);
    if (named && named->same_file(info)) return {};
    if (!named && named.error().code != Errc::absent) return std::unexpected(named.error());
  }
  LARDER_TRY(const auto bad, find_bad_segment(directory, number));
  if (!bad) return {};  // it left, with all that the index led to in it
  const std::uint64_t good_until = std::uint64_t{*bad->good_until_place} * format::pack_unit_bytes;
  if (end <= good_until && !marks.is_suspect(number)) return {};
  return not_now("the sync of what replaced an entry failed");
}

// A put that replaces an entry promises that a power cut leaves the old one or the new one.
Result<void> SegmentEviction::secure_successors(const Step& step) {
  std::map<std::uint32_t, Successors> successors;
  for (const Item& item : items_) {
    if (item.fate != Fate::dead || item.entry.removed) continue;
    LARDER_TRY(const auto word, find_place(parts_.shelf, item.entry.slot_tag));
    if (!word) continue;
    const auto location = format::Location::of(*word);
    Successors& there = successors[location.segment];
    there.end = std::max(there.end, location.offset_bytes() + location.hit_bytes());
    if (location.units != units_of_large) continue;
    const auto record = describe_record(parts_.shelf, location);
    if (record && record->kind == format::RecordKind::large) there.large.push_back(*record);
  }
  for (const auto& [number, there] : successors) LARDER_CHECK_OK(secure(number, there, step));
  return {};
}

Result<void> SegmentEviction::leave(const Step& step) {
  Shelf& shelf = parts_.shelf;
  LARDER_CHECK_OK(secure_successors(step));
  // Tombstones were left out because certain segments are gone: they must not come back.
  if (leaves_out_tombstones_) LARDER_CHECK_OK(shelf.segments_directory().sync());
  const auto removed = shelf.segments_directory().remove_file(path_of(on_disk_.name));
  if (!removed && removed.error().code != Errc::absent) return removed;
  shelf.state().word(StateWord::gone_segments).fetch_add(1);
  shelf.segments().remove(number());
  shelf.marks().forget(number());
  drop_dead_large();
  return {};
}

void SegmentEviction::drop_dead_large() {
  for (const Item& item : items_) {
    if (item.fate != Fate::dead || item.entry.removed || item.entry.hit_units != units_of_large) {
      continue;
    }
    format::Record record;
    const auto is_good = read_header(item, record);
    if (is_good && *is_good && record.kind == format::RecordKind::large)
      drop_large(parts_.shelf, record);
  }
}

}  // namespace larder::pack_store
