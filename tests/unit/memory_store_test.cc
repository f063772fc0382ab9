// What the memory store promises beyond the contract: SIEVE, exact budgets, sharing, reports.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "larder/store.h"
#include "tests/contract/store_contract.h"

namespace larder {
namespace {

class MemoryStoreTest : public testing::Test {
 protected:
  void make(std::uint64_t capacity_bytes, std::uint64_t capacity_entries) {
    auto made = make_memory_store({.capacity_bytes = capacity_bytes,
                                   .capacity_entries = capacity_entries,
                                   .on_evict = [this](const Eviction& eviction) {
                                     const std::scoped_lock lock(mutex_);
                                     evictions_.push_back(eviction);
                                   }});
    ASSERT_TRUE(made);
    store_ = *made;
  }

  Result<void> put(std::uint32_t number, std::string_view payload = "x") {
    return store_->put(numbered(number), bytes_of(payload));
  }

  bool hit(std::uint32_t number) {
    const auto found = store_->get(numbered(number));
    return found && found->has_value();
  }

  std::vector<std::uint32_t> evicted() const {
    std::vector<std::uint32_t> numbers;
    for (const Eviction& eviction : evictions_) {
      numbers.push_back(eviction.fingerprint.bytes[0]);
    }
    return numbers;
  }

  std::shared_ptr<Store> store_;
  std::mutex mutex_;
  std::vector<Eviction> evictions_;
};

using Numbers = std::vector<std::uint32_t>;

TEST_F(MemoryStoreTest, WhatWasHitSurvivesWhatWasNotLeaves) {
  make(1000, 3);
  for (const std::uint32_t i : {1, 2, 3}) EXPECT_TRUE(put(i));
  EXPECT_TRUE(hit(1));
  EXPECT_TRUE(put(4));
  EXPECT_EQ(evicted(), Numbers{2});
  EXPECT_TRUE(hit(1));
}

TEST_F(MemoryStoreTest, TheHandGoesOnFromWhereItStopped) {
  make(1000, 4);
  for (const std::uint32_t i : {1, 2, 3, 4}) EXPECT_TRUE(put(i));
  for (const std::uint32_t i : {1, 2, 4}) EXPECT_TRUE(hit(i));
  EXPECT_TRUE(put(5));  // passes 1 and 2, clears them, takes 3; stands at 4
  EXPECT_TRUE(put(6));  // passes 4, clears it, takes 5, the youngest; begins again at the old end
  EXPECT_TRUE(put(7));  // 1 and 2 were not hit since the hand passed them
  EXPECT_TRUE(put(8));
  EXPECT_EQ(evicted(), (Numbers{3, 5, 1, 2}));
  EXPECT_TRUE(hit(8));
}

TEST_F(MemoryStoreTest, WithoutHitsTheOldestLeavesFirst) {
  make(1000, 3);
  for (std::uint32_t i = 1; i <= 6; ++i) EXPECT_TRUE(put(i));
  EXPECT_EQ(evicted(), (Numbers{1, 2, 3}));
}

TEST_F(MemoryStoreTest, WhenAllWereHitTheHandComesRoundToTheOldest) {
  make(1000, 3);
  for (const std::uint32_t i : {1, 2, 3}) EXPECT_TRUE(put(i));
  for (const std::uint32_t i : {3, 2, 1}) EXPECT_TRUE(hit(i));
  EXPECT_TRUE(put(4));
  EXPECT_EQ(evicted(), Numbers{1});
}

TEST_F(MemoryStoreTest, RemovingTheEntryUnderTheHandMovesTheHand) {
  make(1000, 3);
  for (const std::uint32_t i : {1, 2, 3}) EXPECT_TRUE(put(i));
  EXPECT_TRUE(hit(1));
  EXPECT_TRUE(put(4));  // takes 2, the hand stands at 3
  EXPECT_EQ(store_->remove(numbered(3)), true);
  EXPECT_TRUE(put(5));
  EXPECT_TRUE(put(6));  // the hand stands at 4
  EXPECT_EQ(evicted(), (Numbers{2, 4}));
}

TEST_F(MemoryStoreTest, AHitSharesTheBytes) {
  make(1000, 3);
  EXPECT_TRUE(put(1, "payload"));
  const auto first = store_->get(numbered(1));
  const auto second = store_->get(numbered(1));
  ASSERT_TRUE(first && *first && second && *second);
  EXPECT_EQ((*first)->data(), (*second)->data());
}

TEST_F(MemoryStoreTest, AnEvictionIsReportedInFull) {
  make(100, 100);
  EXPECT_TRUE(put(1, payload_of(70, 1)));
  EXPECT_TRUE(put(2, payload_of(40, 1)));
  ASSERT_EQ(evictions_.size(), 1u);
  EXPECT_EQ(evictions_[0].fingerprint, numbered(1));
  EXPECT_EQ(evictions_[0].reason, EvictionReason::bytes);
  EXPECT_EQ(evictions_[0].bytes, 70u);
  EXPECT_LE(evictions_[0].age_s, 60u);
  const Metrics metrics = store_->metrics();
  EXPECT_EQ(metrics.evictions, 1u);
  EXPECT_EQ(metrics.evicted_bytes, 70u);
  EXPECT_EQ(metrics.bytes, 40u);
  EXPECT_EQ(metrics.entries, 1u);
}

TEST_F(MemoryStoreTest, TheReasonTellsWhichLimitWasReached) {
  make(1000, 1);
  EXPECT_TRUE(put(1));
  EXPECT_TRUE(put(2));
  EXPECT_TRUE(store_->clear());
  ASSERT_EQ(evictions_.size(), 2u);
  EXPECT_EQ(evictions_[0].reason, EvictionReason::entries);
  EXPECT_EQ(evictions_[1].reason, EvictionReason::cleared);
}

TEST_F(MemoryStoreTest, TheAgeCountsFromThePut) {
  make(1000, 10);
  EXPECT_TRUE(put(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  EXPECT_TRUE(put(2));
  const auto report = store_->prune({.max_age_s = 1});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->evicted_entries, 1u);
  ASSERT_EQ(evictions_.size(), 1u);
  EXPECT_EQ(evictions_[0].fingerprint, numbered(1));
  EXPECT_EQ(evictions_[0].reason, EvictionReason::age);
  EXPECT_EQ(evictions_[0].age_s, 2u);
}

TEST_F(MemoryStoreTest, TheListenerMayCallTheStore) {
  std::shared_ptr<Store> store;
  int absent = 0;
  auto made = make_memory_store({.capacity_bytes = 10, .on_evict = [&](const Eviction& eviction) {
                                   const auto found = store->get(eviction.fingerprint);
                                   if (found && !*found) ++absent;
                                 }});
  ASSERT_TRUE(made);
  store = *made;
  EXPECT_TRUE(store->put(numbered(1), bytes_of("12345678")));
  EXPECT_TRUE(store->put(numbered(2), bytes_of("12345678")));
  EXPECT_EQ(absent, 1);
}

TEST_F(MemoryStoreTest, APayloadOverTheCapacityIsTooLargeAndEvictsNothing) {
  make(100, 100);
  EXPECT_TRUE(put(1, payload_of(100, 1)));
  const auto refused = put(2, payload_of(101, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::too_large);
  EXPECT_EQ(store_->metrics().rejected_too_large, 1u);
  EXPECT_TRUE(evictions_.empty());
  EXPECT_TRUE(hit(1));
}

TEST_F(MemoryStoreTest, AStoreOfNoEntriesRefusesAll) {
  make(100, 0);
  const auto refused = put(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::too_large);
}

TEST_F(MemoryStoreTest, ARecipeOverTheLimitIsRefused) {
  make(1u << 20, 100);
  const std::string recipe(4097, 'r');
  const auto refused = store_->put(numbered(1), bytes_of("x"), {.recipe = recipe});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_EQ(store_->metrics().rejected_io, 1u);
}

TEST_F(MemoryStoreTest, ReplacingEvictsOthersOnlyAsFarAsNeeded) {
  make(100, 2);
  EXPECT_TRUE(put(1, payload_of(30, 1)));
  EXPECT_TRUE(put(2, payload_of(60, 1)));
  EXPECT_TRUE(put(2, payload_of(70, 2)));
  EXPECT_TRUE(evictions_.empty());
  EXPECT_TRUE(put(2, payload_of(100, 3)));
  EXPECT_EQ(evicted(), Numbers{1});
  EXPECT_TRUE(put(2, payload_of(10, 4)));
  EXPECT_EQ(store_->metrics().bytes, 10u);
  EXPECT_EQ(store_->metrics().entries, 1u);
}

TEST_F(MemoryStoreTest, OnePayloadMayFillAStoreOfManyShards) {
  constexpr std::uint64_t capacity = 64u << 20;
  make(capacity, 1u << 20);
  for (std::uint32_t i = 0; i < 200; ++i) EXPECT_TRUE(put(i, payload_of(1000, 1)));
  EXPECT_TRUE(put(255, payload_of(capacity, 2)));
  EXPECT_EQ(evictions_.size(), 200u);
  EXPECT_EQ(store_->metrics().entries, 1u);
  EXPECT_EQ(store_->metrics().bytes, capacity);
}

TEST_F(MemoryStoreTest, ThreadsNeverPushItOverItsCapacity) {
  constexpr std::uint64_t capacity_entries = 4096;
  constexpr std::uint64_t capacity_bytes = 4u << 20;
  make(capacity_bytes, capacity_entries);
  std::atomic<int> over = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t thread = 0; thread < 6; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint32_t i = 0; i < 1500; ++i) {
          if (!put(thread * 100'000 + i, payload_of(i, 1))) ++over;
          const Metrics now = store_->metrics();
          if (now.bytes > capacity_bytes || now.entries > capacity_entries) ++over;
        }
      });
    }
  }
  EXPECT_EQ(over, 0);
  const Metrics metrics = store_->metrics();
  EXPECT_EQ(metrics.evictions, evictions_.size());
  EXPECT_EQ(metrics.puts, metrics.entries + metrics.evictions);
  EXPECT_EQ(metrics.put_bytes, metrics.bytes + metrics.evicted_bytes);
}

TEST_F(MemoryStoreTest, PruneTakesWhatWasNotHitFirst) {
  make(10'000, 100);
  for (std::uint32_t i = 1; i <= 5; ++i) EXPECT_TRUE(put(i, payload_of(100, 1)));
  EXPECT_TRUE(hit(1));
  EXPECT_TRUE(hit(3));
  const auto planned = store_->prune({.max_bytes = 250}, DryRun::yes);
  const auto report = store_->prune({.max_bytes = 250});
  ASSERT_TRUE(planned && report);
  EXPECT_EQ(evicted(), (Numbers{2, 4, 5}));
  EXPECT_EQ(report->evicted_entries, 3u);
  EXPECT_EQ(report->evicted_bytes, 300u);
  EXPECT_EQ(report->kept_entries, 2u);
  EXPECT_EQ(report->kept_bytes, 200u);
  EXPECT_EQ(planned->evicted_bytes, report->evicted_bytes);
  EXPECT_EQ(planned->kept_entries, report->kept_entries);
}

TEST_F(MemoryStoreTest, WhatIsReplacedDuringAPruneIsNotWhatWasJudged) {
  std::shared_ptr<Store> store;
  auto made = make_memory_store({.on_evict = [&](const Eviction& eviction) {
    const bool first = eviction.fingerprint == numbered(1);
    EXPECT_TRUE(store->put(numbered(first ? 2 : 1), bytes_of("new")));
  }});
  ASSERT_TRUE(made);
  store = *made;
  EXPECT_TRUE(store->put(numbered(1), bytes_of("old")));
  EXPECT_TRUE(store->put(numbered(2), bytes_of("old")));
  const auto report = store->prune({.max_entries = 0});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->evicted_entries, 1u);
  EXPECT_EQ(report->evicted_bytes, 3u);
  EXPECT_EQ(store->contains(numbered(2)), true);
}

TEST_F(MemoryStoreTest, AReplacedEntryHasTheNewRecipe) {
  make(1000, 10);
  EXPECT_TRUE(store_->put(numbered(1), bytes_of("a"), {.recipe = "first"}));
  EXPECT_TRUE(store_->put(numbered(1), bytes_of("b"), {.recipe = "second"}));
  const auto details = store_->inspect(numbered(1));
  ASSERT_TRUE(details && *details);
  EXPECT_EQ((*details)->layout, "memory");
  EXPECT_EQ((*details)->location, "");
  EXPECT_EQ((*details)->recipe, "second");
}

}  // namespace
}  // namespace larder
