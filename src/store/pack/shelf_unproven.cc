// What earlier sessions wrote and nobody is known to have synced: a rebuild has put it into the
// index, and before the index may be believed after a power cut, it has to be on the disk.
#include <algorithm>
#include <memory>
#include <vector>

#include "base/try.h"
#include "format/pack_name.h"
#include "store/pack/evictor.h"
#include "store/pack/large_files.h"
#include "store/pack/look_up.h"
#include "store/pack/segment_leftovers.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {

bool Shelf::sync_unproven() {
  return sync_unproven_files() &&
         std::ranges::all_of(unproven_, [this](const auto& name) { return sync_unproven(name); });
}

Result<std::vector<format::Record>> Shelf::unproven_large_in_use() {
  std::vector<format::Record> in_use;
  for (const format::Record& record : unproven_large_) {
    LARDER_TRY(const auto place, find_place(*this, tag_of(record)));
    const auto there = place ? describe_record(*this, format::Location::of(*place)) : std::nullopt;
    const bool is_same = there && there->kind == format::RecordKind::large &&
                         there->payload_digest == record.payload_digest;
    if (is_same) in_use.push_back(record);
  }
  return in_use;
}

bool Shelf::sync_unproven_files() {
  const auto in_use = unproven_large_in_use();
  if (!in_use) return false;
  const auto synced = sync_large(*this, *in_use);
  return synced && *synced == FilesSynced::all;
}

// Where nobody else is, no sync is under way that a mark could stand for.
bool Shelf::is_suspect(std::uint32_t number) {
  const auto others = state_->file()->is_locked(presence_at, 1);
  return others && !*others ? marks().is_suspect(number) : marks().stays_suspect(number);
}

// What no sync can vouch for any more is written anew.
bool Shelf::sync_unproven(const format::SegmentName& name) {
  if (const auto file = segments_directory_->open_file(path_of(name), OpenMode::read)) {
    if (is_suspect(name.number)) return evictor_->write_anew(name).has_value();
    return name.good_until_place || marks().sync(name.number, **file);
  }
  return is_gone(name.number);
}

// Evicted, not renamed because somebody's sync of it failed.
bool Shelf::is_gone(std::uint32_t number) {
  const auto whole = segments_directory_->info_at(format::segment_name(number));
  if (whole || whole.error().code != Errc::absent) return false;
  const auto bad = find_bad_segment(*segments_directory_, number);
  return bad && !*bad;
}

// By a process that is alone: those of segments that are gone, or have their proof in spite of all.
void Shelf::forget_settled_marks() {
  for (const std::uint32_t number : marks().suspects()) {
    std::shared_ptr<Segment> keep;
    const auto segment = segments_->find(number, keep);
    const bool is_settled = segment ? (*segment)->is_known_durable() : is_gone(number);
    if (is_settled) marks().forget(number);
  }
}

}  // namespace larder::pack_store
