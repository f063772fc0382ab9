// Several stores as one. The files: layered_store.cc looks up and promotes, layered_write.cc writes
// and flushes, layered_upkeep.cc has the rest.
#ifndef LARDER_STORE_LAYERED_STORE_H_
#define LARDER_STORE_LAYERED_STORE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "larder/store.h"
#include "store/kept_statistics.h"
#include "store/layer.h"
#include "store/stripes.h"

namespace larder {

class LayeredStore final : public Store {
 public:
  explicit LayeredStore(const LayeredStoreOptions& options);
  ~LayeredStore() override;  // writes what is still queued

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  std::vector<Result<std::optional<Artifact>>> get_many(
      std::span<const Fingerprint> fingerprints) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  Result<bool> contains(const Fingerprint& fingerprint) override;
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> visit(const EntryVisitor& visitor) override;
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
  struct Tally;  // of one put

  void promote(const Fingerprint& fingerprint, const Artifact& artifact, std::size_t from,
               std::uint64_t version) noexcept;
  std::string recipe_for_promotion(const Fingerprint& fingerprint, std::size_t from);
  bool anything_to_promote_into(std::size_t from) const noexcept;
  std::vector<Promotion> copy_into_faster(const Promotion& promotion, const Artifact& artifact,
                                          std::string_view recipe);

  Result<void> put_into_tiers(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                              std::string_view recipe);
  std::vector<Fingerprint> flush_layer(std::size_t index, std::optional<Error>& failure);
  void take_out_above(std::size_t index, const std::vector<Fingerprint>& fingerprints);

  Result<PruneReport> sum_over_writable(const std::function<Result<PruneReport>(Layer&)>& each);
  Store* statistics_keeper() const noexcept;

  std::vector<std::unique_ptr<Layer>> layers_;
  const PromotionListener on_promote_;
  Stripes stripes_;
  KeptStatistics own_statistics_;  // when no tier may be written
  std::atomic<std::uint64_t> promotions_ = 0;
  std::atomic<std::uint64_t> rejected_read_only_ = 0;
  std::atomic<std::uint64_t> running_flushes_ = 0;
};

}  // namespace larder

#endif  // LARDER_STORE_LAYERED_STORE_H_
