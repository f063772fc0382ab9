// Writing to a local store and to the remote tiers behind it, and what is the local store's alone.
#include <algorithm>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "store/remote/backed_store.h"

namespace larder {

BackedStore::~BackedStore() {
  if (state_.forked()) return;  // what is queued is the parent's
  State& now = state_.get();
  drain(now);
  for (const auto& uploads : now.uploads) uploads->stop();
}

// The local store decides. What it refuses for its size or for want of space may still be useful to
// other machines.
Result<void> BackedStore::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                              const PutOptions& options) {
  return guarded([&]() -> Result<void> {
    State& now = state_.get();
    const Changes::Change change(now.changes, fingerprint);
    auto stored = options_.local->put(fingerprint, payload, options);
    if (!stored && stored.error().code == Errc::invalid_argument) return stored;
    queue_all(now, fingerprint, payload, options);
    auto sent = send(now, fingerprint, payload, options);
    return stored ? std::move(sent) : std::move(stored);
  });
}

// For the tiers that are not written here and now.
void BackedStore::queue_all(State& now, const Fingerprint& fingerprint,
                            std::span<const std::byte> payload, const PutOptions& options) const {
  std::optional<Artifact> copy;  // one for all
  for (std::size_t i = 0; i < options_.tiers.size(); ++i) {
    const RemoteTier& tier = options_.tiers[i];
    if (wants(tier, options) && is_queued(tier, payload)) {
      queue(now, i, fingerprint, payload, options, copy);
    }
  }
}

// What is too large is refused here and now, and needs neither a copy nor a place in the queue.
bool BackedStore::is_queued(const RemoteTier& tier, std::span<const std::byte> payload) noexcept {
  return tier.write == RemoteWrite::async && payload.size() <= tier.store->max_entry_bytes();
}

// What is queued for a tier, or on its way there, since somebody found it or has put it.
void BackedStore::take_back(State& now, std::size_t tier, const Fingerprint& fingerprint) {
  now.uploads[tier]->wait_for(now.uploads[tier]->withdraw(fingerprint));
}

void BackedStore::queue(State& now, std::size_t tier, const Fingerprint& fingerprint,
                        std::span<const std::byte> payload, const PutOptions& options,
                        std::optional<Artifact>& copy) const {
  if (!copy) {
    auto made = Artifact::copy_of(payload);
    if (!made) return now.uploads[tier]->lose(fingerprint);  // for want of memory
    copy = *std::move(made);
  }
  now.uploads[tier]->push({tier, fingerprint, *copy, std::string(options.recipe)});
}

// What is made faster than it would be fetched is not worth sending. A cost that nobody knows is
// none that is too low.
bool BackedStore::wants(const RemoteTier& tier, const PutOptions& options) noexcept {
  if (tier.write == RemoteWrite::off) return false;
  return !options.cost || *options.cost >= tier.min_cost;
}

Result<void> BackedStore::send(State& now, const Fingerprint& fingerprint,
                               std::span<const std::byte> payload, const PutOptions& options) {
  std::optional<Error> failure;
  for (std::size_t i = 0; i < options_.tiers.size(); ++i) {
    const RemoteTier& tier = options_.tiers[i];
    if (!wants(tier, options) || is_queued(tier, payload)) continue;
    take_back(now, i, fingerprint);
    auto sent = tier.store->put(fingerprint, payload, options);
    note(now, i, sent ? nullptr : &sent.error());
    const bool is_trouble = !sent && sent.error().code != Errc::too_large;  // that is the entry's
    if (is_trouble && tier.required == Required::yes && !failure) failure = std::move(sent).error();
  }
  if (failure) return std::unexpected(*std::move(failure));
  return {};
}

Sending BackedStore::send_now(State& now, const Upload& upload,
                              const std::stop_token& stop) const noexcept {
  const auto sent = guarded([&] {
    return options_.tiers[upload.tier].store->send(upload.fingerprint, upload.payload.bytes(),
                                                   {.recipe = upload.recipe}, stop);
  });
  const Sending otherwise = sent ? Sending::sent : Sending::unwanted;
  if (stop.stop_requested()) return otherwise;
  note(now, upload.tier, sent ? nullptr : &sent.error());
  const bool is_lost = !sent && sent.error().code != Errc::too_large;
  return is_lost ? Sending::lost : otherwise;
}

// All tiers share the time.
void BackedStore::drain(State& now) const noexcept {
  best_effort([&] {
    const auto deadline = Uploads::Clock::now() + options_.drain_limit;
    for (std::size_t i = 0; i < now.uploads.size(); ++i) {
      const Unsent unsent = now.uploads[i]->drain(deadline);
      best_effort([&] { tell_unsent(unsent, options_.tiers[i].store->describe()); });
    }
  });
}

void BackedStore::tell_unsent(const Unsent& unsent, const std::string& tier) const {
  if (unsent.entries == 0) return;
  const bool is_one = unsent.entries == 1;
  std::string line = tier + ": " + std::to_string(unsent.entries);
  line += is_one ? " entry has not been sent there: " : " entries have not been sent there: ";
  const std::size_t named = std::min<std::size_t>(unsent.entries, Unsent::most_named);
  for (std::size_t i = 0; i < named; ++i) line += (i == 0 ? "" : ", ") + unsent.first[i].hex();
  if (unsent.entries > named) line += " and " + std::to_string(unsent.entries - named) + " more";
  say(line + "; `larder push` sends " + (is_one ? "it" : "them"));
}

// Who looked for it before keeps nothing of what he finds, and what is queued is not sent: else it
// would come back.
Result<bool> BackedStore::remove(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    State& now = state_.get();
    const Changes::Change change(now.changes, fingerprint);
    now.in_flight.forget(fingerprint);
    for (const auto& uploads : now.uploads) (void)uploads->withdraw(fingerprint);
    LARDER_TRY(bool removed, options_.local->remove(fingerprint));
    for (std::size_t i = 0; i < options_.tiers.size(); ++i) take_back(now, i, fingerprint);
    for (std::size_t i = 0; i < options_.tiers.size(); ++i) {
      const RemoteTier& tier = options_.tiers[i];
      if (tier.write == RemoteWrite::off) continue;
      auto done = tier.store->remove(fingerprint);
      note(now, i, done ? nullptr : &done.error());
      if (!done && tier.required == Required::yes && is_trouble(done.error())) return done;
      removed = removed || (done && *done);
    }
    return removed;
  });
}

Result<void> BackedStore::flush() {
  return guarded([&]() -> Result<void> {
    auto flushed = options_.local->flush();
    drain(state_.get());
    for (const RemoteTier& tier : options_.tiers) (void)tier.store->flush();
    return flushed;
  });
}

Result<std::optional<EntryDetails>> BackedStore::inspect(const Fingerprint& fingerprint) {
  return options_.local->inspect(fingerprint);
}

Result<void> BackedStore::visit(const EntryVisitor& visitor) {
  return options_.local->visit(visitor);
}

Result<void> BackedStore::visit_strays(const StrayVisitor& visitor, Repair repair) {
  return options_.local->visit_strays(visitor, repair);
}

Result<PruneReport> BackedStore::prune(const Budget& budget, DryRun dry_run) {
  return options_.local->prune(budget, dry_run);
}

Result<PruneReport> BackedStore::clear() { return options_.local->clear(); }

Durability BackedStore::durability() const { return options_.local->durability(); }

Result<std::unique_ptr<Lease>> BackedStore::try_lease(const Fingerprint& fingerprint) {
  return options_.local->try_lease(fingerprint);
}

Result<void> BackedStore::add_statistics(const Metrics& delta) {
  return options_.local->add_statistics(delta);
}

Result<Metrics> BackedStore::statistics() { return options_.local->statistics(); }

Result<void> BackedStore::reset_statistics() { return options_.local->reset_statistics(); }

}  // namespace larder
