// prune and clear: all at once, and to the entry.
#include <algorithm>
#include <array>
#include <iterator>

#include "base/try.h"
#include "store/pack/evictor.h"
#include "store/pack/large_files.h"
#include "store/pack/removal.h"
#include "store/pack/segment_leftovers.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockOffset;
using Verdict = SegmentEviction::Verdict;
using LostSectors = SegmentEviction::LostSectors;
using Removals = SegmentEviction::Removals;

constexpr auto prune_wait = std::chrono::seconds(30);
constexpr int prune_rounds = 4;               // each may leave a little more than was planned
constexpr std::uint64_t segments_beside = 2;  // free, that removals leave to others
constexpr int clear_rounds = 3;  // removals that one leaves for the others are gone in the next

// For bytes, all but the files of artifacts leave with their segment, or not at all: their removals
// would only take more.
bool leaves_alone(const format::Location& location, EvictionReason reason) noexcept {
  const bool is_for_bytes = reason == EvictionReason::bytes || reason == EvictionReason::free_space;
  return !is_for_bytes || location.units == units_of_large;
}

}  // namespace

// Whether the segment could be written anew: nobody else holds it, and it did not fail to.
bool Evictor::may_go(const format::SegmentName& name) {
  if (refused_.contains(name.number)) return false;
  if (writes(name)) return true;
  const auto file = parts_.shelf.segments_directory().open_file(path_of(name), OpenMode::read);
  if (!file) return false;
  const auto locked = (*file)->is_locked(owner_lock_at, 1);
  return locked && !*locked;
}

Result<PrunePlan> Evictor::plan(const Budget& budget, const OnDisk& disk, const Caller& caller) {
  LARDER_TRY(const SpaceInfo space, parts_.shelf.root().space());
  return PrunePlan::make(
      {.shelf = parts_.shelf,
       .budget = budget,
       .disk = disk,
       .free_bytes = space.free_bytes,
       .now_s = parts_.file_system.now_s(),
       .may_go = [&](const auto& name) { return !caller.may_lack(name.number) && may_go(name); }});
}

// Out of segments that other processes write, or that had to stay.
Result<void> Evictor::withdraw_left(const PrunePlan::Leaving& leaving, Caller& caller) {
  Shelf& shelf = parts_.shelf;
  const std::int64_t now_s = parts_.file_system.now_s();
  std::vector<format::Record> withdrawn;
  const DropFiles how{.now_s = now_s,
                      .own_evictions = own_evictions(),
                      .given_up = shelf.given_up(),
                      .sync_own = caller.sync_own};
  LARDER_TRY(IndexTable* const table, shelf.index().table());
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const std::uint64_t word = table->word_at(slot) & format::place_mask;
    const auto left = word == 0 ? leaving.end() : leaving.find(word);
    if (left == leaving.end()) continue;
    if (!leaves_alone(format::Location::of(word), left->second)) continue;
    const auto entry = describe_record(shelf, format::Location::of(word));
    if (!entry) continue;
    LARDER_TRY(const bool is_gone, withdraw_alone(shelf, *entry, word, now_s, Copies::two));
    if (!is_gone) continue;
    withdrawn.push_back(*entry);
    caller.gone.push_back(gone_of(*entry, left->second, now_s));
  }
  if (!withdrawn.empty() && caller.sync_own()) drop_files(shelf, withdrawn, how);
  return {};
}

// In segments that other processes write.
Result<void> Evictor::renew(const std::vector<std::uint64_t>& place_words, Caller& caller) {
  std::vector<Renewal> renewed;
  for (const std::uint64_t word : place_words) {
    LARDER_TRY(const auto copied,
               copy_alone(parts_.shelf, carriers_, word, parts_.file_system.now_s()));
    if (copied) renewed.push_back(*copied);
    if (carriers_.behind() == Writers::Behind::no) continue;
    // Each segment that waits for its sync is open.
    LARDER_CHECK_OK(lead_to(renewed));
    caller.rest();
  }
  return lead_to(renewed);
}

// From the originals to the copies.
Result<void> Evictor::lead_to(std::vector<Renewal>& renewed) {
  Shelf& shelf = parts_.shelf;
  if (renewed.empty()) return {};
  LARDER_CHECK_OK(shelf.prepare_to_change());
  LARDER_CHECK_OK(sync_carried(shelf, carriers_));
  for (const Renewal& each : renewed) {
    // Changed meanwhile: the copy is as dead as the original.
    LARDER_CHECK_OK(shelf.index().publish(each.slot_tag, each.from, each.to, always_other));
  }
  renewed.clear();
  return {};
}

// What keeps one from leaving keeps no other one: it stays, and is told.
Result<void> Evictor::evict_whole(const format::SegmentName& name, SegmentEviction::Rules rules,
                                  Caller& caller) {
  if (refused_.contains(name.number)) return {};
  auto begun = begin(name, std::move(rules));
  if (begun) return finish_what_is_begun(caller);
  if (!is_own_failure_) return std::unexpected(std::move(begun).error());
  caller.refused.push_back(std::move(begun).error());
  return {};
}

// Those of dead segments gain nothing by another place, but for small ones that come together.
Removals Evictor::removals_of(std::uint32_t segment, const PrunePlan& plan, Round round) const {
  if (!plan.is_dead(segment)) return Removals::move;
  const bool is_small = plan.disk_bytes(segment) < parts_.segment_bytes / 2;
  return is_small && round == Round::first ? Removals::move : Removals::stay;
}

Result<void> Evictor::carry_out(const PrunePlan& plan, Round round, std::optional<Turn>& turn,
                                Caller& caller) {
  auto names = plan.segments();
  // What the removals of dead ones are there for may be gone by then.
  std::ranges::stable_partition(names,
                                [&](const auto& name) { return !plan.is_dead(name.number); });
  const bool is_own =
      std::ranges::any_of(names, [this](const format::SegmentName& name) { return writes(name); });
  if (is_own) LARDER_CHECK_OK(release_own(caller, Release::sealed_and_synced));
  const auto judge = [&plan](const SegmentEviction::Asked& asked) -> Verdict {
    const auto leaving = plan.leaving().find(asked.place_word);
    if (leaving == plan.leaving().end()) return {.fate = Verdict::Fate::carry};
    return {.fate = Verdict::Fate::drop, .reason = leaving->second};
  };
  for (const format::SegmentName& name : names) {
    // Others may have made the index anew since the plan was made.
    if (caller.may_lack(name.number)) continue;
    const SegmentEviction::Rules rules{.judge = judge,
                                       .removals = removals_of(name.number, plan, round)};
    LARDER_CHECK_OK(evict_whole(name, rules, caller));
    LARDER_CHECK_OK(let_others(turn, caller));
  }
  LARDER_CHECK_OK(renew(plan.renewed(), caller));
  return withdraw_left(plan.leaving(), caller);
}

void Evictor::trim_all() {
  parts_.shelf.writers().trim_all();
  carriers_.trim_all();
}

Result<PruneReport> Evictor::finish_report(std::size_t gone_before, const Caller& caller) {
  trim_all();
  LARDER_CHECK_OK(parts_.shelf.sync_names());
  LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
  const auto gone = std::span(caller.gone).subspan(gone_before);
  PruneReport report{.evicted_entries = gone.size(), .kept_bytes = disk.disk_bytes()};
  for (const Gone& each : gone) report.evicted_bytes += each.eviction.bytes;
  for (const SegmentOnDisk& segment : disk.segments) {
    const bool stays = caller.may_lack(segment.name.number) || !may_go(segment.name);
    if (stays) report.held_bytes += segment.disk_bytes;
  }
  recount();
  report.kept_entries = parts_.shelf.state().word(StateWord::entries).load();
  return report;
}

Result<PruneReport> Evictor::prune(const Budget& budget, Caller& caller) {
  LARDER_TRY(std::optional<Turn> turn, wait_for_turn(prune_wait, caller.rest));
  caller.blocks = SegmentEviction::Blocks::at_once;
  LARDER_CHECK_OK(finish_what_is_begun(caller));
  refused_.clear();
  remove_headless_segments(parts_.shelf.leftover_parts());
  // Before anything that somebody can ask for.
  sweep_unused_large(caller);
  const std::size_t gone_before = caller.gone.size();
  for (int round = 0; round < prune_rounds; ++round) {
    trim_all();
    LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
    LARDER_TRY(const PrunePlan next, plan(budget, disk, caller));
    if (next.changes_nothing()) break;
    LARDER_CHECK_OK(carry_out(next, round == 0 ? Round::first : Round::later, turn, caller));
  }
  return finish_report(gone_before, caller);
}

Result<PruneReport> Evictor::foresee(const Budget& budget) {
  LARDER_TRY(const OnDisk disk, look_at_disk(parts_.shelf, LargeFiles::one_by_one));
  LARDER_TRY(const PrunePlan next, plan(budget, disk, Caller()));
  return next.report();
}

Result<void> Evictor::clear_segments(Caller& caller) {
  LARDER_CHECK_OK(release_own(caller, Release::sealed_and_synced));
  LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
  const auto judge = [](const SegmentEviction::Asked&) -> Verdict {
    return {.fate = Verdict::Fate::drop, .reason = EvictionReason::cleared};
  };
  for (const SegmentOnDisk& segment : disk.segments) {
    LARDER_CHECK_OK(
        evict_whole(segment.name, {.judge = judge, .lost_sectors = LostSectors::leave}, caller));
  }
  return {};
}

// In segments that others write. They were told of as evicted, or could not be read. Returns how
// much may be back with the next index all the same; why is told.
Result<std::size_t> Evictor::bury_all_hidden(Caller& caller) {
  LARDER_TRY(Hidden hidden, find_hidden(parts_.shelf, carriers_));
  std::size_t left = hidden.unread.size();
  std::ranges::move(hidden.unread, std::back_inserter(caller.refused));
  // What ends a clear has to have room, too.
  const std::uint64_t needed =
      hidden.records.size() * removal_bytes(Copies::two) + segments_beside * parts_.segment_bytes;
  if (!hidden.records.empty() && free_bytes() < needed) {
    caller.refused.push_back(
        {.code = Errc::no_space,
         .message = "no room to write that what was evicted is gone: entries of segments that "
                    "others write may be back when the index is made anew"});
    return left + hidden.records.size();
  }
  const std::int64_t now_s = parts_.file_system.now_s();
  bool any = false;
  for (std::size_t i = 0; i < hidden.records.size(); ++i) {
    auto buried = bury_hidden(parts_.shelf, parts_.shelf.writers(), hidden.records[i], now_s);
    any = any || buried.value_or(Buried::led_to) == Buried::yes;
    if (buried && *buried == Buried::of_other_key) ++left;
    if (buried) continue;
    // A full disk, as a rule: the others would fail as well.
    caller.refused.push_back(std::move(buried).error());
    left += hidden.records.size() - i;
    break;
  }
  if (any && !caller.sync_own()) left += hidden.records.size();
  return left;
}

Result<PruneReport> Evictor::clear(Caller& caller) {
  // What a partial index lacks would be back when the next one is made.
  LARDER_TRY(const Turn turn, wait_for_turn(prune_wait, caller.rest));
  caller.blocks = SegmentEviction::Blocks::at_once;
  current_.reset();
  refused_.clear();
  const std::size_t gone_before = caller.gone.size();
  for (int round = 0; round < clear_rounds; ++round) LARDER_CHECK_OK(clear_segments(caller));
  LARDER_TRY(const auto all, PrunePlan::all_of(parts_.shelf, EvictionReason::cleared));
  LARDER_CHECK_OK(withdraw_left(all, caller));
  LARDER_TRY(const std::size_t left, bury_all_hidden(caller));
  // Those of what is put meanwhile stay.
  sweep_unused_large(caller);
  LARDER_TRY(PruneReport report, finish_report(gone_before, caller));
  report.kept_entries += left;
  number_anew();
  return report;
}

// Where nothing is left and numbers run short. Whoever has an old segment open finds that it is
// gone before he looks anything up in a new one of that number.
void Evictor::number_anew() {
  auto next = parts_.shelf.state().word(StateWord::next_segment);
  std::uint64_t seen = next.load();
  if (seen < format::max_segment_number / 2) return;
  bool is_empty = true;
  const auto listed = parts_.shelf.segments_directory().list([&](std::string_view name) {
    is_empty = is_empty && !format::parse_segment_name(name);
    return is_empty;
  });
  if (listed && is_empty) next.compare_exchange_strong(seen, 0);
}

}  // namespace larder::pack_store
