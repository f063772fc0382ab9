#include <limits>

#include "larder/remote.h"

namespace larder {
namespace {

constexpr std::array<RemoteMetricField, remote_metric_count> fields = {{
    {"lookups", &RemoteMetrics::lookups},
    {"hits", &RemoteMetrics::hits},
    {"absent", &RemoteMetrics::absent},
    {"corrupt", &RemoteMetrics::corrupt},
    {"errors", &RemoteMetrics::errors},
    {"timeouts", &RemoteMetrics::timeouts},
    {"skipped", &RemoteMetrics::skipped},
    {"uploads", &RemoteMetrics::uploads},
    {"uploads_unchanged", &RemoteMetrics::uploads_unchanged},
    {"upload_failures", &RemoteMetrics::upload_failures},
    {"uploads_skipped", &RemoteMetrics::uploads_skipped},
    {"retries", &RemoteMetrics::retries},
    {"breaker_openings", &RemoteMetrics::breaker_openings},
    {"bytes_in", &RemoteMetrics::bytes_in},
    {"bytes_out", &RemoteMetrics::bytes_out},
    {"other_key", &RemoteMetrics::other_key},
}};
static_assert(sizeof(RemoteMetrics) == remote_metric_count * sizeof(std::uint64_t),
              "every member of RemoteMetrics is listed");

}  // namespace

const std::array<RemoteMetricField, remote_metric_count>& remote_metric_fields() noexcept {
  return fields;
}

bool RemoteMetrics::balanced() const noexcept {
  return lookups == hits + absent + corrupt + errors + timeouts + skipped;
}

RemoteMetrics& RemoteMetrics::operator+=(const RemoteMetrics& other) noexcept {
  constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
  for (const RemoteMetricField& field : fields) {
    std::uint64_t& sum = this->*field.member;
    sum = sum > largest - other.*field.member ? largest : sum + other.*field.member;
  }
  return *this;
}

RemoteMetrics RemoteMetrics::since(const RemoteMetrics& earlier) const noexcept {
  RemoteMetrics difference;
  for (const RemoteMetricField& field : fields) {
    const std::uint64_t now = this->*field.member;
    difference.*field.member = now - (now < earlier.*field.member ? now : earlier.*field.member);
  }
  return difference;
}

}  // namespace larder
