// The memory store, as the layered store needs to know it.
#ifndef LARDER_STORE_MEMORY_STORE_H_
#define LARDER_STORE_MEMORY_STORE_H_

#include <atomic>
#include <memory>
#include <vector>

#include "larder/store.h"
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
  std::size_t shard_index(const Fingerprint& fingerprint) const noexcept {
    return hash_(fingerprint) & (shards_.size() - 1);  // their number is a power of two
  }
  SieveShard& shard_of(const Fingerprint& fingerprint) const noexcept {
    return *shards_[shard_index(fingerprint)];
  }
  Result<void> check_size(std::size_t payload_bytes, std::size_t recipe_bytes) const;
  void insert(const Fingerprint& fingerprint, MemoryEntry& entry);
  void report(const SieveShard::Departed& departed, EvictionReason reason) const;

  std::vector<MemoryListing> list() const;
  PruneReport evict_planned(const MemoryPrunePlan& plan);

  const SecretHash hash_;
  const EvictionListener on_evict_;
  MemoryBudget budget_;
  std::vector<std::unique_ptr<SieveShard>> shards_;
  LeaseTable leases_;
  KeptStatistics statistics_;
  std::atomic<std::uint64_t> flushes_ = 0;
};

}  // namespace larder

#endif  // LARDER_STORE_MEMORY_STORE_H_
