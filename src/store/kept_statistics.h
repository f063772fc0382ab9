// Statistics of a store that has no place to keep them: they live as long as the store does.
#ifndef LARDER_STORE_KEPT_STATISTICS_H_
#define LARDER_STORE_KEPT_STATISTICS_H_

#include <mutex>

#include "larder/metrics.h"

namespace larder {

// Any number of threads.
class KeptStatistics {
 public:
  void add(const Metrics& delta) noexcept {
    const std::scoped_lock lock(mutex_);
    sum_ += delta;
    sum_.bytes = 0;  // gauges say what is there now; a sum of them says nothing
    sum_.entries = 0;
  }

  Metrics get() const noexcept {
    const std::scoped_lock lock(mutex_);
    return sum_;
  }

  void reset() noexcept {
    const std::scoped_lock lock(mutex_);
    sum_ = {};
  }

 private:
  mutable std::mutex mutex_;
  Metrics sum_;
};

}  // namespace larder

#endif  // LARDER_STORE_KEPT_STATISTICS_H_
