// Pruning of the memory store: a plan over a listing, then one eviction at a time.
//
// What was never hit leaves first, the oldest first: the order in which SIEVE would choose. Entries
// put meanwhile stay; entries replaced meanwhile are no longer the ones that the plan judged, and
// stay too. A dry run is the plan alone.
#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "base/guarded.h"
#include "store/memory_store.h"

namespace larder {
namespace {

bool leaves_before(const MemoryListing& a, const MemoryListing& b) noexcept {
  return std::tie(a.visited, a.put_at_ns) < std::tie(b.visited, b.put_at_ns);
}

void add_victim(MemoryPrunePlan& plan, const MemoryListing& entry, EvictionReason reason) {
  plan.victims.push_back({entry, reason});
  ++plan.report.evicted_entries;
  plan.report.evicted_bytes += entry.bytes;
  --plan.report.kept_entries;
  plan.report.kept_bytes -= entry.bytes;
}

std::optional<EvictionReason> reason_to_leave(const Budget& budget, const PruneReport& report,
                                              const MemoryListing& entry) noexcept {
  if (budget.max_age_s && memory_age_s(entry.put_at_ns) > *budget.max_age_s) {
    return EvictionReason::age;
  }
  if (budget.max_bytes && report.kept_bytes > *budget.max_bytes) return EvictionReason::bytes;
  if (budget.max_entries && report.kept_entries > *budget.max_entries) {
    return EvictionReason::entries;
  }
  return std::nullopt;
}

MemoryPrunePlan everything_kept(const std::vector<MemoryListing>& entries) noexcept {
  MemoryPrunePlan plan;
  plan.report.kept_entries = entries.size();
  for (const MemoryListing& entry : entries) plan.report.kept_bytes += entry.bytes;
  return plan;
}

// `min_free_bytes` speaks of a file system and means nothing here.
MemoryPrunePlan plan_prune(std::vector<MemoryListing> entries, const Budget& budget) {
  MemoryPrunePlan plan = everything_kept(entries);
  const Budget by_age{.max_age_s = budget.max_age_s};
  // The old ones go first, whatever their place: they may make room enough for all others.
  const auto young = std::ranges::partition(entries, [&](const MemoryListing& entry) {
    return reason_to_leave(by_age, plan.report, entry).has_value();
  });
  std::ranges::sort(young, leaves_before);
  for (auto entry = entries.begin(); entry != young.begin(); ++entry) {
    add_victim(plan, *entry, EvictionReason::age);
  }
  for (const MemoryListing& entry : young) {
    if (const auto reason = reason_to_leave(budget, plan.report, entry)) {
      add_victim(plan, entry, *reason);
    }
  }
  return plan;
}

}  // namespace

std::int64_t memory_clock_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

std::uint64_t memory_age_s(std::int64_t put_at_ns) noexcept {
  return static_cast<std::uint64_t>(memory_clock_ns() - put_at_ns) / 1'000'000'000;
}

PruneReport MemoryStore::evict_planned(const MemoryPrunePlan& plan) {
  PruneReport report = plan.report;
  for (const MemoryPrunePlan::Victim& victim : plan.victims) {
    if (const auto departed = shard_of(victim.entry.fingerprint).evict(victim.entry)) {
      this->report(*departed, victim.reason);
      continue;
    }
    --report.evicted_entries;
    report.evicted_bytes -= victim.entry.bytes;
  }
  return report;
}

Result<PruneReport> MemoryStore::prune(const Budget& budget, DryRun dry_run) {
  return guarded([&]() -> Result<PruneReport> {
    const MemoryPrunePlan plan = plan_prune(list(), budget);
    return dry_run == DryRun::yes ? plan.report : evict_planned(plan);
  });
}

Result<PruneReport> MemoryStore::clear() {
  return guarded([&]() -> Result<PruneReport> {
    MemoryPrunePlan plan;
    for (const MemoryListing& entry : list()) {
      plan.victims.push_back({entry, EvictionReason::cleared});
      ++plan.report.evicted_entries;
      plan.report.evicted_bytes += entry.bytes;
    }
    return evict_planned(plan);
  });
}

}  // namespace larder
