// One remote tier on several servers: each entry is on one of them, which its fingerprint chooses.
// Each server has a breaker and counters of its own: one that is down costs its share of the
// look-ups and nothing else.
#ifndef LARDER_STORE_REMOTE_SHARDED_STORE_H_
#define LARDER_STORE_REMOTE_SHARDED_STORE_H_

#include <memory>
#include <string>
#include <vector>

#include "larder/remote.h"

namespace larder {

class ShardedStore final : public RemoteStore {
 public:
  // As many stores as shards, at least one.
  ShardedStore(std::string url, std::vector<RemoteShard> shards,
               std::vector<std::shared_ptr<RemoteStore>> stores);

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  Result<std::optional<RemoteEntry>> fetch(const Fingerprint& fingerprint) override;
  Result<std::vector<Lookup>> get_many(std::span<const Fingerprint> fingerprints) override;
  Result<std::vector<Result<std::optional<RemoteEntry>>>> fetch_many(
      std::span<const Fingerprint> fingerprints) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<void> send(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                    const PutOptions& options, const std::stop_token& stop) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  RemoteStore& server_of(const Fingerprint& fingerprint) override { return store_of(fingerprint); }
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> visit(const EntryVisitor& visitor) override;
  Result<void> visit_strays(const StrayVisitor& visitor, Repair repair) override;
  Result<PruneReport> prune(const Budget& budget, DryRun dry_run) override;
  Result<PruneReport> clear() override;
  Metrics metrics() const override;
  bool has_keys() const override { return stores_.front()->has_keys(); }
  std::uint64_t max_entry_bytes() const override { return stores_.front()->max_entry_bytes(); }
  Result<std::optional<std::int64_t>> server_time_s() override {
    return stores_.front()->server_time_s();
  }
  RemoteMetrics remote_metrics() const override;
  RemoteMetrics kept_metrics() const override;
  Durability durability() const override { return {.durable = true}; }
  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override;
  Result<void> add_statistics(const Metrics& delta) override;
  Result<Metrics> statistics() override;
  Result<void> reset_statistics() override;
  std::string describe() const override { return url_; }

 private:
  RemoteStore& store_of(const Fingerprint& fingerprint) const;

  // What `ask` of a store says of its share, in the order of all.
  template <class Answer, class Ask>
  Result<std::vector<Answer>> ask_each(std::span<const Fingerprint> fingerprints,
                                       const Ask& ask) const;

  const std::string url_;
  const std::vector<RemoteShard> shards_;
  const std::vector<std::shared_ptr<RemoteStore>> stores_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_SHARDED_STORE_H_
