// Look-ups in a layered store: promotion, its report, and tiers that fail.
#include <gtest/gtest.h>

#include <limits>

#include "tests/contract/store_contract.h"
#include "tests/unit/faulty_store.h"

namespace larder {
namespace {

class LayeredLookupTest : public testing::Test {
 protected:
  // Fast over slow; `fast_in_memory` stands in for the fast one where a memory store is wanted.
  void layer(TierWrite fast_write = TierWrite::through,
             std::shared_ptr<Store> fast_in_memory = nullptr) {
    const std::shared_ptr<Store> fast = fast_in_memory ? fast_in_memory : fast_;
    auto made = make_layered_store(
        {.tiers = {{fast, fast_write}, {slow_}},
         .on_promote = [this](const Promotion& promotion) { promotions_.push_back(promotion); }});
    ASSERT_TRUE(made);
    store_ = *made;
  }

  std::string text_of(std::uint32_t number) {
    const auto found = store_->get(numbered(number));
    if (!found) return std::string(errc_name(found.error().code));
    return *found ? std::string((*found)->text()) : "absent";
  }

  static bool put(Store& store, std::uint32_t number, std::string_view payload,
                  std::string_view recipe = {}) {
    return store.put(numbered(number), bytes_of(payload), {.recipe = recipe}).has_value();
  }

  std::shared_ptr<FaultyStore> fast_ = std::make_shared<FaultyStore>("fast");
  std::shared_ptr<FaultyStore> slow_ = std::make_shared<FaultyStore>("slow");
  std::shared_ptr<Store> store_;
  std::vector<Promotion> promotions_;
};

TEST_F(LayeredLookupTest, AHitIsPromotedOnceAndReported) {
  layer();
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_TRUE(fast_->has(numbered(1)));
  EXPECT_EQ(text_of(1), "payload");
  ASSERT_EQ(promotions_.size(), 1u);
  EXPECT_EQ(promotions_[0].fingerprint, numbered(1));
  EXPECT_EQ(promotions_[0].from_tier, 1u);
  EXPECT_EQ(promotions_[0].to_tier, 0u);
  EXPECT_EQ(promotions_[0].bytes, 7u);
  EXPECT_TRUE(promotions_[0].stored);
  EXPECT_EQ(store_->metrics().promotions, 1u);
  EXPECT_EQ(slow_->metrics().hits, 1u);
  EXPECT_EQ(fast_->metrics().hits, 1u);
}

TEST_F(LayeredLookupTest, AFasterTierThatRefusesDoesNotSpoilTheHit) {
  fast_->put_error = FaultyStore::failing(Errc::no_space);
  layer();
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  EXPECT_EQ(text_of(1), "payload");
  ASSERT_EQ(promotions_.size(), 1u);
  EXPECT_FALSE(promotions_[0].stored);
  EXPECT_EQ(store_->metrics().promotions, 0u);
}

TEST_F(LayeredLookupTest, ATierThatIsNeverWrittenGetsNoPromotion) {
  layer(TierWrite::never);
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_FALSE(fast_->has(numbered(1)));
  EXPECT_TRUE(promotions_.empty());
}

TEST_F(LayeredLookupTest, PromotionReachesEveryFasterTier) {
  const auto middle = std::make_shared<FaultyStore>("middle");
  const auto store = make_layered_store({.tiers = {{fast_}, {middle}, {slow_}}});
  ASSERT_TRUE(store);
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  EXPECT_EQ((*store)->contains(numbered(1)), true);
  EXPECT_FALSE(middle->has(numbered(1)));  // contains promotes nothing
  EXPECT_TRUE((*store)->get(numbered(1)));
  EXPECT_TRUE(fast_->has(numbered(1)));
  EXPECT_TRUE(middle->has(numbered(1)));
}

TEST_F(LayeredLookupTest, PromotionPassesOverATierThatIsNeverWritten) {
  const auto middle = std::make_shared<FaultyStore>("middle");
  const auto store = make_layered_store({.tiers = {{fast_}, {middle, TierWrite::never}, {slow_}}});
  ASSERT_TRUE(store);
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  EXPECT_TRUE((*store)->get(numbered(1)));
  EXPECT_TRUE(fast_->has(numbered(1)));
  EXPECT_FALSE(middle->has(numbered(1)));
}

TEST_F(LayeredLookupTest, PromotionIntoATierThatLastsKeepsTheRecipe) {
  layer();
  ASSERT_TRUE(put(*slow_, 1, "payload", "recipe"));
  EXPECT_EQ(text_of(1), "payload");
  const auto details = fast_->inspect(numbered(1));
  ASSERT_TRUE(details && *details);
  EXPECT_EQ((*details)->recipe, "recipe");
}

TEST_F(LayeredLookupTest, PromotionIntoMemoryReadsTheEntryOnceOnly) {
  const auto memory = make_memory_store();
  ASSERT_TRUE(memory);
  layer(TierWrite::through, *memory);
  ASSERT_TRUE(put(*slow_, 1, "payload", "recipe"));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_EQ(slow_->inspections, 0);
  EXPECT_EQ((*memory)->contains(numbered(1)), true);
  const auto details = store_->inspect(numbered(1));
  ASSERT_TRUE(details && *details);
  EXPECT_EQ((*details)->layout, "memory");
  EXPECT_EQ((*details)->recipe, "recipe");
}

TEST_F(LayeredLookupTest, WhatWasRemovedDuringTheLookUpIsNotPromoted) {
  layer();
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  slow_->after_get = [this] { EXPECT_EQ(store_->remove(numbered(1)), true); };
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_FALSE(fast_->has(numbered(1)));
  EXPECT_TRUE(promotions_.empty());
}

TEST_F(LayeredLookupTest, WhatWasReplacedDuringTheLookUpIsNotPromoted) {
  layer();
  ASSERT_TRUE(put(*slow_, 1, "old"));
  slow_->after_get = [this] { EXPECT_TRUE(put(*store_, 1, "new")); };
  EXPECT_EQ(text_of(1), "old");
  EXPECT_EQ(text_of(1), "new");
}

TEST_F(LayeredLookupTest, ATierThatFailsIsPassedOver) {
  fast_->get_error = FaultyStore::failing(Errc::io_error);
  layer();
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  EXPECT_EQ(text_of(1), "payload");
  EXPECT_EQ(store_->contains(numbered(1)), true);
  EXPECT_EQ(store_->metrics().hits, 2u);
  EXPECT_EQ(store_->metrics().io_errors, 0u);
}

TEST_F(LayeredLookupTest, ItsErrorIsReportedWhenNoTierHasTheEntry) {
  layer();
  for (const Errc code : {Errc::io_error, Errc::corrupt, Errc::not_ours, Errc::too_large}) {
    fast_->get_error = FaultyStore::failing(code);
    EXPECT_EQ(text_of(1), errc_name(code));
  }
  const Metrics metrics = store_->metrics();
  EXPECT_EQ(metrics.lookups, 4u);
  EXPECT_EQ(metrics.io_errors, 1u);
  EXPECT_EQ(metrics.corrupt, 1u);
  EXPECT_EQ(metrics.skipped, 2u);
  EXPECT_EQ(metrics.absent, 0u);
}

TEST_F(LayeredLookupTest, TheFirstErrorIsTheOneReported) {
  fast_->get_error = FaultyStore::failing(Errc::corrupt);
  slow_->get_error = FaultyStore::failing(Errc::permission_denied);
  layer();
  EXPECT_EQ(text_of(1), "corrupt");
  const auto there = store_->contains(numbered(1));
  ASSERT_FALSE(there);
  EXPECT_EQ(there.error().code, Errc::corrupt);
}

TEST_F(LayeredLookupTest, GetManyPromotesAndPassesOverAsGetDoes) {
  layer();
  ASSERT_TRUE(put(*fast_, 1, "one"));
  ASSERT_TRUE(put(*slow_, 2, "two"));
  const std::vector<Fingerprint> asked = {numbered(2), numbered(3), numbered(1)};
  auto found = store_->get_many(asked).value();
  ASSERT_EQ(found.size(), 3u);
  ASSERT_TRUE(found[0] && *found[0] && found[1] && found[2] && *found[2]);
  EXPECT_EQ((*found[0])->text(), "two");
  EXPECT_FALSE(found[1]->has_value());
  EXPECT_EQ((*found[2])->text(), "one");
  EXPECT_TRUE(fast_->has(numbered(2)));

  fast_->get_error = FaultyStore::failing(Errc::io_error);
  found = store_->get_many(asked).value();
  ASSERT_TRUE(found[0] && *found[0]);
  ASSERT_FALSE(found[1]);
  EXPECT_EQ(found[1].error().code, Errc::io_error);
  const Metrics metrics = store_->metrics();
  EXPECT_EQ(metrics.lookups, 6u);
  EXPECT_EQ(metrics.hits, 3u);
  EXPECT_EQ(metrics.absent, 1u);
  EXPECT_EQ(metrics.io_errors, 2u);
}

TEST_F(LayeredLookupTest, LookUpsAreItsOwnAndTheRestIsASumThatSaturates) {
  constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
  slow_->more_metrics = {.lookups = 1000, .hits = 1000, .puts = largest, .evictions = 5};
  fast_->more_metrics = {.puts = 7, .evictions = 6};
  layer();
  EXPECT_EQ(text_of(1), "absent");
  const Metrics metrics = store_->metrics();
  EXPECT_EQ(metrics.lookups, 1u);
  EXPECT_EQ(metrics.hits, 0u);
  EXPECT_EQ(metrics.absent, 1u);
  EXPECT_EQ(metrics.puts, largest);
  EXPECT_EQ(metrics.evictions, 11u);
}

TEST_F(LayeredLookupTest, ATierThatCannotBeVisitedDoesNotHideTheOthers) {
  fast_->visit_error = FaultyStore::failing(Errc::io_error);
  layer();
  ASSERT_TRUE(put(*slow_, 1, "payload"));
  int seen = 0;
  const auto visited = store_->visit([&](const EntryInfo&) {
    ++seen;
    return Visit::go_on;
  });
  ASSERT_FALSE(visited);
  EXPECT_EQ(visited.error().code, Errc::io_error);
  EXPECT_EQ(seen, 1);
}

TEST_F(LayeredLookupTest, ItNamesItsTiers) {
  layer();
  EXPECT_EQ(store_->describe(), "fast over slow");
}

TEST(LayeredStore, ATierIsNeeded) {
  for (const auto& tiers : {std::vector<Tier>{}, std::vector<Tier>{Tier{}}}) {
    const auto made = make_layered_store({.tiers = tiers});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::invalid_argument);
  }
}

TEST_F(LayeredLookupTest, StraysOfEveryTierAreToldAndThoseOfWritableOnesRepaired) {
  layer(TierWrite::never);
  fast_->stray = {.code = Errc::not_ours, .location = "of the fast one", .message = {}};
  slow_->stray = {.code = Errc::corrupt, .location = "of the slow one", .message = {}};
  std::vector<std::string> told;
  const auto tell = [&](const Stray& stray) {
    told.push_back(stray.location);
    return Visit::go_on;
  };
  EXPECT_TRUE(store_->visit_strays(tell, Repair::yes));
  EXPECT_EQ(told, (std::vector<std::string>{"of the fast one", "of the slow one"}));
  EXPECT_EQ(fast_->repaired, Repair::no);
  EXPECT_EQ(slow_->repaired, Repair::yes);
  fast_->visit_error = FaultyStore::failing(Errc::io_error);
  EXPECT_EQ(store_->visit_strays(tell).error().code, Errc::io_error);
  EXPECT_EQ(told.size(), 4u);
}

}  // namespace
}  // namespace larder
