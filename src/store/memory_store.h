// The memory store, as the layered store needs to know it.
#ifndef LARDER_STORE_MEMORY_STORE_H_
#define LARDER_STORE_MEMORY_STORE_H_

#include <atomic>
#include <memory>
#include <vector>

#include "larder/store.h"
#include "os/fork_aware.h"
#include "store/kept_statistics.h"
#include "store/lease_table.h"
#include "store/sieve_shard.h"

namespace larder {

// The steady clock, and how long ago that was.
std::int64_t memory_clock_ns() noexcept;
std::uint64_t memory_age_s(std::int64_t put_at_ns) noexcept;

struct MemoryPrunePlan {
  struct Victim {
    MemoryListing entry;
    EvictionReason reason = EvictionReason::bytes;
  };
  std::vector<Victim> victims;
  PruneReport report;  // as it will be when every victim leaves
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(const MemoryStoreOptions& options);

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> visit(const EntryVisitor& visitor) override;
  Result<void> visit_strays(const StrayVisitor& visitor, Repair repair) override;
  Result<PruneReport> prune(const Budget& budget, DryRun dry_run) override;
  Result<PruneReport> clear() override;
  Metrics metrics() const override;
  Durability durability() const override { return {.durable = true}; }
  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override;
  Result<void> add_statistics(const Metrics& delta) override;
  Result<Metrics> statistics() override;
  Result<void> reset_statistics() override;
  std::string describe() const override { return "memory"; }

 private:
  // What a forked child has anew. It starts empty: the parent's tables may have been half changed
  // at the fork, by threads that the child does not have.
  struct State {
    State(const SecretHash& hash, const MemoryStoreOptions& options);

    MemoryBudget budget;
    std::vector<std::unique_ptr<SieveShard>> shards;
    LeaseTable leases;
    KeptStatistics statistics;
    std::atomic<std::uint64_t> flushes = 0;
  };

  State& state() const { return state_.get(); }
  static std::size_t shard_index(const State& state, std::uint64_t hash) noexcept {
    return hash & (state.shards.size() - 1);  // their number is a power of two
  }
  SieveShard& shard_of(const Fingerprint& fingerprint) const {
    const State& now = state();
    return *now.shards[shard_index(now, hash_(fingerprint))];
  }
  Result<void> check_size(std::size_t payload_bytes, std::size_t recipe_bytes) const;
  Result<void> put_into(SieveShard& shard, const Fingerprint& fingerprint,
                        std::span<const std::byte> payload, std::string_view recipe);
  void insert(const Fingerprint& fingerprint, MemoryEntry& entry);
  void report(const SieveShard::Departed& departed, EvictionReason reason) const;

  std::vector<MemoryListing> list() const;
  PruneReport evict_planned(const MemoryPrunePlan& plan);

  const SecretHash hash_;
  const MemoryStoreOptions options_;
  const os::ForkAware<State> state_;
};

}  // namespace larder

#endif  // LARDER_STORE_MEMORY_STORE_H_
