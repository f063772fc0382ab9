#include "store/remote/sharded_store.h"

#include <functional>
#include <thread>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "store/remote/rendezvous.h"

namespace larder {
namespace {

using Stores = std::vector<std::shared_ptr<RemoteStore>>;

// Calls `ask` for each of these shards, so that servers which hang cost the time of one. The last
// one is asked by the caller's own thread, as is whoever finds no thread.
void side_by_side(const std::vector<std::size_t>& asked,
                  const std::function<void(std::size_t shard)>& ask) {
  std::vector<std::jthread> threads;
  threads.reserve(asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const std::size_t shard = asked[i];
    const bool has_thread = i + 1 < asked.size() && guarded_or(false, [&] {
                              threads.emplace_back([&ask, shard] { ask(shard); });
                              return true;
                            });
    if (!has_thread) ask(shard);
  }
}

// What `ask` answers for each server, though one fails.
template <class Answer>
std::vector<Result<Answer>> of_each(const Stores& stores,
                                    const std::function<Result<Answer>(RemoteStore&)>& ask) {
  std::vector<std::size_t> all;
  for (std::size_t shard = 0; shard < stores.size(); ++shard) all.push_back(shard);
  std::vector<Result<Answer>> answers(stores.size());
  side_by_side(all, [&](std::size_t shard) {
    answers[shard] = guarded([&] { return ask(*stores[shard]); });
  });
  return answers;
}

// The same of what answers nothing: the first failure.
Result<void> each_of(const Stores& stores, const std::function<Result<void>(RemoteStore&)>& act) {
  Result<void> all = {};
  for (const auto& store : stores) {
    auto done = act(*store);
    if (!done && all) all = std::move(done);
  }
  return all;
}

// What it held when it was asked.
Result<std::vector<EntryInfo>> listing_of(RemoteStore& store) {
  std::vector<EntryInfo> entries;
  LARDER_CHECK_OK(store.visit([&](const EntryInfo& entry) {
    entries.push_back(entry);
    return Visit::go_on;
  }));
  return entries;
}

}  // namespace

ShardedStore::ShardedStore(std::string url, std::vector<RemoteShard> shards,
                           std::vector<std::shared_ptr<RemoteStore>> stores)
    : url_(std::move(url)), shards_(std::move(shards)), stores_(std::move(stores)) {}

RemoteStore& ShardedStore::store_of(const Fingerprint& fingerprint) const {
  return *stores_[shard_of(shards_, fingerprint)];
}

Result<std::optional<Artifact>> ShardedStore::get(const Fingerprint& fingerprint) {
  return guarded([&] { return store_of(fingerprint).get(fingerprint); });
}

Result<std::optional<RemoteEntry>> ShardedStore::fetch(const Fingerprint& fingerprint) {
  return guarded([&] { return store_of(fingerprint).fetch(fingerprint); });
}

template <class Answer, class Ask>
Result<std::vector<Answer>> ShardedStore::ask_each(std::span<const Fingerprint> fingerprints,
                                                   const Ask& ask) const {
  return guarded([&]() -> Result<std::vector<Answer>> {
    std::vector<std::vector<std::size_t>> places(stores_.size());
    std::vector<std::vector<Fingerprint>> shares(stores_.size());
    for (std::size_t i = 0; i < fingerprints.size(); ++i) {
      const std::size_t shard = shard_of(shards_, fingerprints[i]);
      places[shard].push_back(i);
      shares[shard].push_back(fingerprints[i]);
    }
    std::vector<Result<std::vector<Answer>>> answers(stores_.size());
    std::vector<std::size_t> asked;
    for (std::size_t shard = 0; shard < shares.size(); ++shard) {
      if (!shares[shard].empty()) asked.push_back(shard);
    }
    side_by_side(asked, [&](std::size_t shard) {
      answers[shard] = guarded([&] { return ask(*stores_[shard], shares[shard]); });
    });
    std::vector<Answer> all(fingerprints.size());
    for (std::size_t shard = 0; shard < stores_.size(); ++shard) {
      if (!answers[shard]) return std::unexpected(std::move(answers[shard]).error());
      for (std::size_t k = 0; k < answers[shard]->size(); ++k) {
        all[places[shard][k]] = std::move((*answers[shard])[k]);
      }
    }
    return all;
  });
}

Result<std::vector<Lookup>> ShardedStore::get_many(std::span<const Fingerprint> fingerprints) {
  return ask_each<Lookup>(fingerprints, [](RemoteStore& store, std::span<const Fingerprint> share) {
    return store.get_many(share);
  });
}

Result<std::vector<Result<std::optional<RemoteEntry>>>> ShardedStore::fetch_many(
    std::span<const Fingerprint> fingerprints) {
  return ask_each<Result<std::optional<RemoteEntry>>>(
      fingerprints, [](RemoteStore& store, std::span<const Fingerprint> share) {
        return store.fetch_many(share);
      });
}

Result<void> ShardedStore::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                               const PutOptions& options) {
  return guarded([&] { return store_of(fingerprint).put(fingerprint, payload, options); });
}

Result<void> ShardedStore::send(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                                const PutOptions& options, const std::stop_token& stop) {
  return guarded([&] { return store_of(fingerprint).send(fingerprint, payload, options, stop); });
}

Result<bool> ShardedStore::remove(const Fingerprint& fingerprint) {
  return guarded([&] { return store_of(fingerprint).remove(fingerprint); });
}

Result<std::optional<EntryDetails>> ShardedStore::inspect(const Fingerprint& fingerprint) {
  return guarded([&] { return store_of(fingerprint).inspect(fingerprint); });
}

Result<void> ShardedStore::flush() {
  return each_of(stores_, [](RemoteStore& store) { return store.flush(); });
}

// What stands on a server that is not the entry's own, since shards came or went, is told as well:
// it can be pruned, and is not found.
Result<void> ShardedStore::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    Result<void> all = {};
    for (auto& listing : of_each<std::vector<EntryInfo>>(stores_, listing_of)) {
      if (!listing) {
        if (all) all = std::unexpected(std::move(listing).error());
        continue;
      }
      for (const EntryInfo& entry : *listing) {
        if (visitor(entry) == Visit::stop) return all;
      }
    }
    return all;
  });
}

Result<void> ShardedStore::visit_strays(const StrayVisitor&, Repair) { return {}; }

Result<PruneReport> ShardedStore::prune(const Budget& budget, DryRun dry_run) {
  return guarded([&]() -> Result<PruneReport> {
    const bool takes_all = budget.max_entries == 0 || budget.max_bytes == 0;
    if (!takes_all && (budget.max_entries || budget.max_bytes)) {
      return std::unexpected(Error{.code = Errc::unsupported,
                                   .message = url_ + ": a budget of several servers together is "
                                                     "not kept; prune each by its own URL"});
    }
    const auto reports = of_each<PruneReport>(
        stores_, [&](RemoteStore& store) { return store.prune(budget, dry_run); });
    PruneReport sum;
    for (const auto& report : reports) {
      if (!report) return std::unexpected(report.error());
      sum.evicted_entries += report->evicted_entries;
      sum.evicted_bytes += report->evicted_bytes;
      sum.kept_entries += report->kept_entries;
      sum.kept_bytes += report->kept_bytes;
    }
    return sum;
  });
}

Result<PruneReport> ShardedStore::clear() { return prune({.max_entries = 0}, DryRun::no); }

Metrics ShardedStore::metrics() const {
  Metrics sum;
  for (const auto& store : stores_) sum += store->metrics();
  return sum;
}

RemoteMetrics ShardedStore::remote_metrics() const {
  RemoteMetrics sum;
  for (const auto& store : stores_) sum += store->remote_metrics();
  return sum;
}

RemoteMetrics ShardedStore::kept_metrics() const {
  RemoteMetrics sum;
  for (const auto& store : stores_) sum += store->kept_metrics();
  return sum;
}

Result<std::unique_ptr<Lease>> ShardedStore::try_lease(const Fingerprint& fingerprint) {
  return guarded([&] { return store_of(fingerprint).try_lease(fingerprint); });
}

Result<void> ShardedStore::add_statistics(const Metrics& delta) {
  return stores_.front()->add_statistics(delta);
}

Result<Metrics> ShardedStore::statistics() { return stores_.front()->statistics(); }

Result<void> ShardedStore::reset_statistics() {
  return each_of(stores_, [](RemoteStore& store) { return store.reset_statistics(); });
}

}  // namespace larder
