// Writing to a layered store: the policies of its tiers, flush, and what each tier refuses.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/contract/store_contract.h"
#include "tests/unit/faulty_store.h"

namespace larder {
namespace {

class LayeredWriteTest : public testing::Test {
 protected:
  void layer(TierWrite fast_write, TierWrite slow_write,
             std::uint64_t behind_capacity_bytes = 1u << 20) {
    auto made = make_layered_store({.tiers = {{fast_, fast_write}, {slow_, slow_write}},
                                    .behind_capacity_bytes = behind_capacity_bytes});
    ASSERT_TRUE(made);
    store_ = *made;
  }

  Result<void> put(std::uint32_t number, std::string_view payload = "payload") {
    return store_->put(numbered(number), bytes_of(payload));
  }

  std::string text_of(std::uint32_t number) {
    const auto found = store_->get(numbered(number));
    if (!found) return std::string(errc_name(found.error().code));
    return *found ? std::string((*found)->text()) : "absent";
  }

  // What flush names; empty when it is OK.
  std::vector<Fingerprint> flush_names() {
    const auto flushed = store_->flush();
    if (flushed) return {};
    EXPECT_EQ(flushed.error().code, Errc::not_durable);
    EXPECT_FALSE(flushed.error().fingerprints.empty());
    return flushed.error().fingerprints;
  }

  using Names = std::vector<Fingerprint>;

  std::shared_ptr<FaultyStore> fast_ = std::make_shared<FaultyStore>("fast");
  std::shared_ptr<FaultyStore> slow_ = std::make_shared<FaultyStore>("slow");
  std::shared_ptr<Store> store_;
};

TEST_F(LayeredWriteTest, EveryThroughTierHasItWhenPutReturns) {
  layer(TierWrite::through, TierWrite::through);
  EXPECT_TRUE(put(1));
  EXPECT_TRUE(fast_->has(numbered(1)));
  EXPECT_TRUE(slow_->has(numbered(1)));
}

TEST_F(LayeredWriteTest, TheErrorOfAThroughTierIsThePutsAndTheOthersHaveIt) {
  slow_->put_error = FaultyStore::failing(Errc::no_space);
  layer(TierWrite::through, TierWrite::through);
  const auto stored = put(1);
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::no_space);
  EXPECT_EQ(text_of(1), "payload");
}

TEST_F(LayeredWriteTest, ATierTooSmallForItIsPassedOverAndKeepsNoOlderBytes) {
  layer(TierWrite::through, TierWrite::through);
  EXPECT_TRUE(put(1, "old"));
  fast_->put_error = FaultyStore::failing(Errc::too_large);
  EXPECT_TRUE(put(1, "new"));
  EXPECT_EQ(text_of(1), "new");
  slow_->put_error = FaultyStore::failing(Errc::too_large);
  const auto refused = put(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::too_large);
}

TEST_F(LayeredWriteTest, ATierThatIsNeverWrittenIsLeftAlone) {
  layer(TierWrite::through, TierWrite::never);
  ASSERT_TRUE(slow_->put(numbered(1), bytes_of("theirs"), {}));
  slow_->flush_error = FaultyStore::failing(Errc::io_error);
  EXPECT_TRUE(put(2));
  EXPECT_FALSE(slow_->has(numbered(2)));
  EXPECT_TRUE(store_->flush());
  EXPECT_EQ(store_->remove(numbered(1)), false);
  EXPECT_TRUE(store_->prune({.max_entries = 0}));
  EXPECT_TRUE(store_->clear());
  EXPECT_TRUE(slow_->has(numbered(1)));
  EXPECT_FALSE(fast_->has(numbered(2)));
}

TEST_F(LayeredWriteTest, WithoutATierToWriteAPutIsRefused) {
  layer(TierWrite::never, TierWrite::never);
  const auto stored = put(1);
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::read_only);
  EXPECT_EQ(store_->metrics().rejected_read_only, 1u);
  EXPECT_TRUE(store_->add_statistics({.hits = 2}));
  EXPECT_EQ(store_->statistics().value().hits, 2u);
  EXPECT_TRUE(store_->reset_statistics());
  EXPECT_EQ(store_->statistics().value().hits, 0u);
}

TEST_F(LayeredWriteTest, WhatIsWrittenBehindIsServedAtOnceAndWrittenByFlush) {
  layer(TierWrite::never, TierWrite::behind);
  EXPECT_TRUE(put(1));
  EXPECT_FALSE(slow_->has(numbered(1)));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_EQ(store_->contains(numbered(1)), true);
  EXPECT_EQ(store_->durability().pending, 1u);
  EXPECT_FALSE(store_->durability().durable);

  EXPECT_TRUE(store_->flush());
  EXPECT_TRUE(slow_->has(numbered(1)));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_EQ(store_->durability().pending, 0u);
  EXPECT_TRUE(store_->durability().durable);
}

TEST_F(LayeredWriteTest, TheNewestOfTwoQueuedPutsIsServedAndWritten) {
  layer(TierWrite::never, TierWrite::behind);
  EXPECT_TRUE(put(1, "old"));
  EXPECT_TRUE(store_->flush());
  EXPECT_TRUE(put(1, "newer"));
  EXPECT_TRUE(put(1, "newest"));
  EXPECT_EQ(text_of(1), "newest");
  EXPECT_EQ(store_->durability().pending, 1u);
  EXPECT_TRUE(store_->flush());
  EXPECT_EQ(text_of(1), "newest");
}

TEST_F(LayeredWriteTest, AFullQueueWritesAtOnce) {
  layer(TierWrite::through, TierWrite::behind, 1000);
  EXPECT_TRUE(put(1, payload_of(700, 1)));
  EXPECT_TRUE(put(2, payload_of(700, 2)));
  EXPECT_FALSE(slow_->has(numbered(1)));
  EXPECT_TRUE(slow_->has(numbered(2)));
  EXPECT_TRUE(put(1, payload_of(2000, 3)));  // the one in the queue must not come after it
  EXPECT_TRUE(store_->flush());
  ASSERT_TRUE(fast_->clear());
  EXPECT_TRUE(text_of(1) == payload_of(2000, 3));
}

TEST_F(LayeredWriteTest, TheDestructorWritesWhatIsQueued) {
  layer(TierWrite::through, TierWrite::behind);
  EXPECT_TRUE(put(1));
  store_.reset();
  EXPECT_TRUE(slow_->has(numbered(1)));
}

TEST_F(LayeredWriteTest, WhatIsQueuedIsRemovedClearedAndPruned) {
  layer(TierWrite::never, TierWrite::behind);
  EXPECT_TRUE(put(1));
  EXPECT_EQ(store_->remove(numbered(1)), true);
  EXPECT_EQ(text_of(1), "absent");

  EXPECT_TRUE(put(2));
  const auto cleared = store_->clear();
  ASSERT_TRUE(cleared);
  EXPECT_EQ(cleared->evicted_entries, 1u);
  EXPECT_EQ(cleared->evicted_bytes, 7u);
  EXPECT_EQ(text_of(2), "absent");

  EXPECT_TRUE(put(3));
  const auto pruned = store_->prune({.max_entries = 0});
  ASSERT_TRUE(pruned);
  EXPECT_EQ(pruned->evicted_entries, 1u);
  EXPECT_EQ(text_of(3), "absent");
  EXPECT_TRUE(store_->flush());
  EXPECT_EQ(text_of(1) + text_of(2) + text_of(3), "absentabsentabsent");
}

TEST_F(LayeredWriteTest, AnEntryThatTheQueueCouldNotWriteIsNamedUntilItIsPutAgain) {
  layer(TierWrite::through, TierWrite::behind);
  EXPECT_TRUE(put(1));
  EXPECT_TRUE(put(2));
  slow_->put_error = FaultyStore::failing(Errc::no_space);
  EXPECT_EQ(flush_names(), (Names{numbered(1), numbered(2)}));
  EXPECT_EQ(store_->durability().lost, 2u);
  EXPECT_FALSE(store_->durability().durable);
  EXPECT_EQ(text_of(1), "absent");

  slow_->put_error = {};
  EXPECT_EQ(flush_names(), (Names{numbered(1), numbered(2)}));
  EXPECT_TRUE(put(1));
  EXPECT_EQ(store_->durability().lost, 1u);
  EXPECT_EQ(store_->durability().pending, 1u);
  EXPECT_EQ(flush_names(), Names{numbered(2)});
  EXPECT_TRUE(put(2));
  EXPECT_EQ(flush_names(), Names{});
  EXPECT_TRUE(store_->durability().durable);
}

TEST_F(LayeredWriteTest, AQueueThatIsFullAndATierThatRefusesTellAtFlush) {
  layer(TierWrite::through, TierWrite::behind, 0);
  ASSERT_TRUE(slow_->put(numbered(1), bytes_of("old"), {}));
  slow_->put_error = FaultyStore::failing(Errc::no_space);
  EXPECT_TRUE(put(1, "new"));
  EXPECT_FALSE(slow_->has(numbered(1)));  // the old bytes must not come back
  EXPECT_EQ(flush_names(), Names{numbered(1)});
}

TEST_F(LayeredWriteTest, APromotionThatIsLostOnTheWayIsNobodysLoss) {
  layer(TierWrite::behind, TierWrite::through);
  ASSERT_TRUE(slow_->put(numbered(1), bytes_of("payload"), {}));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_EQ(store_->durability().pending, 1u);
  fast_->put_error = FaultyStore::failing(Errc::no_space);
  EXPECT_TRUE(store_->flush());
  EXPECT_EQ(text_of(1), "payload");
}

TEST_F(LayeredWriteTest, FlushNamesTheLossesOfAllTiersOnce) {
  layer(TierWrite::through, TierWrite::through);
  fast_->flush_error = FaultyStore::failing(Errc::not_durable, {numbered(3), numbered(1)});
  slow_->flush_error = FaultyStore::failing(Errc::not_durable, {numbered(2), numbered(3)});
  Names expected = {numbered(1), numbered(2), numbered(3)};
  std::ranges::sort(expected);
  EXPECT_EQ(flush_names(), expected);
}

TEST_F(LayeredWriteTest, AnErrorThatNamesNoEntryPassesAndTheOtherTierIsFlushed) {
  layer(TierWrite::through, TierWrite::through);
  fast_->flush_error = FaultyStore::failing(Errc::io_error);
  const auto flushed = store_->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, Errc::io_error);
  EXPECT_EQ(slow_->metrics().flushes, 1u);
}

TEST_F(LayeredWriteTest, WhatATierLostLeavesTheFasterOnesAndStaysInTheSlowerOnes) {
  const auto slowest = std::make_shared<FaultyStore>("slowest");
  auto made = make_layered_store({.tiers = {{fast_}, {slow_}, {slowest}}});
  ASSERT_TRUE(made);
  store_ = *made;
  EXPECT_TRUE(put(1));
  EXPECT_EQ(slow_->remove(numbered(1)), true);  // as a tier does whose flush failed
  slow_->flush_error = FaultyStore::failing(Errc::not_durable, {numbered(1)});
  EXPECT_EQ(flush_names(), Names{numbered(1)});
  EXPECT_FALSE(fast_->has(numbered(1)));
  EXPECT_TRUE(slowest->has(numbered(1)));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_TRUE(slow_->has(numbered(1)));  // promoted: put again
}

TEST_F(LayeredWriteTest, ARemoveThatOneTierRefusesStillReachesTheOthers) {
  layer(TierWrite::through, TierWrite::through);
  EXPECT_TRUE(put(1));
  fast_->remove_error = FaultyStore::failing(Errc::read_only);
  const auto removed = store_->remove(numbered(1));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Errc::read_only);
  EXPECT_FALSE(slow_->has(numbered(1)));
}

TEST_F(LayeredWriteTest, TheLeaseIsTheSlowestTiers) {
  layer(TierWrite::through, TierWrite::through);
  const auto theirs = slow_->try_lease(numbered(1));
  ASSERT_TRUE(theirs && *theirs);
  const auto mine = store_->try_lease(numbered(1));
  ASSERT_TRUE(mine);
  EXPECT_EQ(*mine, nullptr);
}

TEST_F(LayeredWriteTest, ATierThatCannotLeaseIsPassedOver) {
  layer(TierWrite::through, TierWrite::through);
  slow_->lease_error = FaultyStore::failing(Errc::unsupported);
  {
    const auto mine = store_->try_lease(numbered(1));
    ASSERT_TRUE(mine && *mine);
    const auto theirs = fast_->try_lease(numbered(1));
    ASSERT_TRUE(theirs);
    EXPECT_EQ(*theirs, nullptr);
  }
  fast_->lease_error = FaultyStore::failing(Errc::unsupported);
  const auto none = store_->try_lease(numbered(1));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::unsupported);
}

TEST_F(LayeredWriteTest, StatisticsAreTheSlowestWritableTiers) {
  layer(TierWrite::through, TierWrite::never);
  EXPECT_TRUE(store_->add_statistics({.hits = 3}));
  EXPECT_EQ(fast_->statistics().value().hits, 3u);
  EXPECT_EQ(slow_->statistics().value().hits, 0u);
}

TEST_F(LayeredWriteTest, AnEvictionListenerMayWriteToTheLayeredStore) {
  std::shared_ptr<Store> layered;
  int rescued = 0;
  auto memory = make_memory_store({.capacity_bytes = 10, .on_evict = [&](const Eviction& eviction) {
                                     if (rescued++ > 0) return;
                                     EXPECT_TRUE(layered->put(eviction.fingerprint, bytes_of("r")));
                                     EXPECT_TRUE(layered->get(eviction.fingerprint));
                                   }});
  ASSERT_TRUE(memory);
  layered = make_layered_store({.tiers = {{*memory}, {slow_}}}).value();
  EXPECT_TRUE(layered->put(numbered(1), bytes_of("12345678")));
  EXPECT_TRUE(layered->put(numbered(257), bytes_of("12345678")));  // the same stripe
  EXPECT_EQ(rescued, 1);
  EXPECT_TRUE(slow_->has(numbered(257)));
}

}  // namespace
}  // namespace larder
