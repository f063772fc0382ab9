// The budget, as the store keeps it at each put; the parts of it are in evictor.h.
#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/evictor.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
namespace {

constexpr int attempts_at_upkeep = 3;  // each lost to somebody who makes the index anew

}  // namespace

// While it rests, others may leave the shelf.
Evictor::Caller PackStoreImpl::caller(Shelf& shelf, ReadEpochs::Guard& guard) {
  std::shared_ptr<Shelf> held;
  {
    const std::unique_lock lock(state().shelf_mutex, std::try_to_lock);
    if (lock && state().owned_shelf.get() == &shelf) held = state().owned_shelf;
  }
  return {.sync_own =
              [this, &shelf] {
                const auto synced = sync_shelf(state(), shelf);
                return synced && *synced == Synced::all;
              },
          .rest =
              [this, &guard, held] {
                if (!held) return;
                held->drop_gone_segments();
                state().epochs.renew(guard);
              }};
}

// Without any lock held. What threw on its way has let go of entries all the same: hence the guards
// within those of the calls.
void PackStoreImpl::tell(const Evictor::Caller& evicted) {
  Counters& counters = state().counters;
  for (const Gone& each : evicted.gone) {
    counters.add(&Metrics::evictions);
    counters.add(&Metrics::evicted_bytes, each.eviction.bytes);
    if (options_.on_evict && each.is_known) options_.on_evict(each.eviction);
  }
  for (const Error& why : evicted.refused) {
    log(LogLevel::warning, options_.directory + ": eviction: " + why.message);
  }
}

// One thread syncs what all have filled; the others go on as long as it is not too much.
Result<void> PackStoreImpl::catch_up(Shelf& shelf) {
  Writers& writers = shelf.writers();
  const auto behind = writers.behind();
  if (behind == Writers::Behind::no) return {};
  std::unique_lock lock(state().catch_up_mutex, std::defer_lock);
  if (behind == Writers::Behind::far) {
    lock.lock();
  } else if (!lock.try_lock()) {
    return {};
  }
  if (writers.behind() == Writers::Behind::no) return {};
  LARDER_CHECK_OK(sync_shelf(state(), shelf));
  return {};
}

// A put has been done, whatever becomes of the eviction after it.
Result<void> PackStoreImpl::keep_up(Shelf& shelf, std::uint64_t put_bytes,
                                    ReadEpochs::Guard& guard) {
  LARDER_CHECK_OK(catch_up(shelf));
  if (shelf.evictor().is_due(put_bytes)) evict_for(shelf, put_bytes, guard);
  return {};
}

void PackStoreImpl::evict_for(Shelf& shelf, std::uint64_t put_bytes, ReadEpochs::Guard& guard) {
  Evictor::Caller evicting = caller(shelf, guard);
  const auto kept = guarded([&] { return shelf.evictor().keep_budget(put_bytes, evicting); });
  tell(evicting);
  if (!kept) log(LogLevel::warning, options_.directory + ": eviction: " + kept.error().message);
}

bool PackStoreImpl::make_room(Shelf& shelf, std::uint64_t put_bytes, ReadEpochs::Guard& guard) {
  Evictor::Caller evicting = caller(shelf, guard);
  const auto made = guarded([&] { return shelf.evictor().make_room(put_bytes, evicting); });
  tell(evicting);
  return made.value_or(false);
}

// What goes with its segment is what the index does not lead to: it has to be right. Returns what
// could not be compared: see Evictor::Caller.
std::optional<std::set<std::uint32_t>> PackStoreImpl::heal_index(Shelf& shelf) {
  const auto healed = guarded([&] { return shelf.heal_index_at_first(); });
  if (!healed) {
    log(LogLevel::warning, options_.directory + ": the index could not be compared with the " +
                               "segments: " + healed.error().message);
  }
  return healed ? std::optional(shelf.uncompared_segments()) : std::nullopt;
}

// Whoever makes the index anew after the comparison leaves upkeep nothing that was compared: then
// both are done once more. Within the guard no shelf outlives a rest, hence the new look at it.
Result<void> PackStoreImpl::keep_compared(ReadEpochs::Guard& guard, NotCompared not_compared,
                                          const Upkeep& upkeep) {
  for (int left = attempts_at_upkeep; left > 0; --left) {
    LARDER_TRY(Shelf* const shelf, shelf_for_writing());
    const auto uncompared = heal_index(*shelf);
    Evictor::Caller evicting = caller(*shelf, guard);
    evicting.may_lack = [&](std::uint32_t number) {
      if (!uncompared) return not_compared == NotCompared::stays;
      return uncompared->contains(number) || !shelf->index_was_compared();
    };
    const auto kept = guarded([&] { return upkeep(*shelf, evicting); });
    tell(evicting);
    if (!kept || !uncompared || shelf->index_was_compared()) return kept;
  }
  log(LogLevel::warning, options_.directory + ": others keep making the index anew: segments " +
                             "stay that should have left; try again later");
  return {};
}

Result<PruneReport> PackStoreImpl::prune(const Budget& budget, DryRun dry_run) {
  return guarded([&]() -> Result<PruneReport> {
    const ReadEpochs::Collector collector(state().epochs);
    auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const there, shelf_for_reading());
    const bool is_empty = there == nullptr || (dry_run == DryRun::yes && !there->has_segments());
    if (is_empty) return PruneReport{};
    if (dry_run == DryRun::yes) return there->evictor().foresee(budget);
    PruneReport whole;
    LARDER_CHECK_OK(keep_compared(
        guard, NotCompared::leaves, [&](Shelf& shelf, Evictor::Caller& evicting) -> Result<void> {
          LARDER_TRY(PruneReport next, shelf.evictor().prune(budget, evicting));
          next.evicted_entries += whole.evicted_entries;
          next.evicted_bytes += whole.evicted_bytes;
          whole = next;
          return {};
        }));
    return whole;
  });
}

Result<PruneReport> PackStoreImpl::clear() {
  return guarded([&]() -> Result<PruneReport> {
    const ReadEpochs::Collector collector(state().epochs);
    auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr) return PruneReport{};
    LARDER_CHECK_OK(shelf_for_writing());
    Evictor::Caller evicting = caller(*shelf, guard);
    auto report = guarded([&] { return shelf->evictor().clear(evicting); });
    tell(evicting);
    return report;
  });
}

Result<void> PackStoreImpl::maintain() {
  return guarded([&]() -> Result<void> {
    const ReadEpochs::Collector collector(state().epochs);
    auto guard = state().epochs.enter();
    return keep_compared(guard, NotCompared::stays, [](Shelf& shelf, Evictor::Caller& evicting) {
      return shelf.evictor().maintain(evicting);
    });
  });
}

}  // namespace larder::pack_store
