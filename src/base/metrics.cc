#include "larder/metrics.h"

#include <algorithm>
#include <limits>

namespace larder {
namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

constexpr std::uint64_t add_saturating(std::uint64_t a, std::uint64_t b) noexcept {
  return a > largest - b ? largest : a + b;
}

constexpr std::array<MetricField, metric_field_count> fields = {{
    {"lookups", &Metrics::lookups, false},
    {"hits", &Metrics::hits, false},
    {"absent", &Metrics::absent, false},
    {"corrupt", &Metrics::corrupt, false},
    {"io_errors", &Metrics::io_errors, false},
    {"skipped", &Metrics::skipped, false},
    {"hit_bytes", &Metrics::hit_bytes, false},
    {"puts", &Metrics::puts, false},
    {"puts_unchanged", &Metrics::puts_unchanged, false},
    {"put_bytes", &Metrics::put_bytes, false},
    {"rejected_too_large", &Metrics::rejected_too_large, false},
    {"rejected_no_space", &Metrics::rejected_no_space, false},
    {"rejected_not_ours", &Metrics::rejected_not_ours, false},
    {"rejected_read_only", &Metrics::rejected_read_only, false},
    {"rejected_io", &Metrics::rejected_io, false},
    {"removals", &Metrics::removals, false},
    {"evictions", &Metrics::evictions, false},
    {"evicted_bytes", &Metrics::evicted_bytes, false},
    {"flushes", &Metrics::flushes, false},
    {"flush_errors", &Metrics::flush_errors, false},
    {"compiles", &Metrics::compiles, false},
    {"compile_failures", &Metrics::compile_failures, false},
    {"compile_waits", &Metrics::compile_waits, false},
    {"promotions", &Metrics::promotions, false},
    {"bytes", &Metrics::bytes, true},
    {"entries", &Metrics::entries, true},
}};
static_assert(sizeof(Metrics) == metric_field_count * sizeof(std::uint64_t),
              "every member of Metrics is listed");

}  // namespace

bool Metrics::balanced() const noexcept {
  const std::uint64_t outcomes[] = {hits, absent, corrupt, io_errors, skipped};
  std::uint64_t sum = 0;
  for (const std::uint64_t outcome : outcomes) sum = add_saturating(sum, outcome);
  return sum == lookups;
}

std::uint64_t Metrics::hit_rate_ppm() const noexcept {
  constexpr std::uint64_t million = 1'000'000;
  if (lookups == 0) return 0;
  if (hits >= lookups) return million;
  if (hits <= largest / million) return hits * million / lookups;
  // hits < lookups, both huge: dividing first loses less than one part in 10^7.
  return std::min(million, hits / (lookups / million));
}

Metrics& Metrics::operator+=(const Metrics& other) noexcept {
  for (const MetricField& field : fields) {
    this->*field.member = add_saturating(this->*field.member, other.*field.member);
  }
  return *this;
}

Metrics Metrics::since(const Metrics& earlier) const noexcept {
  Metrics delta = *this;
  for (const MetricField& field : fields) {
    if (field.gauge) continue;
    const std::uint64_t before = earlier.*field.member;
    delta.*field.member = this->*field.member > before ? this->*field.member - before : 0;
  }
  return delta;
}

const std::array<MetricField, metric_field_count>& metric_fields() noexcept { return fields; }

}  // namespace larder
