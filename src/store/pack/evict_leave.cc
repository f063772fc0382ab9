// The end of a segment's eviction: what must be durable before it goes, and what goes with it.
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

// Whether a power cut would leave what the index leads to now. What another process has not synced
// yet is synced here: by a descriptor of our own, so that a failure is still told to the other one.
Result<void> SegmentEviction::secure(std::uint32_t number, HoldsLarge holds_large,
                                     const Step& step) {
  if (parts_.carriers.writes(number)) return {};
  if (parts_.shelf.writers().writes(number)) {
    if (step.sync_own()) return {};
    return not_now("what replaced an entry could not be made durable");
  }
  std::shared_ptr<Segment> keep;
  const auto segment = parts_.shelf.segments().find(number, keep);
  if (!segment) {
    const Errc code = segment.error().code;
    if (code == Errc::absent || code == Errc::corrupt || code == Errc::not_ours) return {};
    return std::unexpected(segment.error());
  }
  if ((*segment)->is_known_durable()) return {};
  if (holds_large == HoldsLarge::yes) {
    return not_now("another process has not flushed what replaced an entry");
  }
  Directory& directory = parts_.shelf.segments_directory();
  const auto file = directory.open_file(format::segment_name(number), OpenMode::read);
  if (!file && file.error().code == Errc::absent) return {};
  if (!file) return std::unexpected(file.error());
  LARDER_CHECK_OK((*file)->sync_data());
  return directory.sync();
}

// A put that replaces an entry promises that a power cut leaves the old one or the new one.
Result<void> SegmentEviction::secure_successors(const Step& step) {
  std::map<std::uint32_t, HoldsLarge> successors;
  for (const Item& item : items_) {
    if (item.fate != Fate::dead || item.entry.removed) continue;
    const auto word = find_place(parts_.shelf, item.entry.slot_tag);
    if (!word) continue;
    const auto location = format::Location::of(*word);
    auto& holds_large = successors[location.segment];
    if (location.units == units_of_large) holds_large = HoldsLarge::yes;
  }
  for (const auto& [number, holds_large] : successors) {
    LARDER_CHECK_OK(secure(number, holds_large, step));
  }
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
