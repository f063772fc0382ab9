// prune and clear: all at once, and to the entry.
#include <algorithm>
#include <array>

#include "base/try.h"
#include "store/pack/evictor.h"
#include "store/pack/segment_leftovers.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockOffset;
using Verdict = SegmentEviction::Verdict;

constexpr auto prune_wait = std::chrono::seconds(30);
constexpr int prune_rounds = 4;  // each may leave a little more than was planned
constexpr int clear_rounds = 3;  // removals that one leaves for the others are gone in the next

}  // namespace

// Whether the segment could be written anew: nobody else holds it.
bool Evictor::may_go(const format::SegmentName& name) {
  if (writes(name)) return true;
  const auto file = parts_.shelf.segments_directory().open_file(path_of(name), OpenMode::read);
  if (!file) return false;
  const auto locked = (*file)->is_locked(owner_lock_at, 1);
  return locked && !*locked;
}

Result<PrunePlan> Evictor::plan(const Budget& budget, const OnDisk& disk) {
  LARDER_TRY(const SpaceInfo space, parts_.shelf.root().space());
  return PrunePlan::make({.shelf = parts_.shelf,
                          .budget = budget,
                          .disk = disk,
                          .free_bytes = space.free_bytes,
                          .now_s = parts_.file_system.now_s(),
                          .may_go = [this](const auto& name) { return may_go(name); }});
}

// Takes an entry out of a segment that another process writes. As remove() does: with a removal, or
// it would be back after a rebuild.
Result<void> Evictor::withdraw_in_place(std::uint64_t word, EvictionReason reason, Caller& caller) {
  Shelf& shelf = parts_.shelf;
  const auto entry = describe_record(shelf, format::Location::of(word));
  if (!entry) return {};
  format::Record removal{.kind = format::RecordKind::removed,
                         .supersedes = true,
                         .key_id = entry->key_id,
                         .fingerprint = entry->fingerprint};
  LARDER_CHECK_OK(shelf.prepare_to_change());
  LARDER_TRY(auto claimed, shelf.writers().claim(removal.total_bytes()));
  removal.sequence = shelf.next_sequence();
  // Of a key that is not here: who has it does not believe the removal, and may find the entry once
  // more after a rebuild.
  if (const DerivedKey* key = find_key(shelf.keys(), entry->key_id)) authenticate(removal, *key);
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  LARDER_TRY(const Published withdrawn, shelf.index().withdraw(shelf.tag_of(*entry), word));
  if (withdrawn != Published::done) return {};
  shelf.count_entries(-1);
  caller.gone.push_back(gone_of(*entry, reason, parts_.file_system.now_s()));
  LARDER_CHECK_OK(claimed.writer->append(removal, {}, {}));
  return {};
}

Result<void> Evictor::withdraw_left(const PrunePlan::Leaving& leaving, Caller& caller) {
  bool any = false;
  LARDER_TRY(IndexTable* const table, parts_.shelf.index().table());
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const std::uint64_t word = table->word_at(slot) & format::place_mask;
    const auto left = word == 0 ? leaving.end() : leaving.find(word);
    if (left == leaving.end()) continue;
    LARDER_CHECK_OK(withdraw_in_place(word, left->second, caller));
    any = true;
  }
  if (any) caller.sync_own();
  return {};
}

Result<void> Evictor::carry_out(const PrunePlan& plan, Caller& caller) {
  const auto names = plan.segments();
  const bool is_own =
      std::ranges::any_of(names, [this](const format::SegmentName& name) { return writes(name); });
  if (is_own) LARDER_CHECK_OK(release_own(caller, Release::sealed_and_synced));
  const auto judge = [&plan](const SegmentEviction::Asked& asked) -> Verdict {
    const auto leaving = plan.leaving().find(asked.place_word);
    if (leaving == plan.leaving().end()) return {.fate = Verdict::Fate::carry};
    return {.fate = Verdict::Fate::drop, .reason = leaving->second};
  };
  for (const format::SegmentName& name : names) {
    LARDER_TRY(const bool begun, begin(name, {.judge = judge}));
    if (begun) LARDER_CHECK_OK(finish_current(caller));
  }
  return withdraw_left(plan.leaving(), caller);
}

void Evictor::trim_all() {
  parts_.shelf.writers().trim_all();
  carriers_.trim_all();
}

Result<PruneReport> Evictor::finish_report(std::size_t gone_before, const Caller& caller) {
  trim_all();
  LARDER_CHECK_OK(parts_.shelf.segments_directory().sync());
  LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
  const auto gone = std::span(caller.gone).subspan(gone_before);
  PruneReport report{.evicted_entries = gone.size(), .kept_bytes = disk.disk_bytes()};
  for (const Gone& each : gone) report.evicted_bytes += each.eviction.bytes;
  recount();
  report.kept_entries = parts_.shelf.state().word(StateWord::entries).load();
  return report;
}

Result<PruneReport> Evictor::prune(const Budget& budget, Caller& caller) {
  const std::lock_guard lock(mutex_);
  LARDER_TRY(const auto held, wait_for_turn(prune_wait));
  LARDER_CHECK_OK(finish_current(caller));
  refused_.clear();
  remove_headless_segments(parts_.shelf.segments_directory());
  const std::size_t gone_before = caller.gone.size();
  for (int round = 0; round < prune_rounds; ++round) {
    trim_all();
    LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
    LARDER_TRY(const PrunePlan next, plan(budget, disk));
    if (next.leaving().empty() && next.segments().empty()) break;
    LARDER_CHECK_OK(carry_out(next, caller));
  }
  return finish_report(gone_before, caller);
}

Result<PruneReport> Evictor::foresee(const Budget& budget) {
  LARDER_TRY(const OnDisk disk, look_at_disk(parts_.shelf, LargeFiles::one_by_one));
  LARDER_TRY(const PrunePlan next, plan(budget, disk));
  return next.report();
}

Result<void> Evictor::clear_segments(Caller& caller) {
  LARDER_CHECK_OK(release_own(caller, Release::sealed_and_synced));
  LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
  const auto judge = [](const SegmentEviction::Asked&) -> Verdict {
    return {.fate = Verdict::Fate::drop, .reason = EvictionReason::cleared};
  };
  for (const SegmentOnDisk& segment : disk.segments) {
    LARDER_TRY(const bool begun, begin(segment.name, {.judge = judge}));
    if (begun) LARDER_CHECK_OK(finish_current(caller));
  }
  return {};
}

Result<PruneReport> Evictor::clear(Caller& caller) {
  const std::lock_guard lock(mutex_);
  LARDER_TRY(const auto held, parts_.shelf.locks().acquire(LockOffset::eviction(), prune_wait));
  current_.reset();
  refused_.clear();
  const std::size_t gone_before = caller.gone.size();
  for (int round = 0; round < clear_rounds; ++round) LARDER_CHECK_OK(clear_segments(caller));
  LARDER_TRY(const auto all, PrunePlan::all_of(parts_.shelf, EvictionReason::cleared));
  LARDER_CHECK_OK(withdraw_left(all, caller));
  LARDER_CHECK_OK(parts_.shelf.large().clear());
  return finish_report(gone_before, caller);
}

}  // namespace larder::pack_store
