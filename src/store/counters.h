// Metrics that threads may count at the same time.
#ifndef LARDER_STORE_COUNTERS_H_
#define LARDER_STORE_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "larder/error.h"
#include "larder/metrics.h"

namespace larder {

class Counters {
 public:
  void add(std::uint64_t Metrics::* member, std::uint64_t amount = 1) noexcept {
    values_[index_of(member)].fetch_add(amount, std::memory_order_relaxed);
  }

  // One look-up by its outcome, which is what a store's get says of it.
  void count_lookup(std::uint64_t Metrics::* outcome) noexcept { add(outcome); }

  Metrics snapshot() const noexcept {
    Metrics metrics;
    const auto& fields = metric_fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      metrics.*fields[i].member = values_[i].load(std::memory_order_relaxed);
    }
    // Not counted: a look-up that is served from memory has no time for a second counter.
    metrics.lookups =
        metrics.hits + metrics.absent + metrics.corrupt + metrics.io_errors + metrics.skipped;
    return metrics;
  }

 private:
  // The address of a member tells its index: Metrics is an array of counters with names.
  static std::size_t index_of(std::uint64_t Metrics::* member) noexcept {
    static constexpr Metrics origin{};
    return static_cast<std::size_t>(&(origin.*member) - &origin.lookups);
  }

  std::array<std::atomic<std::uint64_t>, metric_field_count> values_{};
};

// Which outcome a failed look-up is.
inline std::uint64_t Metrics::* lookup_outcome(Errc code) noexcept {
  switch (code) {
    case Errc::corrupt: return &Metrics::corrupt;
    case Errc::not_ours:
    case Errc::too_large: return &Metrics::skipped;
    default: return &Metrics::io_errors;
  }
}

// Which rejection a failed put is.
inline std::uint64_t Metrics::* put_rejection(Errc code) noexcept {
  switch (code) {
    case Errc::too_large: return &Metrics::rejected_too_large;
    case Errc::no_space: return &Metrics::rejected_no_space;
    case Errc::not_ours: return &Metrics::rejected_not_ours;
    case Errc::read_only: return &Metrics::rejected_read_only;
    default: return &Metrics::rejected_io;
  }
}

}  // namespace larder

#endif  // LARDER_STORE_COUNTERS_H_
