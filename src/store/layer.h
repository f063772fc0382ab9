// One tier of the layered store: a store, its write policy, and what is still to be written to it.
#ifndef LARDER_STORE_LAYER_H_
#define LARDER_STORE_LAYER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/store.h"
#include "store/behind_queue.h"
#include "store/stripes.h"

namespace larder {

// Any number of threads; who calls write, remove or write_queued holds the fingerprint's stripe.
class Layer {
 public:
  // `tier` must outlive it.
  Layer(const Tier& tier, std::uint64_t behind_capacity_bytes);

  Store& store() const noexcept { return *tier_.store; }
  bool writable() const noexcept { return tier_.write != TierWrite::never; }
  bool queues() const noexcept { return tier_.write == TierWrite::behind; }
  bool keeps_for_this_process_only() const noexcept { return in_memory_; }

  // The queue first: what is in it is newer than what the store has.
  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint);
  Result<std::vector<Lookup>> get_many(std::span<const Fingerprint> fingerprints);
  Result<bool> contains(const Fingerprint& fingerprint);
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint);

  // The encoded recipe, empty when there is none; an error is no recipe.
  std::string recipe_of(const Fingerprint& fingerprint);

  // Into the store, or into the queue of a tier that is written behind. There an entry of a put
  // that gets lost on the way is kept in lost() until it is put again.
  Result<void> write(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                     const PutOptions& options, Origin origin);
  Result<bool> remove(const Fingerprint& fingerprint);

  // Writes what was queued before the call; takes the stripe of each entry.
  void drain(Stripes& stripes);

  Result<void> visit(const EntryVisitor& visitor);
  Result<PruneReport> clear(Stripes& stripes);

  std::vector<Fingerprint> lost() const;
  Durability durability() const;

 private:
  Result<void> write_now(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                         const PutOptions& options, Origin origin);
  void set_lost(const Fingerprint& fingerprint);
  void set_put_again(const Fingerprint& fingerprint);

  const Tier& tier_;
  const bool in_memory_;
  BehindQueue queue_;
  mutable std::mutex lost_mutex_;
  std::set<Fingerprint> lost_;
};

}  // namespace larder

#endif  // LARDER_STORE_LAYER_H_
