#include "store/pack/segment_table.h"

#include <algorithm>
#include <utility>

#include "base/try.h"

namespace larder::pack_store {
namespace {

// How many may be on their way out. Of one thread that reads in turn, two are.
constexpr std::size_t least_leaving = 2;
constexpr std::size_t leaving_fraction = 16;

std::size_t kept_limit_of(std::size_t limit) noexcept {
  return limit - std::min(limit / 2, std::max(least_leaving, limit / leaving_fraction));
}

}  // namespace

SegmentTable::SegmentTable(ReadEpochs& epochs, std::size_t limit, Open open)
    : epochs_(epochs), limit_(limit), kept_limit_(kept_limit_of(limit)), open_(std::move(open)) {}

// With mutex_ held. Readers that see the segment now may go on.
void SegmentTable::empty(Way& way) {
  way.segment.store(nullptr, std::memory_order_seq_cst);
  if (!way.is_kept) --count_;
  way.is_kept = false;
  epochs_.retire(std::exchange(way.owned, nullptr));
}

// CLOCK over all ways: closes one that was not used since the hand passed it last.
bool SegmentTable::close_one() {
  for (std::size_t step = 0; step < 2 * sets * ways; ++step) {
    hand_ = (hand_ + 1) % (sets * ways);
    Way& way = sets_[hand_ / ways][hand_ % ways];
    if (!way.owned || way.is_kept || way.used.exchange(false)) continue;
    empty(way);
    return true;
  }
  return false;
}

// With mutex_ held. Makes some where it may.
bool SegmentTable::has_room() {
  if (count_ + epochs_.waiting() >= limit_) {
    epochs_.collect();
    if (count_ + epochs_.waiting() >= limit_) return false;
  }
  return count_ < kept_limit_ || close_one();
}

// With mutex_ held. False when there is no room.
bool SegmentTable::place(const std::shared_ptr<Segment>& segment, bool is_kept) {
  if (!is_kept && !has_room()) return false;
  Set& set = sets_[segment->number() % sets];
  Way* chosen = nullptr;
  for (Way& way : set) {
    if (!way.owned) {
      chosen = &way;
      break;
    }
    if (!way.is_kept) chosen = &way;
  }
  if (chosen == nullptr) return false;
  if (chosen->owned) empty(*chosen);
  chosen->owned = segment;
  chosen->is_kept = is_kept;
  chosen->used.store(true, std::memory_order_relaxed);
  chosen->segment.store(segment.get(), std::memory_order_seq_cst);
  if (!is_kept) ++count_;
  return true;
}

Result<Segment*> SegmentTable::find_slowly(std::uint32_t number, std::shared_ptr<Segment>& keep) {
  const std::lock_guard lock(mutex_);
  if (Segment* const open = look_up(number)) return open;
  if (keep && keep->number() == number) return keep.get();
  keep.reset();
  LARDER_TRY(keep, open_(number));
  place(keep, false);
  return keep.get();
}

void SegmentTable::add(const std::shared_ptr<Segment>& segment) {
  const std::lock_guard lock(mutex_);
  for (Way& way : sets_[segment->number() % sets]) {
    if (way.owned && way.owned->number() == segment->number()) empty(way);
  }
  place(segment, true);
}

void SegmentTable::remove(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  for (Way& way : sets_[number % sets]) {
    if (way.owned && way.owned->number() == number) empty(way);
  }
}

void SegmentTable::drop_unlinked() {
  const std::lock_guard lock(mutex_);
  for (Set& set : sets_) {
    for (Way& way : set) {
      if (!way.owned || way.is_kept) continue;
      if (way.owned->is_gone()) empty(way);
    }
  }
}

}  // namespace larder::pack_store
