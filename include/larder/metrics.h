// What a store or a cache counted. Snapshots; adding them up saturates.
#ifndef LARDER_METRICS_H_
#define LARDER_METRICS_H_

#include <array>
#include <cstdint>
#include <string_view>

#include "larder/export.h"

namespace larder LARDER_PUBLIC {

struct Metrics {
  // Each look-up ends in exactly one of the five outcomes below it.
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;       // verified bytes were returned
  std::uint64_t absent = 0;     // no entry of that fingerprint
  std::uint64_t corrupt = 0;    // an entry that failed verification
  std::uint64_t io_errors = 0;  // the system failed: whether there is an entry is not known
  // Not read: no regular file, foreign, oversized, larger than the buffer of get_into, or the mode
  // says so.
  std::uint64_t skipped = 0;

  std::uint64_t hit_bytes = 0;

  std::uint64_t puts = 0;            // entries written
  std::uint64_t puts_unchanged = 0;  // the same bytes were there, verified: nothing written
  std::uint64_t put_bytes = 0;
  std::uint64_t rejected_too_large = 0;
  std::uint64_t rejected_no_space = 0;
  std::uint64_t rejected_not_ours = 0;
  std::uint64_t rejected_read_only = 0;
  std::uint64_t rejected_io = 0;  // every other refused put

  std::uint64_t removals = 0;  // by remove(), and damaged entries taken away
  std::uint64_t evictions = 0;
  std::uint64_t evicted_bytes = 0;

  std::uint64_t flushes = 0;
  std::uint64_t flush_errors = 0;

  std::uint64_t compiles = 0;  // runs of the caller's compiler
  std::uint64_t compile_failures = 0;
  std::uint64_t compile_waits = 0;  // callers that got another caller's result
  std::uint64_t promotions = 0;     // hits copied into a faster tier

  // Gauges, not counters: what the store holds now, as far as it knows.
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;

  // Whether every look-up has its outcome. Exact when no call is running.
  bool balanced() const noexcept;

  // Hits per million look-ups; 0 without look-ups. Cannot overflow.
  std::uint64_t hit_rate_ppm() const noexcept;

  // Field by field, saturating at the largest value.
  Metrics& operator+=(const Metrics& other) noexcept;

  // Field by field, not below zero: the counters since `earlier`. Gauges keep their present value.
  Metrics since(const Metrics& earlier) const noexcept;

  friend bool operator==(const Metrics&, const Metrics&) = default;
};

struct MetricField {
  std::string_view name;
  std::uint64_t Metrics::* member;
  bool gauge;
};

// Every field, in the order they are declared. The order is part of the counters kept on disk: new
// ones go at the end of the counters' list in docs/FORMAT.md.
inline constexpr std::size_t metric_field_count = 26;
const std::array<MetricField, metric_field_count>& metric_fields() noexcept;

}  // namespace larder

#endif  // LARDER_METRICS_H_
