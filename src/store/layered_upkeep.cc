// What a layered store does besides looking up and writing.
#include <set>
#include <utility>

#include "base/guarded.h"
#include "store/layered_store.h"

namespace larder {
namespace {

// Passes on what no faster tier has shown. An exception must not pass through the tier in between.
class OnceEach {
 public:
  explicit OnceEach(const EntryVisitor& visitor) : visitor_(visitor) {}

  // One of another key is an entry beside the one of the same fingerprint.
  Visit visit(const EntryInfo& entry) {
    const auto fresh = guarded([&]() -> Result<bool> {
      return entry.other_key || seen_.insert(entry.fingerprint).second;
    });
    if (!fresh) failure_ = fresh.error();
    if (fresh && !*fresh) return Visit::go_on;
    stopped_ = !fresh || visitor_(entry) == Visit::stop;
    return stopped_ ? Visit::stop : Visit::go_on;
  }

  void note(const Result<void>& visited) {
    if (!visited && !failure_) failure_ = visited.error();
  }
  bool stopped() const noexcept { return stopped_; }
  Result<void> result() const {
    if (failure_) return std::unexpected(*failure_);
    return {};
  }

 private:
  const EntryVisitor& visitor_;
  std::set<Fingerprint> seen_;
  std::optional<Error> failure_;
  bool stopped_ = false;
};

}  // namespace

// A tier that cannot be visited does not hide the others; its error comes at the end.
Result<void> LayeredStore::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    OnceEach once(visitor);
    for (const auto& layer : layers()) {
      once.note(layer->visit([&once](const EntryInfo& entry) { return once.visit(entry); }));
      if (once.stopped()) break;
    }
    return once.result();
  });
}

// Of every tier; what may not be written is not repaired.
Result<void> LayeredStore::visit_strays(const StrayVisitor& visitor, Repair repair) {
  return guarded([&]() -> Result<void> {
    std::optional<Error> failure;
    bool stopped = false;
    const auto told = [&](const Stray& stray) {
      stopped = visitor(stray) == Visit::stop;
      return stopped ? Visit::stop : Visit::go_on;
    };
    for (const auto& layer : layers()) {
      auto visited = layer->store().visit_strays(told, layer->writable() ? repair : Repair::no);
      if (!visited && !failure) failure = std::move(visited).error();
      if (stopped) break;
    }
    if (failure) return std::unexpected(*std::move(failure));
    return {};
  });
}

// As the fastest tier that has it; the recipe from the fastest tier that has one.
Result<std::optional<EntryDetails>> LayeredStore::inspect(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<EntryDetails>> {
    std::optional<EntryDetails> found;
    std::optional<Error> failure;
    for (const auto& layer : layers()) {
      auto details = layer->inspect(fingerprint);
      if (!details) {
        if (!failure) failure = std::move(details).error();
      } else if (*details && !found) {
        found = *std::move(details);
      } else if (*details) {
        found->recipe = std::move((*details)->recipe);
      }
      if (found && !found->recipe.empty()) break;
    }
    if (!found && failure) return std::unexpected(*std::move(failure));
    return found;
  });
}

Result<PruneReport> LayeredStore::sum_over_writable(
    const std::function<Result<PruneReport>(Layer&)>& each) {
  PruneReport sum;
  std::optional<Error> failure;
  for (const auto& layer : layers()) {
    if (!layer->writable()) continue;
    const auto report = each(*layer);
    if (!report) {
      if (!failure) failure = report.error();
      continue;
    }
    sum.evicted_entries += report->evicted_entries;
    sum.evicted_bytes += report->evicted_bytes;
    sum.kept_entries += report->kept_entries;
    sum.kept_bytes += report->kept_bytes;
    sum.held_bytes += report->held_bytes;
  }
  if (failure) return std::unexpected(*std::move(failure));
  return sum;
}

// What is queued is written first, so that each tier judges all of its entries.
Result<PruneReport> LayeredStore::prune(const Budget& budget, DryRun dry_run) {
  return guarded([&]() -> Result<PruneReport> {
    return sum_over_writable([&](Layer& layer) {
      layer.drain(stripes());
      return layer.store().prune(budget, dry_run);
    });
  });
}

Result<PruneReport> LayeredStore::clear() {
  return guarded([&]() -> Result<PruneReport> {
    auto report = sum_over_writable([this](Layer& layer) { return layer.clear(stripes()); });
    wait_for_writes(stripes());  // no promotion of what was read before may bring it back
    return report;
  });
}

Metrics LayeredStore::metrics() const {
  return guarded_or({}, [&] {
    const State& now = state();
    Metrics sum{.promotions = now.promotions.load(std::memory_order_relaxed)};
    for (const auto& layer : now.layers) {
      sum += guarded_or({}, [&] { return layer->store().metrics(); });
    }
    sum += Metrics{.rejected_read_only = now.rejected_read_only.load(std::memory_order_relaxed)};
    const Metrics own = now.stripes.lookups();
    for (auto member : {&Metrics::lookups, &Metrics::hits, &Metrics::absent, &Metrics::corrupt,
                        &Metrics::io_errors, &Metrics::skipped, &Metrics::hit_bytes}) {
      sum.*member = own.*member;
    }
    return sum;
  });
}

Durability LayeredStore::durability() const {
  return guarded_or({}, [&] {
    Durability sum{.durable = state().running_flushes.load() == 0};
    for (const auto& layer : layers()) {
      if (!layer->writable()) continue;
      const Durability durability = layer->durability();
      sum.pending += durability.pending;
      sum.lost += durability.lost;
      sum.durable = sum.durable && durability.durable;
    }
    return sum;
  });
}

// The slowest tier is the one that most processes share. A tier that cannot lease, by its nature or
// for the moment, is passed over: a lease saves work, nothing is wrong without it.
Result<std::unique_ptr<Lease>> LayeredStore::try_lease(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::unique_ptr<Lease>> {
    std::optional<Error> failure;
    for (std::size_t i = layers().size(); i-- > 0;) {
      if (!layers()[i]->writable()) continue;
      auto lease = layers()[i]->store().try_lease(fingerprint);
      if (lease) return lease;
      failure = std::move(lease).error();
    }
    if (failure) return std::unexpected(*std::move(failure));
    return std::unexpected(
        Error{.code = Errc::unsupported,
              .message = "no tier of the store may be written; go on without a lease"});
  });
}

Store* LayeredStore::statistics_keeper() const {
  for (std::size_t i = layers().size(); i-- > 0;) {
    if (layers()[i]->writable()) return &layers()[i]->store();
  }
  return nullptr;
}

Result<void> LayeredStore::add_statistics(const Metrics& delta) {
  return guarded([&]() -> Result<void> {
    if (Store* keeper = statistics_keeper()) return keeper->add_statistics(delta);
    state().own_statistics.add(delta);
    return {};
  });
}

Result<Metrics> LayeredStore::statistics() {
  return guarded([&]() -> Result<Metrics> {
    if (Store* keeper = statistics_keeper()) return keeper->statistics();
    return state().own_statistics.get();
  });
}

Result<void> LayeredStore::reset_statistics() {
  return guarded([&]() -> Result<void> {
    if (Store* keeper = statistics_keeper()) return keeper->reset_statistics();
    state().own_statistics.reset();
    return {};
  });
}

std::string LayeredStore::describe() const {
  return guarded_or({}, [&] {
    std::string text;
    for (const Tier& tier : options_.tiers) {
      if (!text.empty()) text += " over ";
      text += tier.store->describe();
    }
    return text;
  });
}

}  // namespace larder
