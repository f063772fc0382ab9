#include "store/behind_queue.h"

namespace larder {
namespace {

// What the two maps spend on an entry, so that a million empty payloads fill the queue as well.
constexpr std::uint64_t bookkeeping_bytes = 256;

}  // namespace

std::uint64_t QueuedEntry::cost_bytes() const noexcept {
  return payload.size() + recipe.size() + bookkeeping_bytes;
}

bool BehindQueue::push(const Fingerprint& fingerprint, QueuedEntry entry) {
  const std::scoped_lock lock(mutex_);
  const auto existing = entries_.find(fingerprint);
  const std::uint64_t before = existing != entries_.end() ? existing->second.cost_bytes() : 0;
  const std::uint64_t after = entry.cost_bytes();
  if (after > capacity_bytes_ || used_bytes_ - before > capacity_bytes_ - after) return false;
  // The new place in the order first: it is the one step that may throw besides the entry's own.
  const auto place = order_.emplace(last_sequence_ + 1, fingerprint).first;
  entry.sequence = ++last_sequence_;
  if (existing != entries_.end()) {
    order_.erase(existing->second.sequence);
    existing->second = std::move(entry);
  } else {
    try {
      entries_.emplace(fingerprint, std::move(entry));
    } catch (...) {
      order_.erase(place);
      throw;
    }
  }
  used_bytes_ += after - before;
  return true;
}

std::optional<QueuedEntry> BehindQueue::find(const Fingerprint& fingerprint) const {
  const std::scoped_lock lock(mutex_);
  const auto place = entries_.find(fingerprint);
  if (place == entries_.end()) return std::nullopt;
  return place->second;
}

bool BehindQueue::drop(const Fingerprint& fingerprint) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto place = entries_.find(fingerprint);
  if (place == entries_.end()) return false;
  used_bytes_ -= place->second.cost_bytes();
  order_.erase(place->second.sequence);
  entries_.erase(place);
  return true;
}

std::optional<Fingerprint> BehindQueue::oldest(std::uint64_t last_sequence) const {
  const std::scoped_lock lock(mutex_);
  if (order_.empty() || order_.begin()->first > last_sequence) return std::nullopt;
  return order_.begin()->second;
}

std::uint64_t BehindQueue::last_sequence() const noexcept {
  const std::scoped_lock lock(mutex_);
  return last_sequence_;
}

std::vector<std::pair<Fingerprint, std::uint64_t>> BehindQueue::list() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::pair<Fingerprint, std::uint64_t>> listed;
  listed.reserve(entries_.size());
  for (const auto& [fingerprint, entry] : entries_) {
    listed.emplace_back(fingerprint, entry.payload.size());
  }
  return listed;
}

std::uint64_t BehindQueue::size() const noexcept {
  const std::scoped_lock lock(mutex_);
  return entries_.size();
}

}  // namespace larder
