// Room on the disk: whether what leaves gives any back, and what to do where it does not.
//
// Where room is scarce, what leaves is cut, and its blocks are free at once, but for what somebody
// has mapped. Processes at work let go of that within milliseconds, which is waited for. One that
// is idle does not: so others leave first, for a while. Where there is room, an idle process may
// keep the blocks of what it has open: the sync that has to come before the cut would cost more.
#include <algorithm>
#include <thread>

#include "base/try.h"
#include "store/pack/evictor.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

// With other people's steps, of who has no room.
constexpr auto patience_for_room = std::chrono::milliseconds(500);
constexpr int looks_for_room = 10;
constexpr int looks_while_mapped = 30;  // by processes that may have to come to run first
constexpr auto pause_for_room = std::chrono::milliseconds(1);
constexpr std::uint64_t least_refused = 64;  // calls for room; each time twice as many
constexpr std::uint64_t most_refused = 1u << 16;
constexpr std::uint64_t scarce_segments = 16;        // free: below that, blocks come back at once
constexpr std::uint64_t segments_while_sparing = 4;  // put, until a mapped one is tried again

}  // namespace

// 0 when nobody says.
std::uint64_t Evictor::free_bytes() const {
  const auto space = parts_.shelf.root().space();
  return space ? space->free_bytes : 0;
}

SegmentEviction::Blocks Evictor::wanted_blocks(const Caller& caller) const {
  using Blocks = SegmentEviction::Blocks;
  if (!parts_.may_cut) return Blocks::when_closed;
  if (parts_.budget.min_free_bytes || wants_room_) return Blocks::at_once;
  if (caller.blocks == Blocks::at_once) return caller.blocks;
  // As much as the budget may be held by others, and large artifacts that have room come first.
  const std::uint64_t plenty =
      std::max(scarce_segments * parts_.segment_bytes, parts_.budget.max_bytes.value_or(0)) +
      reserved_->load();
  return free_bytes() < plenty ? Blocks::at_once : Blocks::when_closed;
}

// What is free, and what all processes have put into the store: no put changes that, nor what is
// carried, but what leaves and is on the disk no more.
std::uint64_t Evictor::room_bytes() const {
  return free_bytes() + parts_.shelf.state().word(StateWord::segment_bytes).load();
}

// Before it does.
Evictor::Leave Evictor::leave_of(const SegmentEviction& segment) const {
  return {.disk_bytes = segment.disk_bytes(),
          .used_bytes = segment.used_bytes(),
          .room_before = room_bytes()};
}

// What came back when it left.
std::uint64_t Evictor::gain_of(const Leave& leave) const {
  const std::uint64_t room = room_bytes() + leave.used_bytes;
  return room - std::min(room, leave.room_before);
}

bool Evictor::gave_nothing_back(const Leave& leave, std::uint64_t gained) noexcept {
  return gained < std::max<std::uint64_t>(leave.disk_bytes / 2, 1);
}

void Evictor::wait_for_gain(const Leave& leave, std::unique_ptr<SegmentEviction> gone,
                            Caller& caller) {
  for (int look = 0; look < (gone ? looks_while_mapped : looks_for_room); ++look) {
    if (look > 1) std::this_thread::sleep_for(pause_for_room);
    caller.rest();
    if (gone && gone->is_viewed()) gone->give_back_blocks();
    if (gone && !gone->is_viewed()) gone.reset();  // has the file open, and with it a block
    gained_ = gain_of(leave);
    if (!gave_nothing_back(leave, gained_)) return;
  }
  if (gone && !spares_viewed_) return begin_sparing();
  refuse_room(leave.disk_bytes);
}

// Who is no store may have taken what came back, or a snapshot keeps it: so it is tried again, but
// ever more rarely.
void Evictor::refuse_room(std::uint64_t missing_bytes) {
  calls_to_refuse_ = std::clamp(2 * next_calls_to_refuse_, least_refused, most_refused);
  next_calls_to_refuse_ = calls_to_refuse_;
  room_when_worth_it_ = room_bytes() + std::max<std::uint64_t>(missing_bytes / 2, 1);
  put_since_in_vain_ = 0;
}

bool Evictor::is_worth_it_again() const { return room_bytes() >= room_when_worth_it_.load(); }

// One call more. None is refused when a segment's worth of puts has had room, or half of what
// should have come back has.
void Evictor::count_refused() {
  if (spares_viewed_ && put_since_spared_ >= segments_while_sparing * parts_.segment_bytes) {
    end_sparing();
  }
  if (!is_in_vain()) return;
  const bool has_changed =
      put_since_in_vain_ >= parts_.segment_bytes || is_worth_it_again() || is_any_spared_free();
  calls_to_refuse_ = has_changed ? 0 : calls_to_refuse_ - 1;
  if (has_changed) next_calls_to_refuse_ = 0;
  if (!is_in_vain()) end_sparing();
}

void Evictor::begin_sparing() noexcept {
  spares_viewed_ = true;
  put_since_spared_ = 0;
}

void Evictor::end_sparing() noexcept {
  spares_viewed_ = false;
  spared_.clear();
}

bool Evictor::is_mapped(const format::SegmentName& name) const {
  const auto file = parts_.shelf.segments_directory().open_file(path_of(name), OpenMode::read);
  if (!file) return false;
  const auto is_viewed = (*file)->is_locked(view_lock_at, 1);
  return is_viewed && *is_viewed;
}

// Whether it stays for now, since somebody has it mapped.
bool Evictor::is_spared(const format::SegmentName& name) {
  if (!spares_viewed_) return false;
  if (spared_.contains(name.number)) return true;
  if (!is_mapped(name)) return false;
  spared_.insert(name.number);
  return true;
}

// A look at one of them: who keeps a view keeps those of others, as a rule.
bool Evictor::is_any_spared_free() const {
  return !spared_.empty() && !is_mapped({.number = *spared_.begin()});
}

// No other one can leave. Where space has to stay free, the mapped ones do, in their order; where
// there is just no room for a put, it is refused, and they stay.
void Evictor::note_none_to_spare() {
  if (spared_.empty() || is_in_vain()) return;
  if (parts_.budget.min_free_bytes) return end_sparing();
  refuse_room(parts_.segment_bytes);
}

// What cannot leave now is passed over: any other segment will do.
Evictor::Freed Evictor::free_from(const OnDisk& disk, std::uint64_t bytes, Caller& caller) {
  Freed freed;
  for (const SegmentOnDisk& segment : in_order(disk)) {
    if (freed.bytes >= bytes || is_in_vain()) break;
    const auto begun = begin_for_budget(EvictionReason::free_space, segment);
    if (!begun || !*begun || !finish_current(caller)) continue;
    freed.segments += 1;
    freed.bytes += gained_;
  }
  if (freed.bytes == 0) note_none_to_spare();
  if (freed.bytes > 0 && !is_in_vain()) next_calls_to_refuse_ = 0;
  return freed;
}

// Else the loss of all of it would be for nothing.
Result<bool> Evictor::has_so_much(std::uint64_t bytes) {
  for (const LargeFiles large : {LargeFiles::as_kept, LargeFiles::one_by_one}) {
    LARDER_TRY(const OnDisk disk, measure(large));
    std::uint64_t attainable = free_bytes() + disk.large_bytes;
    for (const SegmentOnDisk& segment : disk.segments) attainable += segment.disk_bytes;
    if (attainable >= bytes) return true;
  }
  return false;
}

Result<bool> Evictor::make_room(std::uint64_t bytes, Caller& caller) {
  LARDER_TRY(const Turn turn, wait_for_turn(patience_for_room, caller.rest));
  count_refused();
  if (is_in_vain()) return false;
  (void)finish_current(caller);
  LARDER_TRY(const bool is_enough, has_so_much(bytes));
  if (!is_enough) return false;
  const Wanted wanted(wants_room_);
  LARDER_TRY(OnDisk disk, measure(LargeFiles::as_kept));
  Freed freed = free_from(disk, bytes, caller);
  if (freed.segments == 0) {
    LARDER_TRY(const bool released, release_own(caller, Release::sealed_and_synced));
    LARDER_TRY(disk, measure(LargeFiles::as_kept));
    if (released) freed = free_from(disk, bytes, caller);
  }
  return freed.segments > 0;
}

}  // namespace larder::pack_store
