// State that a forked child must not share with its parent: mutexes that another thread may have
// held at the fork, descriptors whose locks are the parent's, work that the parent will finish
// itself.
#ifndef LARDER_OS_FORK_AWARE_H_
#define LARDER_OS_FORK_AWARE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "os/fork_guard.h"

namespace larder::os {

// Holds a T, and makes a new one at the first use in a forked child. The parent's copy is abandoned
// as it stands: not even freeing it would be safe. Any thread may call get(). `make` may throw, and
// then get() does.
template <class T>
class ForkAware {
 public:
  using Make = std::function<std::unique_ptr<T>()>;

  explicit ForkAware(Make make) : make_(std::move(make)), value_(make_().release()) {}
  ForkAware(const ForkAware&) = delete;
  ForkAware& operator=(const ForkAware&) = delete;
  ~ForkAware() {
    if (!guard_.forked()) delete value_.load();
  }

  T& get() const {
    if (guard_.forked()) adopt();
    return *value_.load(std::memory_order_acquire);
  }

  // Whether the value is a parent's, which this process has not replaced yet.
  bool forked() const noexcept { return guard_.forked(); }

 private:
  // A child starts with one thread, but may start others before they all come here. Who adopts is
  // told by his process: a mark that a parent left at its own fork binds nobody here.
  void adopt() const {
    const long self = current_process();
    long seen = adopter_.load(std::memory_order_relaxed);
    while (seen == self || !adopter_.compare_exchange_weak(seen, self, std::memory_order_acquire)) {
      std::this_thread::yield();
      seen = adopter_.load(std::memory_order_relaxed);
    }
    struct Done {
      std::atomic<long>& mark;
      ~Done() { mark.store(0, std::memory_order_release); }
    } const done{adopter_};
    if (!guard_.forked()) return;
    value_.store(make_().release(), std::memory_order_release);
    guard_.adopt();
  }

  const Make make_;
  mutable ForkGuard guard_;
  mutable std::atomic<long> adopter_ = 0;  // a process, 0: nobody
  mutable std::atomic<T*> value_;
};

}  // namespace larder::os

#endif  // LARDER_OS_FORK_AWARE_H_
