#include "store/remote/backed_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/guarded.h"

namespace larder {

// The state's thread calls back into this object, which outlives it.
BackedStore::BackedStore(const BackedStoreOptions& options)
    : options_{.local = options.local,
               .local_has_keys = options.local_has_keys,
               .tiers = options.tiers,
               .upload_capacity_bytes = options.upload_capacity_bytes,
               .drain_limit = options.drain_limit,
               .log = shielded(options.log)},
      state_([this] {
        return std::make_unique<State>(options_,
                                       [this](const Upload& upload, const std::stop_token& stop) {
                                         return send_now(state_.get(), upload, stop);
                                       });
      }) {}

// Else something is wrong with one entry, which costs a miss, of a required tier too.
bool BackedStore::is_trouble(const Error& error) noexcept {
  return error.code != Errc::too_large && error.code != Errc::corrupt &&
         error.code != Errc::not_ours;
}

void BackedStore::say(std::string_view what) const noexcept {
  if (options_.log) options_.log(LogLevel::warning, what);
}

// How a tier did. Only the first failure is told, until it does better: a build makes thousands of
// calls. And one of several servers that is down has the others answer in between: a minute apart.
// What is wrong with one entry, its size say, is no trouble of the tier's, and hides none.
void BackedStore::note(State& now, std::size_t tier, const Error* error) const noexcept {
  using Clock = std::chrono::steady_clock;
  const bool is_of_entry = error != nullptr && !is_trouble(*error);
  Trouble& trouble = is_of_entry ? now.entry_troubles[tier] : now.troubles[tier];
  if (error == nullptr) return trouble.is_known.store(false, std::memory_order_relaxed);
  if (trouble.is_known.load(std::memory_order_relaxed)) return;
  const auto time = Clock::now();
  std::int64_t quiet_until = trouble.quiet_until.load(std::memory_order_relaxed);
  if (time.time_since_epoch().count() < quiet_until) return;
  const std::int64_t next = (time + std::chrono::minutes(1)).time_since_epoch().count();
  if (!trouble.quiet_until.compare_exchange_strong(quiet_until, next)) return;
  trouble.is_known.store(!is_of_entry, std::memory_order_relaxed);
  say(error->message);
}

Lookup BackedStore::count(State& now, Lookup found) noexcept {
  if (!found) {
    now.counters.count_lookup(lookup_outcome(found.error().code));
  } else {
    now.counters.count_lookup(*found ? &Metrics::hits : &Metrics::absent);
    if (*found) now.counters.add(&Metrics::hit_bytes, (*found)->size());
  }
  return found;
}

Result<std::optional<Artifact>> BackedStore::get(const Fingerprint& fingerprint) {
  return guarded([&]() -> Lookup {
    State& now = state_.get();
    auto local = options_.local->get(fingerprint);
    if (local && *local) return count(now, std::move(local));
    return count(now, look_behind(now, fingerprint, std::move(local)));
  });
}

Result<std::vector<Lookup>> BackedStore::get_many(std::span<const Fingerprint> fingerprints) {
  return guarded([&]() -> Result<std::vector<Lookup>> {
    State& now = state_.get();
    auto found = options_.local->get_many(fingerprints);
    if (!found) return found;
    for (std::size_t tier = 0; tier < options_.tiers.size(); ++tier) {
      ask_tier(now, tier, fingerprints, *found);
    }
    for (Lookup& answer : *found) answer = count(now, std::move(answer));
    return found;
  });
}

// One question for everything that nobody had so far. Where a required tier fails, that is the
// answer, unless a later tier has the entry.
void BackedStore::ask_tier(State& now, std::size_t tier, std::span<const Fingerprint> all,
                           std::vector<Lookup>& found) {
  const bool required = options_.tiers[tier].required == Required::yes;
  std::vector<std::size_t> missing;
  std::vector<Fingerprint> asked;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (found[i] && *found[i]) continue;
    missing.push_back(i);
    asked.push_back(all[i]);
  }
  std::vector<std::uint64_t> seen;
  for (const Fingerprint& fingerprint : asked) seen.push_back(now.changes.seen(fingerprint));
  const auto answers = options_.tiers[tier].store->fetch_many(asked);
  if (!answers) {
    note(now, tier, &answers.error());
    for (const std::size_t i : missing) {
      if (required) found[i] = std::unexpected(answers.error());
    }
    return;
  }
  for (std::size_t k = 0; k < missing.size(); ++k) {
    const auto& answer = (*answers)[k];
    note(now, tier, answer ? nullptr : &answer.error());
    if (!answer && required && is_trouble(answer.error())) {
      found[missing[k]] = std::unexpected(answer.error());
    }
    if (!answer || !*answer) continue;
    fill_back(now, asked[k], **answer, tier, seen[k]);
    found[missing[k]] = (*answer)->payload;
  }
}

Result<bool> BackedStore::contains(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    State& now = state_.get();
    auto local = options_.local->contains(fingerprint);
    if (local && *local) {
      now.counters.count_lookup(&Metrics::hits);
      return true;
    }
    Lookup missed = std::nullopt;
    if (!local) missed = std::unexpected(std::move(local).error());
    const Lookup found = count(now, look_behind(now, fingerprint, std::move(missed)));
    if (!found) return std::unexpected(found.error());
    return found->has_value();
  });
}

// What the local store could not give; its own answer when no tier has more to say.
Lookup BackedStore::look_behind(State& now, const Fingerprint& fingerprint, Lookup local) {
  const auto found = now.in_flight.share(
      fingerprint, [&] { return guarded([&] { return search(now, fingerprint); }); });
  if (!found) return std::unexpected(found.error());  // of a tier that is required
  if (!*found) return local;
  return (*found)->payload;
}

// Where a required tier fails, that is the answer, unless a later tier has the entry.
BackedStore::Found BackedStore::search(State& now, const Fingerprint& fingerprint) {
  std::optional<Error> failure;
  const std::uint64_t seen = now.changes.seen(fingerprint);
  for (std::size_t i = 0; i < options_.tiers.size(); ++i) {
    const RemoteTier& tier = options_.tiers[i];
    auto found = tier.store->fetch(fingerprint);
    note(now, i, found ? nullptr : &found.error());
    if (!found && tier.required == Required::yes && is_trouble(found.error()) && !failure) {
      failure = found.error();
    }
    if (!found || !*found) continue;
    fill_back(now, fingerprint, **found, i, seen);
    return found;
  }
  if (failure) return std::unexpected(*std::move(failure));
  return std::nullopt;
}

// What cannot be kept is served all the same, and so is what somebody has put or removed since it
// was asked for, in this process or, if it is there, in another: that is newer. A tier gets it
// unless that would keep the caller waiting.
void BackedStore::fill_back(State& now, const Fingerprint& fingerprint, const RemoteEntry& entry,
                            std::size_t from, std::uint64_t seen) {
  const Changes::Keeping keeping(now.changes, fingerprint, seen);
  if (!keeping.is_allowed()) return;
  const auto there = options_.local->inspect(fingerprint);
  if (there && *there) return;
  const auto kept =
      options_.local->put(fingerprint, entry.payload.bytes(), {.recipe = entry.recipe});
  if (kept) now.counters.add(&Metrics::promotions);
  for (std::size_t i = 0; i < from; ++i) {
    if (options_.tiers[i].write == RemoteWrite::off) continue;
    now.uploads[i]->push({i, fingerprint, entry.payload, entry.recipe});
  }
}

Metrics BackedStore::metrics() const {
  return guarded_or({}, [&] {
    Metrics sum = options_.local->metrics();
    const Metrics own = state_.get().counters.snapshot();
    for (auto member : {&Metrics::lookups, &Metrics::hits, &Metrics::absent, &Metrics::corrupt,
                        &Metrics::io_errors, &Metrics::skipped, &Metrics::hit_bytes}) {
      sum.*member = own.*member;
    }
    sum.promotions += own.promotions;
    return sum;
  });
}

std::string BackedStore::describe() const {
  return guarded_or({}, [&] {
    std::string text = options_.local->describe();
    for (const RemoteTier& tier : options_.tiers) text += " over " + tier.store->describe();
    return text;
  });
}

Result<std::shared_ptr<Store>> make_backed_store(const BackedStoreOptions& options) {
  const bool complete = options.local != nullptr && std::ranges::all_of(options.tiers, [](auto& t) {
                          return t.store != nullptr;
                        });
  if (!complete) {
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .message = "a local store, and a store in each tier, are needed; "
                                            "add them"});
  }
  for (const RemoteTier& tier : options.tiers) {
    if (!options.local_has_keys || tier.store->has_keys()) continue;
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .message = tier.store->describe() +
                                            ": a tier without a key cannot stand behind a store "
                                            "that has one; give it the same keys"});
  }
  return guarded(
      [&]() -> Result<std::shared_ptr<Store>> { return std::make_shared<BackedStore>(options); });
}

}  // namespace larder
