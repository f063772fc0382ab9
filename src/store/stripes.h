// What the layered store keeps per group of fingerprints: order among writers, and look-up
// counters.
#ifndef LARDER_STORE_STRIPES_H_
#define LARDER_STORE_STRIPES_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

#include "larder/fingerprint.h"
#include "larder/metrics.h"

namespace larder {

// On its own cache line, so that threads with different fingerprints do not slow each other down.
struct alignas(64) Stripe {
  // Held by whoever writes to several tiers, so that all tiers get the writes in the same order.
  std::mutex mutex;
  std::atomic<std::thread::id> owner = {};  // of the mutex

  // Raised when a write ends. Who read before it must not write what it read (promotion).
  std::atomic<std::uint64_t> version = 0;

  std::atomic<std::uint64_t> hits = 0, hit_bytes = 0;
  std::atomic<std::uint64_t> absent = 0, corrupt = 0, io_errors = 0, skipped = 0;
};

class Stripes {
 public:
  // Callers may choose fingerprints that meet in one stripe; all they win is to wait for each
  // other.
  Stripe& of(const Fingerprint& fingerprint) noexcept {
    return stripes_[fingerprint.bytes[0] % stripes_.size()];
  }

  // A tier calls listeners while it is written to, and they may call the layered store. A thread
  // that has a stripe must not wait for another one, or for its own.
  bool held_by_this_thread() const noexcept {
    const auto self = std::this_thread::get_id();
    return std::ranges::any_of(stripes_, [self](const Stripe& stripe) {
      return stripe.owner.load(std::memory_order_relaxed) == self;
    });
  }

  auto begin() noexcept { return stripes_.begin(); }
  auto end() noexcept { return stripes_.end(); }

  // Look-ups and their outcomes; always balanced, for a look-up is counted by its outcome alone.
  Metrics lookups() const noexcept {
    Metrics sum;
    for (const Stripe& stripe : stripes_) {
      sum.hits += stripe.hits.load(std::memory_order_relaxed);
      sum.hit_bytes += stripe.hit_bytes.load(std::memory_order_relaxed);
      sum.absent += stripe.absent.load(std::memory_order_relaxed);
      sum.corrupt += stripe.corrupt.load(std::memory_order_relaxed);
      sum.io_errors += stripe.io_errors.load(std::memory_order_relaxed);
      sum.skipped += stripe.skipped.load(std::memory_order_relaxed);
    }
    sum.lookups = sum.hits + sum.absent + sum.corrupt + sum.io_errors + sum.skipped;
    return sum;
  }

 private:
  std::array<Stripe, 64> stripes_;
};

// The right to write to all tiers under the fingerprints of one stripe. Raises the version at its
// end. Within another write of the same thread it does not lock, and only raises the version.
class StripeWrite {
 public:
  StripeWrite(Stripes& stripes, Stripe& stripe)
      : stripe_(stripe), lock_(stripe.mutex, std::defer_lock) {
    if (stripes.held_by_this_thread()) return;
    lock_.lock();
    stripe_.owner.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  StripeWrite(Stripes& stripes, const Fingerprint& fingerprint)
      : StripeWrite(stripes, stripes.of(fingerprint)) {}
  StripeWrite(const StripeWrite&) = delete;
  StripeWrite& operator=(const StripeWrite&) = delete;

  ~StripeWrite() {
    stripe_.version.fetch_add(1, std::memory_order_release);
    if (lock_) stripe_.owner.store({}, std::memory_order_relaxed);
  }

 private:
  Stripe& stripe_;
  std::unique_lock<std::mutex> lock_;
};

// Returns when every write that runs now has ended; ends the right to promote what was read before.
inline void wait_for_writes(Stripes& stripes) {
  for (Stripe& stripe : stripes) const StripeWrite ended(stripes, stripe);
}

// The right to promote under a fingerprint: gives up instead of waiting, or when a write has ended
// since the version was read. A promotion changes no bytes, so it leaves the version alone.
class StripePromotion {
 public:
  StripePromotion(Stripes& stripes, const Fingerprint& fingerprint, std::uint64_t version)
      : stripe_(stripes.of(fingerprint)), lock_(stripe_.mutex, std::defer_lock) {
    if (stripes.held_by_this_thread() || !lock_.try_lock()) return;
    stripe_.owner.store(std::this_thread::get_id(), std::memory_order_relaxed);
    allowed_ = stripe_.version.load(std::memory_order_relaxed) == version;
  }
  StripePromotion(const StripePromotion&) = delete;
  StripePromotion& operator=(const StripePromotion&) = delete;

  ~StripePromotion() {
    if (lock_) stripe_.owner.store({}, std::memory_order_relaxed);
  }

  bool allowed() const noexcept { return allowed_; }

 private:
  Stripe& stripe_;
  std::unique_lock<std::mutex> lock_;
  bool allowed_ = false;
};

}  // namespace larder

#endif  // LARDER_STORE_STRIPES_H_
