#include "store/sieve_shard.h"

#include <new>
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

SieveShard::Number SieveShard::find(const Fingerprint& fingerprint) const noexcept {
  return numbers_.find(hash_of(fingerprint),
                       [&](Number number) { return nodes_[number].fingerprint == fingerprint; });
}

std::optional<Artifact> SieveShard::get(const Fingerprint& fingerprint) noexcept {
  const std::scoped_lock lock(mutex_);
  ++counters_.lookups;
  const Number number = find(fingerprint);
  if (number == none) {
    ++counters_.absent;
    return std::nullopt;
  }
  visited_[number] = 1;
  ++counters_.hits;
  const Artifact& payload = nodes_[number].payload;
  counters_.hit_bytes += payload.size();
  return payload;
}

MemoryEntry SieveShard::entry_of(Number number) const noexcept {
  const Place& place = places_[number];
  return {.payload = nodes_[number].payload,
          .recipe_bytes = place.recipe_bytes,
          .put_at_ns = place.put_at_ns};
}

std::optional<MemoryEntry> SieveShard::peek(const Fingerprint& fingerprint, Touch touch) noexcept {
  const std::scoped_lock lock(mutex_);
  const Number number = find(fingerprint);
  if (number == none) return std::nullopt;
  if (touch == Touch::yes) visited_[number] = 1;
  return entry_of(number);
}

// A free one, or one more in all three lists. Throws bad_alloc.
SieveShard::Number SieveShard::new_number() {
  if (free_ != none) return free_;
  const std::size_t number = nodes_.size();
  if (number == none) throw std::bad_alloc();
  places_.resize(number + 1);
  visited_.resize(number + 1);
  nodes_.emplace_back();  // last: their number is that of all
  free_ = static_cast<Number>(number);
  return free_;
}

void SieveShard::enter(Number number, const Fingerprint& fingerprint, MemoryEntry& entry) noexcept {
  Place& place = places_[number];
  free_ = place.older;
  place = {.put_at_ns = entry.put_at_ns,
           .recipe_bytes = static_cast<std::uint32_t>(entry.recipe_bytes),
           .older = youngest_};
  nodes_[number] = {.fingerprint = fingerprint, .payload = std::exchange(entry, {}).payload};
  visited_[number] = 0;
  (youngest_ != none ? places_[youngest_].younger : oldest_) = number;
  youngest_ = number;
  numbers_.insert(hash_of(fingerprint), number);
  ++size_;
}

std::optional<EvictionReason> SieveShard::put(const Fingerprint& fingerprint, MemoryEntry& entry) {
  const std::scoped_lock lock(mutex_);
  const std::uint64_t bytes = entry.payload.size();
  const Number existing = find(fingerprint);
  if (existing != none) return replace(existing, entry);
  if (const auto lacking = budget_.reserve(bytes, 1)) return lacking;
  try {
    numbers_.make_room();
    enter(new_number(), fingerprint, entry);
  } catch (...) {
    budget_.release(bytes, 1);
    throw;
  }
  ++counters_.puts;
  counters_.put_bytes += bytes;
  return std::nullopt;
}

std::optional<EvictionReason> SieveShard::replace(Number number, MemoryEntry& entry) noexcept {
  const std::uint64_t before = nodes_[number].payload.size();
  const std::uint64_t after = entry.payload.size();
  if (after > before) {
    if (const auto lacking = budget_.reserve(after - before, 0)) return lacking;
  } else {
    budget_.release(before - after, 0);
  }
  MemoryEntry replaced = entry_of(number);
  places_[number].put_at_ns = entry.put_at_ns;
  places_[number].recipe_bytes = static_cast<std::uint32_t>(entry.recipe_bytes);
  nodes_[number].payload = std::exchange(entry, std::move(replaced)).payload;
  visited_[number] = 1;
  ++counters_.puts;
  counters_.put_bytes += after;
  return std::nullopt;
}

SieveShard::Number SieveShard::next_for_hand(Number number) const noexcept {
  const Number younger = places_[number].younger;
  return younger != none ? younger : oldest_;
}

std::optional<SieveShard::Departed> SieveShard::evict_one(const Fingerprint& spared) noexcept {
  const std::scoped_lock lock(mutex_);
  if (size_ == 0 || (size_ == 1 && nodes_[oldest_].fingerprint == spared)) return std::nullopt;
  // Ends in the second round at the latest: the first one clears every bit.
  Number number = hand_ != none ? hand_ : oldest_;
  while (visited_[number] != 0 || nodes_[number].fingerprint == spared) {
    visited_[number] = 0;
    number = next_for_hand(number);
  }
  hand_ = number;
  return take_evicted(number);
}

std::optional<SieveShard::Departed> SieveShard::evict(const MemoryListing& listed) noexcept {
  const std::scoped_lock lock(mutex_);
  const Number number = find(listed.fingerprint);
  if (number == none || places_[number].put_at_ns != listed.put_at_ns) return std::nullopt;
  return take_evicted(number);
}

std::optional<SieveShard::Departed> SieveShard::remove(const Fingerprint& fingerprint) noexcept {
  const std::scoped_lock lock(mutex_);
  const Number number = find(fingerprint);
  if (number == none) return std::nullopt;
  ++counters_.removals;
  return take(number);
}

SieveShard::Departed SieveShard::take_evicted(Number number) noexcept {
  ++counters_.evictions;
  counters_.evicted_bytes += nodes_[number].payload.size();
  return take(number);
}

SieveShard::Departed SieveShard::take(Number number) noexcept {
  Place& place = places_[number];
  if (hand_ == number) hand_ = place.younger;
  (place.younger != none ? places_[place.younger].older : youngest_) = place.older;
  (place.older != none ? places_[place.older].younger : oldest_) = place.younger;
  Departed departed{nodes_[number].fingerprint, entry_of(number)};
  numbers_.erase(hash_of(departed.fingerprint), number);
  nodes_[number] = {};
  place = {.older = free_};
  free_ = number;
  --size_;
  budget_.release(departed.entry.payload.size(), 1);
  return departed;
}

void SieveShard::list(std::vector<MemoryListing>& into) const {
  const std::scoped_lock lock(mutex_);
  into.reserve(into.size() + size_);
  for (Number number = oldest_; number != none; number = places_[number].younger) {
    into.push_back({nodes_[number].fingerprint, nodes_[number].payload.size(),
                    places_[number].put_at_ns, visited_[number] != 0});
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
