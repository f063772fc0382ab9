#include "larder/metrics.h"

#include <gtest/gtest.h>

#include <limits>

namespace larder {
namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

TEST(Metrics, EachLookupHasOneOutcome) {
  Metrics metrics{.lookups = 5, .hits = 1, .absent = 1, .corrupt = 1, .io_errors = 1, .skipped = 1};
  EXPECT_TRUE(metrics.balanced());
  ++metrics.hits;
  EXPECT_FALSE(metrics.balanced());
}

TEST(Metrics, HitRateIsExactForSmallNumbersAndDoesNotOverflow) {
  EXPECT_EQ(Metrics{}.hit_rate_ppm(), 0u);
  EXPECT_EQ((Metrics{.lookups = 3, .hits = 1}.hit_rate_ppm()), 333'333u);
  EXPECT_EQ((Metrics{.lookups = 7, .hits = 7}.hit_rate_ppm()), 1'000'000u);
  EXPECT_EQ((Metrics{.lookups = largest, .hits = largest}.hit_rate_ppm()), 1'000'000u);
  EXPECT_EQ((Metrics{.lookups = largest, .hits = largest - 1}.hit_rate_ppm()), 1'000'000u);
  EXPECT_EQ((Metrics{.lookups = largest, .hits = largest / 2}.hit_rate_ppm()), 500'000u);
}

TEST(Metrics, SumsSaturate) {
  Metrics sum{.lookups = largest - 1, .hits = 2};
  sum += Metrics{.lookups = 5, .hits = 3};
  EXPECT_EQ(sum.lookups, largest);
  EXPECT_EQ(sum.hits, 5u);
}

TEST(Metrics, SinceSubtractsCountersAndKeepsGauges) {
  const Metrics now{.lookups = 10, .puts = 1, .bytes = 100};
  const Metrics delta = now.since(Metrics{.lookups = 4, .puts = 3, .bytes = 40});
  EXPECT_EQ(delta.lookups, 6u);
  EXPECT_EQ(delta.puts, 0u);
  EXPECT_EQ(delta.bytes, 100u);
}

TEST(Metrics, EveryFieldIsListedOnce) {
  Metrics metrics;
  for (const MetricField& field : metric_fields()) {
    EXPECT_EQ(metrics.*field.member, 0u) << field.name;
    metrics.*field.member = 1;
  }
}

}  // namespace
}  // namespace larder
