#include "store/sieve_shard.h"

#include <utility>

namespace larder {
namespace {

bool add_within(std::atomic<std::uint64_t>& used, std::uint64_t amount,
                std::uint64_t capacity) noexcept {
  std::uint64_t now = used.load(std::memory_order_relaxed);
  do {
    if (amount > capacity - now) return false;  // `now` never exceeds the capacity
  } while (!used.compare_exchange_weak(now, now + amount, std::memory_order_relaxed));
  return true;
}

}  // namespace

std::optional<EvictionReason> MemoryBudget::reserve(std::uint64_t bytes,
                                                    std::uint64_t entries) noexcept {
  if (!add_within(entries_, entries, capacity_entries_)) return EvictionReason::entries;
  if (add_within(bytes_, bytes, capacity_bytes_)) return std::nullopt;
  entries_.fetch_sub(entries, std::memory_order_relaxed);
  return EvictionReason::bytes;
}

void MemoryBudget::release(std::uint64_t bytes, std::uint64_t entries) noexcept {
  bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  entries_.fetch_sub(entries, std::memory_order_relaxed);
}

std::optional<Artifact> SieveShard::get(const Fingerprint& fingerprint) noexcept {
  const std::scoped_lock lock(mutex_);
  ++counters_.lookups;
  const auto place = entries_.find(fingerprint);
  if (place == entries_.end()) {
    ++counters_.absent;
    return std::nullopt;
  }
  Node& node = place->second;
  node.visited = true;
  ++counters_.hits;
  counters_.hit_bytes += node.entry.payload.size();
  return node.entry.payload;
}

std::optional<MemoryEntry> SieveShard::peek(const Fingerprint& fingerprint, Touch touch) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto place = entries_.find(fingerprint);
  if (place == entries_.end()) return std::nullopt;
  if (touch == Touch::yes) place->second.visited = true;
  return place->second.entry;
}

std::optional<EvictionReason> SieveShard::put(const Fingerprint& fingerprint, MemoryEntry& entry) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t bytes = entry.payload.size();
  const auto existing = entries_.find(fingerprint);
  if (existing != entries_.end()) return replace(existing->second, entry);
  if (const auto lacking = budget_.reserve(bytes, 1)) return lacking;
  try {
    const auto place = entries_.try_emplace(fingerprint).first;
    Node& node = place->second;
    node.entry = std::exchange(entry, {});
    node.fingerprint = &place->first;
    node.older = youngest_;
    (youngest_ != nullptr ? youngest_->younger : oldest_) = &node;
    youngest_ = &node;
  } catch (...) {
    budget_.release(bytes, 1);
    throw;
  }
  ++counters_.puts;
  counters_.put_bytes += bytes;
  return std::nullopt;
}

std::optional<EvictionReason> SieveShard::replace(Node& node, MemoryEntry& entry) noexcept {
  const std::uint64_t before = node.entry.payload.size();
  const std::uint64_t after = entry.payload.size();
  if (after > before) {
    if (const auto lacking = budget_.reserve(after - before, 0)) return lacking;
  } else {
    budget_.release(before - after, 0);
  }
  std::swap(node.entry, entry);
  node.visited = true;
  ++counters_.puts;
  counters_.put_bytes += after;
  return std::nullopt;
}

SieveShard::Node* SieveShard::next_for_hand(const Node* node) const noexcept {
  return node->younger != nullptr ? node->younger : oldest_;
}

std::optional<SieveShard::Departed> SieveShard::evict_one(const Fingerprint& spared) noexcept {
  const std::scoped_lock lock(mutex_);
  if (entries_.empty() || (entries_.size() == 1 && *oldest_->fingerprint == spared)) {
    return std::nullopt;
  }
  // Ends in the second round at the latest: the first one clears every bit.
  Node* node = hand_ != nullptr ? hand_ : oldest_;
  while (node->visited || *node->fingerprint == spared) {
    node->visited = false;
    node = next_for_hand(node);
  }
  hand_ = node;
  return take_evicted(entries_.find(*node->fingerprint));
}

std::optional<SieveShard::Departed> SieveShard::evict(const MemoryListing& listed) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto place = entries_.find(listed.fingerprint);
  if (place == entries_.end() || place->second.entry.put_at_ns != listed.put_at_ns) {
    return std::nullopt;
  }
  return take_evicted(place);
}

std::optional<SieveShard::Departed> SieveShard::remove(const Fingerprint& fingerprint) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto place = entries_.find(fingerprint);
  if (place == entries_.end()) return std::nullopt;
  ++counters_.removals;
  return take(place);
}

SieveShard::Departed SieveShard::take_evicted(Table::iterator place) noexcept {
  ++counters_.evictions;
  counters_.evicted_bytes += place->second.entry.payload.size();
  return take(place);
}

SieveShard::Departed SieveShard::take(Table::iterator place) noexcept {
  Node& node = place->second;
  if (hand_ == &node) hand_ = node.younger;
  (node.younger != nullptr ? node.younger->older : youngest_) = node.older;
  (node.older != nullptr ? node.older->younger : oldest_) = node.younger;
  Departed departed{place->first, std::move(node.entry)};
  entries_.erase(place);
  budget_.release(departed.entry.payload.size(), 1);
  return departed;
}

void SieveShard::list(std::vector<MemoryListing>& into) const {
  const std::scoped_lock lock(mutex_);
  into.reserve(into.size() + entries_.size());
  for (const auto& [fingerprint, node] : entries_) {
    into.push_back({fingerprint, node.entry.payload.size(), node.entry.put_at_ns, node.visited});
  }
}

void SieveShard::count(std::uint64_t Metrics::* counter) noexcept {
  const std::scoped_lock lock(mutex_);
  ++(counters_.*counter);
}

Metrics SieveShard::metrics() const noexcept {
  const std::scoped_lock lock(mutex_);
  return counters_;
}

}  // namespace larder
