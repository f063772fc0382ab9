// What visit, prune, clear, flush, leases, statistics and metrics promise, for one caller.
#include <set>

#include "tests/contract/store_contract.h"

namespace larder {
namespace {

class UpkeepContract : public StoreContract {
 protected:
  std::multiset<Fingerprint> visited() {
    std::multiset<Fingerprint> seen;
    const auto done = store_->visit([&](const EntryInfo& entry) {
      seen.insert(entry.fingerprint);
      return Visit::go_on;
    });
    EXPECT_TRUE(done);
    return seen;
  }
};

TEST_P(UpkeepContract, VisitSeesEachEntryOnce) {
  EXPECT_TRUE(visited().empty());
  for (std::uint32_t i = 0; i < 100; ++i) put(numbered(i), payload_of(i, 1));
  std::set<Fingerprint> expected;
  for (std::uint32_t i = 0; i < 100; ++i) expected.insert(numbered(i));
  const auto seen = visited();
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(std::set(seen.begin(), seen.end()), expected);
}

TEST_P(UpkeepContract, VisitTellsTheSizeOfThePayload) {
  put(numbered(1), payload_of(12'345, 1));
  std::uint64_t bytes = 0;
  EXPECT_TRUE(store_->visit([&](const EntryInfo& entry) {
    bytes = entry.payload_bytes;
    return Visit::go_on;
  }));
  EXPECT_EQ(bytes, 12'345u);
}

TEST_P(UpkeepContract, VisitStopsWhenToldTo) {
  for (std::uint32_t i = 0; i < 5; ++i) put(numbered(i), "x");
  int calls = 0;
  EXPECT_TRUE(store_->visit([&](const EntryInfo&) {
    ++calls;
    return Visit::stop;
  }));
  EXPECT_EQ(calls, 1);
}

TEST_P(UpkeepContract, WhatIsWholeHasNoStrays) {
  for (std::uint32_t i = 0; i < 20; ++i) put(numbered(i), payload_of(i, 1));
  const auto never = [](const Stray& stray) {
    ADD_FAILURE() << stray.location << ": " << stray.message;
    return Visit::go_on;
  };
  EXPECT_TRUE(store_->visit_strays(never));
  EXPECT_TRUE(store_->visit_strays(never, Repair::yes));
  EXPECT_EQ(visited().size(), 20u);
}

TEST_P(UpkeepContract, TheVisitorMayCallTheStore) {
  for (std::uint32_t i = 0; i < 20; ++i) put(numbered(i), "x");
  EXPECT_TRUE(store_->visit([&](const EntryInfo& entry) {
    EXPECT_EQ(text_of(entry.fingerprint), "x");
    EXPECT_EQ(store_->remove(entry.fingerprint), true);
    return Visit::go_on;
  }));
  EXPECT_TRUE(visited().empty());
}

TEST_P(UpkeepContract, VisitsDoNotCountAsLookUps) {
  put(numbered(1), "x");
  const Metrics before = store_->metrics();
  EXPECT_EQ(visited().size(), 1u);
  EXPECT_EQ(store_->metrics().lookups, before.lookups);
}

TEST_P(UpkeepContract, ADryRunOfClearingByPruneTouchesNothing) {
  for (std::uint32_t i = 0; i < 10; ++i) put(numbered(i), payload_of(1000, 1));
  EXPECT_TRUE(store_->flush());
  const auto report = store_->prune({.max_entries = 0}, DryRun::yes);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GE(report->evicted_entries, 10u);
  EXPECT_GE(report->evicted_bytes, 10'000u);
  EXPECT_EQ(report->kept_entries, 0u);
  EXPECT_EQ(visited().size(), 10u);
  EXPECT_EQ(store_->metrics().evictions, 0u);
}

TEST_P(UpkeepContract, AnUnsetOrRoomyBudgetEvictsNothing) {
  for (std::uint32_t i = 0; i < 10; ++i) put(numbered(i), "x");
  EXPECT_TRUE(store_->flush());
  for (const Budget& budget : {Budget{}, Budget{.max_bytes = 1u << 30, .max_entries = 10}}) {
    const auto report = store_->prune(budget);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->evicted_entries, 0u);
    EXPECT_GE(report->kept_entries, 10u);
  }
  EXPECT_EQ(visited().size(), 10u);
}

TEST_P(UpkeepContract, ClearEvictsEverything) {
  for (std::uint32_t i = 0; i < 10; ++i) put(numbered(i), payload_of(1000, 1));
  const auto report = store_->clear();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GE(report->evicted_entries, 10u);
  EXPECT_EQ(report->kept_entries, 0u);
  EXPECT_TRUE(visited().empty());
  EXPECT_EQ(text_of(numbered(3)), "absent");
  put(numbered(3), "again");
  EXPECT_EQ(text_of(numbered(3)), "again");
}

TEST_P(UpkeepContract, AfterAFlushEverythingIsDurable) {
  put(numbered(1), "x");
  const auto flushed = store_->flush();
  ASSERT_TRUE(flushed) << flushed.error().message;
  const Durability durability = store_->durability();
  EXPECT_EQ(durability.pending, 0u);
  EXPECT_EQ(durability.lost, 0u);
  EXPECT_TRUE(durability.durable);
  EXPECT_GE(store_->metrics().flushes, 1u);
  EXPECT_EQ(store_->metrics().flush_errors, 0u);
  EXPECT_EQ(text_of(numbered(1)), "x");
}

TEST_P(UpkeepContract, ALeaseHasOneHolder) {
  auto first = store_->try_lease(numbered(1));
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_NE(*first, nullptr);
  auto second = store_->try_lease(numbered(1));
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, nullptr);

  auto other = store_->try_lease(numbered(2));
  ASSERT_TRUE(other);
  EXPECT_NE(*other, nullptr);

  first->reset();
  auto third = store_->try_lease(numbered(1));
  ASSERT_TRUE(third);
  EXPECT_NE(*third, nullptr);
}

TEST_P(UpkeepContract, ALeaseDoesNotAffectGetAndPut) {
  const auto lease = store_->try_lease(numbered(1));
  ASSERT_TRUE(lease);
  put(numbered(1), "x");
  EXPECT_EQ(text_of(numbered(1)), "x");
  EXPECT_EQ(store_->remove(numbered(1)), true);
}

TEST_P(UpkeepContract, ALeaseMayOutliveItsStore) {
  auto lease = store_->try_lease(numbered(1));
  ASSERT_TRUE(lease && *lease);
  store_.reset();
  lease->reset();
  reopen();
  auto again = store_->try_lease(numbered(1));
  ASSERT_TRUE(again);
  EXPECT_NE(*again, nullptr);
}

TEST_P(UpkeepContract, StatisticsAddUpUntilTheyAreReset) {
  EXPECT_TRUE(store_->add_statistics({.lookups = 3, .hits = 2, .absent = 1, .compiles = 1}));
  EXPECT_TRUE(store_->add_statistics({.lookups = 1, .hits = 1}));
  auto statistics = store_->statistics();
  ASSERT_TRUE(statistics) << statistics.error().message;
  EXPECT_EQ(statistics->lookups, 4u);
  EXPECT_EQ(statistics->hits, 3u);
  EXPECT_EQ(statistics->absent, 1u);
  EXPECT_EQ(statistics->compiles, 1u);

  EXPECT_TRUE(store_->reset_statistics());
  statistics = store_->statistics();
  ASSERT_TRUE(statistics);
  EXPECT_EQ(statistics->lookups, 0u);
  EXPECT_EQ(statistics->compiles, 0u);
}

TEST_P(UpkeepContract, EveryLookUpIsCountedOnceWithItsOutcome) {
  put(numbered(1), "12345");
  std::string buffer(5, '.');
  const std::vector<Fingerprint> asked = {numbered(1), numbered(2)};
  const Metrics before = store_->metrics();
  EXPECT_EQ(text_of(numbered(1)), "12345");                                               // hit
  EXPECT_EQ(text_of(numbered(2)), "absent");                                              // absent
  EXPECT_TRUE(store_->get_into(numbered(1), std::as_writable_bytes(std::span(buffer))));  // hit
  EXPECT_EQ(store_->get_many(asked).value().size(), 2u);                                  // both
  EXPECT_EQ(store_->contains(numbered(1)), true);                                         // hit
  EXPECT_EQ(store_->contains(numbered(2)), false);                                        // absent
  const Metrics delta = store_->metrics().since(before);
  EXPECT_EQ(delta.lookups, 7u);
  EXPECT_EQ(delta.hits, 4u);
  EXPECT_EQ(delta.absent, 3u);
  EXPECT_TRUE(delta.balanced());
}

LARDER_OVER_EVERY_STORE(UpkeepContract);

}  // namespace
}  // namespace larder
