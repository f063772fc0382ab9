// flush: one batch at a time, which every caller shares that asked before it began. What a batch
// could not make durable is named, now and later, until it is put again.
#include <algorithm>
#include <ranges>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {

void PackStoreImpl::note_lost(ProcessState& process, std::span<const Fingerprint> fingerprints,
                              const std::string& why) {
  if (fingerprints.empty()) return;
  const std::lock_guard lock(process.lost_mutex);
  const std::uint64_t number = ++process.losses;
  for (const Fingerprint& fingerprint : fingerprints) process.lost[fingerprint] = number;
  process.lost_because = why;
  process.has_lost = true;
}

void PackStoreImpl::forget_loss(const Fingerprint& fingerprint, std::uint64_t losses_until) {
  ProcessState& process = state();
  if (!process.has_lost.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(process.lost_mutex);
  const auto found = process.lost.find(fingerprint);
  if (found == process.lost.end() || found->second > losses_until) return;
  process.lost.erase(found);
  process.has_lost = !process.lost.empty();
}

bool PackStoreImpl::was_lost_since(const Fingerprint& fingerprint, std::uint64_t losses_before) {
  const std::lock_guard lock(state().lost_mutex);
  const auto found = state().lost.find(fingerprint);
  return found != state().lost.end() && found->second > losses_before;
}

Result<void> PackStoreImpl::lost_error() {
  ProcessState& process = state();
  const std::lock_guard lock(process.lost_mutex);
  if (process.lost.empty()) return {};
  const auto named = std::views::keys(process.lost);
  return std::unexpected(Error{.code = Errc::not_durable,
                               .message = options_.directory + ": " +
                                          std::to_string(process.lost.size()) +
                                          " entries are not durable (" + process.lost_because +
                                          "); put them again, and look at the system's log",
                               .fingerprints = {named.begin(), named.end()}});
}

// Nothing from there on may be found again: the disk never got it.
Result<void> PackStoreImpl::distrust(Shelf& shelf,
                                     const std::vector<Writers::Lost::From>& distrusted) {
  if (distrusted.empty()) return {};
  LARDER_TRY(IndexTable* const table, shelf.index().table());
  shelf.note_forgotten();
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const std::uint64_t word = table->word_at(slot) & format::place_mask;
    const auto location = format::Location::of(word);
    const bool is_distrusted = std::ranges::any_of(distrusted, [&](const auto& from) {
      return from.segment == location.segment && location.offset_bytes() >= from.offset;
    });
    if (word == 0 || !is_distrusted) continue;
    LARDER_TRY(const Published withdrawn, shelf.index().withdraw(table->tag_at(slot), word));
    if (withdrawn == Published::done) shelf.count_entries(-1);
  }
  return {};
}

// Takes out of `lost` what needs no second try.
Result<void> PackStoreImpl::settle_losses(ProcessState& process, Shelf& shelf,
                                          Writers::Lost& lost) {
  return guarded([&]() -> Result<void> {
    note_lost(process, lost.fingerprints, lost.error ? lost.error->message : "");
    lost.fingerprints.clear();
    LARDER_CHECK_OK(distrust(shelf, lost.distrusted));
    lost.distrusted.clear();
    return {};
  });
}

// Payloads in files of their own: with the segments' part settled, so that each record in that part
// has its file in this one, and before the segments, so that no record is there before its file.
Result<PackStoreImpl::Synced> PackStoreImpl::sync_large(ProcessState& process, Shelf& shelf) {
  std::map<Fingerprint, Fingerprint> unflushed;
  {
    const std::lock_guard lock(process.lost_mutex);
    std::swap(unflushed, process.unflushed_large);
  }
  if (unflushed.empty()) return Synced::all;
  const auto flushed = shelf.large().flush();
  if (flushed) return Synced::all;
  std::vector<Fingerprint> lost;
  auto noted = guarded([&]() -> Result<void> {
    for (const Fingerprint& key : flushed.error().fingerprints) {
      if (const auto owner = unflushed.find(key); owner != unflushed.end()) {
        lost.push_back(owner->second);
      }
    }
    if (flushed.error().code != Errc::not_durable) {
      for (const auto& [key, owner] : unflushed) lost.push_back(owner);
    }
    note_lost(process, lost, flushed.error().message);
    return {};
  });
  // What was lost before is named until it is put again, and is none of this flush's.
  if (noted) return lost.empty() ? Synced::all : Synced::not_all;
  // The files' store names them once more in the next flush.
  const std::lock_guard lock(process.lost_mutex);
  process.unflushed_large.merge(unflushed);
  return std::unexpected(std::move(noted).error());
}

// not_all: something was lost, and is named by the next flush. What could not even be noted is told
// to the next sync.
Result<PackStoreImpl::Synced> PackStoreImpl::sync_shelf(ProcessState& process, Shelf& shelf) {
  const std::lock_guard one_at_a_time(process.sync_mutex);
  Result<Synced> large = Synced::not_all;
  const auto sync_files = [&] {
    large = sync_large(process, shelf);
    return large && *large == Synced::all;
  };
  bool has_left = false;
  const auto is_there = [&]() -> Result<bool> {
    LARDER_TRY(const bool root_there, process.directory.is_at_its_path());
    if (root_there) {
      LARDER_TRY(const bool in_place, shelf.is_in_place());
      if (in_place) return true;
    }
    // Before the writers give up what they have: a put that comes after that sees it.
    has_left = true;
    leave_shelf(shelf);
    return false;
  };
  const std::uint64_t taken_out = shelf.taken_out_unsynced();
  auto lost = shelf.writers().sync(is_there, sync_files);
  auto undecided = std::exchange(lost.undecided, std::nullopt);
  const bool is_whole = !lost.error && !has_left;
  auto settled = settle_losses(process, shelf, lost);
  const bool are_noted = lost.fingerprints.empty();
  if (!settled) shelf.writers().tell_again(std::move(lost));
  if (!are_noted) return std::unexpected(std::move(settled).error());
  if (undecided) return std::unexpected(*std::move(undecided));
  if (!large) return large;
  const bool is_all = is_whole && *large == Synced::all;
  if (!is_all && taken_out > 0) shelf.note_given_up();
  shelf.end_taken_out_unsynced(taken_out);
  return is_all ? Synced::all : Synced::not_all;
}

Result<void> PackStoreImpl::flush_now() {
  ProcessState& process = state();
  const auto guard = process.epochs.enter();
  Shelf* const shelf = process.shelf.load(std::memory_order_seq_cst);
  if (shelf == nullptr || options_.access == Access::read_only) return {};
  LARDER_CHECK_OK(sync_shelf(process, *shelf));
  return {};
}

// The first who finds no batch running leads the next one, for all who asked until then. One that
// could not be decided counts for nobody: the next who waited leads another.
Result<void> PackStoreImpl::flush_in_turn() {
  ProcessState& process = state();
  std::unique_lock lock(process.flush_mutex);
  const std::uint64_t asked = ++process.flushes_asked_for;
  process.flush_ended.wait(lock,
                           [&] { return !process.is_flushing || process.flushes_done >= asked; });
  if (process.flushes_done < asked) {
    process.is_flushing = true;
    const std::uint64_t covered = process.flushes_asked_for;
    lock.unlock();
    auto flushed = guarded([&]() -> Result<void> {
      auto done = flush_now();
      process.epochs.collect();
      return done;
    });
    lock.lock();
    process.is_flushing = false;
    if (flushed) process.flushes_done = covered;
    process.flush_ended.notify_all();
    LARDER_CHECK_OK(std::move(flushed));
  }
  lock.unlock();
  return lost_error();
}

Result<void> PackStoreImpl::flush() {
  return guarded([&]() -> Result<void> {
    auto flushed = flush_in_turn();
    state().counters.add(&Metrics::flushes);
    if (!flushed) state().counters.add(&Metrics::flush_errors);
    return flushed;
  });
}

std::set<Fingerprint> PackStoreImpl::owners_of_unflushed_large() const {
  ProcessState& process = state();
  const std::lock_guard lock(process.lost_mutex);
  const auto owners = std::views::values(process.unflushed_large);
  return {owners.begin(), owners.end()};
}

Durability PackStoreImpl::durability() const {
  return guarded_or({}, [this]() -> Durability {
    ProcessState& process = state();
    Durability durability;
    {
      const std::lock_guard lock(process.flush_mutex);
      durability.durable = !process.is_flushing;
    }
    const auto guard = process.epochs.enter();
    Shelf* const shelf = process.shelf.load(std::memory_order_seq_cst);
    if (shelf != nullptr && options_.access == Access::read_write) {
      durability.pending = shelf->writers().pending(owners_of_unflushed_large());
    }
    const std::lock_guard lock(process.lost_mutex);
    durability.lost = process.lost.size();
    durability.durable = durability.durable && durability.pending == 0 && durability.lost == 0;
    return durability;
  });
}

}  // namespace larder::pack_store
