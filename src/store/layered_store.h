// Several stores as one. The files: layered_store.cc looks up and promotes, layered_write.cc writes
// and flushes, layered_upkeep.cc has the rest.
#ifndef LARDER_STORE_LAYERED_STORE_H_
#define LARDER_STORE_LAYERED_STORE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "larder/store.h"
#include "os/fork_aware.h"
#include "store/kept_statistics.h"
#include "store/layer.h"
#include "store/stripes.h"

namespace larder {

class LayeredStore final : public Store {
 public:
  explicit LayeredStore(const LayeredStoreOptions& options);
  ~LayeredStore() override;  // writes what is still queued

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  Result<std::vector<Lookup>> get_many(std::span<const Fingerprint> fingerprints) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  Result<bool> contains(const Fingerprint& fingerprint) override;
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> visit(const EntryVisitor& visitor) override;
  Result<void> visit_strays(const StrayVisitor& visitor, Repair repair) override;
  Result<PruneReport> prune(const Budget& budget, DryRun dry_run) override;
  Result<PruneReport> clear() override;
  Metrics metrics() const override;
  Durability durability() const override;
  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override;
  Result<void> add_statistics(const Metrics& delta) override;
  Result<Metrics> statistics() override;
  Result<void> reset_statistics() override;
  std::string describe() const override;

 private:
  // What a forked child has anew: what is queued is the parent's to write, and a mutex may have
  // been held by a thread that the child does not have.
  struct State {
    explicit State(const LayeredStoreOptions& options);

    std::vector<std::unique_ptr<Layer>> layers;
    Stripes stripes;
    KeptStatistics own_statistics;  // when no tier may be written
    std::atomic<std::uint64_t> promotions = 0;
    std::atomic<std::uint64_t> rejected_read_only = 0;
    std::atomic<std::uint64_t> running_flushes = 0;
  };
  struct Tally;  // of one put

  State& state() const { return state_.get(); }
  const std::vector<std::unique_ptr<Layer>>& layers() const { return state().layers; }
  Stripes& stripes() const { return state().stripes; }

  Result<std::optional<Artifact>> search(const Fingerprint& fingerprint, std::size_t& tier);
  std::vector<Lookup> ask(std::size_t tier, std::span<const Fingerprint> asked,
                          std::span<const std::size_t> pending);
  Result<bool> search_whether(const Fingerprint& fingerprint);
  void promote(const Fingerprint& fingerprint, const Artifact& artifact, std::size_t from,
               std::uint64_t version) noexcept;
  std::string recipe_for_promotion(const Fingerprint& fingerprint, std::size_t from);
  bool anything_to_promote_into(std::size_t from) const;
  std::vector<Promotion> copy_into_faster(const Promotion& promotion, const Artifact& artifact,
                                          std::string_view recipe);

  Result<void> put_into_tiers(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                              const PutOptions& options);
  std::vector<Fingerprint> flush_layer(std::size_t index, std::optional<Error>& failure);
  void take_out_above(std::size_t index, const std::vector<Fingerprint>& fingerprints);

  Result<PruneReport> sum_over_writable(const std::function<Result<PruneReport>(Layer&)>& each);
  Store* statistics_keeper() const;

  const LayeredStoreOptions options_;
  const os::ForkAware<State> state_;
};

}  // namespace larder

#endif  // LARDER_STORE_LAYERED_STORE_H_
