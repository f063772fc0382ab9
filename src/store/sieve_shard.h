// One part of the memory store: a table of entries and their SIEVE queue, behind one mutex.
//
// SIEVE: new entries enter at the young end; a hit only sets the entry's visited bit; the hand
// walks from the old end to the young one, clears set bits and evicts the first entry whose bit is
// clear. (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024.)
//
// A hit is bound by cache misses: it touches one line of the table, one with fingerprint and
// artifact, and the artifact's own reference count. Everything else stands apart.
#ifndef LARDER_STORE_SIEVE_SHARD_H_
#define LARDER_STORE_SIEVE_SHARD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "larder/artifact.h"
#include "larder/fingerprint.h"
#include "larder/metrics.h"
#include "larder/store.h"
#include "store/number_table.h"
#include "store/secret_hash.h"

namespace larder {

// What all shards of a store hold together. Room is reserved before an entry enters and released
// after it left, so the capacity is never exceeded, not even for a moment.
class MemoryBudget {
 public:
  MemoryBudget(std::uint64_t capacity_bytes, std::uint64_t capacity_entries) noexcept
      : capacity_bytes_(capacity_bytes), capacity_entries_(capacity_entries) {}

  // nullopt when both fit and are reserved; else what ran out, and nothing is reserved.
  std::optional<EvictionReason> reserve(std::uint64_t bytes, std::uint64_t entries) noexcept;
  void release(std::uint64_t bytes, std::uint64_t entries) noexcept;

  std::uint64_t capacity_bytes() const noexcept { return capacity_bytes_; }
  std::uint64_t capacity_entries() const noexcept { return capacity_entries_; }
  std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
  std::uint64_t entries() const noexcept { return entries_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t capacity_bytes_;
  const std::uint64_t capacity_entries_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> entries_ = 0;
};

// The bytes of an entry; the recipe stands behind the payload in the same allocation.
struct MemoryEntry {
  Artifact payload;
  std::size_t recipe_bytes = 0;
  std::int64_t put_at_ns = 0;  // steady clock

  std::string_view recipe() const noexcept {
    return {reinterpret_cast<const char*>(payload.data()) + payload.size(), recipe_bytes};
  }
};

struct MemoryListing {
  Fingerprint fingerprint;
  std::uint64_t bytes = 0;
  std::int64_t put_at_ns = 0;
  bool visited = false;
};

enum class Touch { no, yes };

// Any number of threads. Entries that leave are handed to the caller, so that payloads are freed,
// and listeners called, with no lock held.
class SieveShard {
 public:
  struct Departed {
    Fingerprint fingerprint;
    MemoryEntry entry;
  };

  SieveShard(const SecretHash& hash, MemoryBudget& budget) : hash_(hash), budget_(budget) {}

  // Shares the payload and sets the visited bit; counted as a look-up.
  std::optional<Artifact> get(const Fingerprint& fingerprint) noexcept;

  // The entry, not counted.
  std::optional<MemoryEntry> peek(const Fingerprint& fingerprint, Touch touch) noexcept;

  // Inserts or replaces; `entry` is what was replaced afterwards. When there is no room nothing has
  // changed and the answer says what ran out: evict something and call again. Throws bad_alloc.
  std::optional<EvictionReason> put(const Fingerprint& fingerprint, MemoryEntry& entry);

  // Evicts what SIEVE chooses, but never `spared`, which is being replaced. nullopt: nothing to
  // evict.
  std::optional<Departed> evict_one(const Fingerprint& spared) noexcept;

  // Evicts this entry, unless it was replaced since it was listed.
  std::optional<Departed> evict(const MemoryListing& listed) noexcept;

  std::optional<Departed> remove(const Fingerprint& fingerprint) noexcept;

  void list(std::vector<MemoryListing>& into) const;

  void count(std::uint64_t Metrics::* counter) noexcept;
  Metrics metrics() const noexcept;

 private:
  using Number = std::uint32_t;  // of an entry, in each of the three lists
  static constexpr Number none = NumberTable::none;

  struct alignas(64) Node {
    Fingerprint fingerprint;
    Artifact payload;
  };
  static_assert(sizeof(Node) == 64, "one cache line");

  struct Place {
    std::int64_t put_at_ns = 0;
    std::uint32_t recipe_bytes = 0;
    Number younger = none;
    Number older = none;  // of a free number: the next free one
  };

  std::uint32_t hash_of(const Fingerprint& fingerprint) const noexcept {
    return static_cast<std::uint32_t>(hash_(fingerprint));
  }
  Number find(const Fingerprint& fingerprint) const noexcept;
  Number new_number();
  MemoryEntry entry_of(Number number) const noexcept;
  void enter(Number number, const Fingerprint& fingerprint, MemoryEntry& entry) noexcept;
  std::optional<EvictionReason> replace(Number number, MemoryEntry& entry) noexcept;
  Number next_for_hand(Number number) const noexcept;
  Departed take(Number number) noexcept;
  Departed take_evicted(Number number) noexcept;

  const SecretHash hash_;
  MemoryBudget& budget_;
  mutable std::mutex mutex_;
  NumberTable numbers_;
  std::vector<Node> nodes_;  // these three never shrink: a number is used again
  std::vector<Place> places_;
  std::vector<std::uint8_t> visited_;
  std::size_t size_ = 0;
  Number free_ = none;
  Number youngest_ = none;
  Number oldest_ = none;
  Number hand_ = none;  // none: at the old end
  Metrics counters_;
};

}  // namespace larder

#endif  // LARDER_STORE_SIEVE_SHARD_H_
