// The budget that a pack store keeps at each put: what leaves, what stays, and how far it may be
// exceeded for a moment.
#include <map>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

constexpr std::uint64_t step = mib / 16;  // of preallocation

// Segments of 1 MiB, which hold 244 entries of 4 KiB.
class PackEvict : public PackStoreFixture {
 protected:
  // What is there of the last entries, as read.
  static void mark_all(Store& store, std::uint32_t last) {
    for (std::uint32_t i = last - std::min(last, 2'000u); i <= last; ++i)
      ASSERT_TRUE(store.contains(numbered(i)));
  }
};

TEST_F(PackEvict, TheBudgetHoldsUnderDu) {
  constexpr std::uint64_t budget = 16 * mib;
  options_.budget = {.max_bytes = budget};
  const auto store = open();
  std::uint64_t most = 0;
  for (std::uint32_t i = 0; i < 16'000; i += 64) {
    fill(*store, i, i + 64);
    most = std::max(most, disk_bytes());
  }
  EXPECT_EQ(count_present(*store, 15'990, 16'000), 10u);
  // A segment, and a step for each of two writers: that of the puts, and that of what is carried.
  EXPECT_LE(most, budget + budget / 64 * 4 + 2 * step);
  EXPECT_GE(most, budget - 2 * mib);
  EXPECT_GT(store->metrics().evictions, 10'000u);
  EXPECT_GT(store->metrics().evicted_bytes, 40 * mib);
}

// Many processes may each have one segment open.
TEST_F(PackEvict, LittleIsAllocatedAheadInASmallStore) {
  options_.budget = {.max_bytes = 16 * mib};
  const auto store = open();
  fill(*store, 0, 1);
  EXPECT_LE(disk_bytes(), mib / 4);
}

// It would cost every other entry, and then leave.
TEST_F(PackEvict, WhatIsLargerThanTheBudgetCostsNothing) {
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  fill(*store, 0, 500);
  const auto stored = store->put(numbered(1'000), bytes_of(payload_of(4 * mib + 1, 1)));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::too_large);
  EXPECT_EQ(count_present(*store, 0, 500), 500u);
  EXPECT_EQ(store->metrics().rejected_too_large, 1u);
}

TEST_F(PackEvict, ManyShortSessionsKeepTheBudget) {
  constexpr std::uint64_t budget = 4 * mib;
  options_.budget = {.max_bytes = budget};
  for (std::uint32_t session = 0; session < 80; ++session) {
    fill(*open(), session * 20, session * 20 + 20);
  }
  EXPECT_LE(disk_bytes(), budget + 1 * mib + 2 * step);
  EXPECT_EQ(count_present(*open(), 1'590, 1'600), 10u);
}

// An eviction takes several steps, and no process has a second put to make the next one in.
TEST_F(PackEvict, SessionsOfOnePutKeepTheBudget) {
  constexpr std::uint64_t budget = 10 * mib;
  options_.budget = {.max_bytes = budget};
  for (std::uint32_t i = 0; i < 200; ++i) {
    ASSERT_EQ(put(*open(), numbered(i), payload_of(200'000, i)), "ok");
    EXPECT_LE(disk_bytes(), budget + 1 * mib + 2 * step) << i;
  }
  EXPECT_EQ(*open()->contains(numbered(199)), true);
  EXPECT_GE(disk_bytes(), budget - 2 * mib);
}

TEST_F(PackEvict, WhatIsReadStaysAndTheRestLeaves) {
  options_.budget = {.max_bytes = 8 * mib};
  const auto store = open();
  fill(*store, 0, 400);
  for (std::uint32_t round = 1; round <= 30; ++round) {
    EXPECT_EQ(count_present(*store, 0, 200), 200u) << round;
    fill(*store, round * 1000, round * 1000 + 400);
  }
  EXPECT_EQ(count_present(*store, 0, 200), 200u);
  EXPECT_EQ(count_present(*store, 200, 400), 0u);
}

// Used once is not used for ever.
TEST_F(PackEvict, WhatIsNoLongerReadLeavesInTheEnd) {
  options_.budget = {.max_bytes = 8 * mib};
  const auto store = open();
  fill(*store, 0, 200);
  EXPECT_EQ(count_present(*store, 0, 200), 200u);
  // Others are read from now on, so that they push it out.
  for (std::uint32_t round = 1; round <= 35; ++round) {
    fill(*store, round * 1000, round * 1000 + 400);
    count_present(*store, round * 1000, round * 1000 + 400);
  }
  EXPECT_EQ(count_present(*store, 0, 200), 0u);
}

TEST_F(PackEvict, CarriedEntriesKeepPayloadRecipeAndSequence) {
  options_.budget = {.max_bytes = 8 * mib};
  const auto store = open();
  const std::string payload = payload_of(10'000, 7);
  ASSERT_TRUE(store->put(numbered(1), bytes_of(payload), {.recipe = "a recipe"}));
  const std::string before = segment_of(*store, numbered(1));
  for (std::uint32_t i = 0; i < 8'000; i += 100) {
    ASSERT_TRUE(*store->contains(numbered(1)));
    fill(*store, 1000 + i, 1000 + i + 100);
  }
  EXPECT_NE(segment_of(*store, numbered(1)), before);
  const auto details = store->inspect(numbered(1));
  ASSERT_TRUE(details && *details) << details.error().message;
  EXPECT_EQ((*details)->recipe, "a recipe");
  EXPECT_EQ(content(store->get(numbered(1))), payload);
}

TEST_F(PackEvict, TheListenerHearsOfEachEvictionOnce) {
  options_.budget = {.max_bytes = 8 * mib};
  std::map<Fingerprint, int> left;
  options_.on_evict = [&](const Eviction& eviction) {
    ++left[eviction.fingerprint];
    EXPECT_EQ(eviction.reason, EvictionReason::bytes);
    EXPECT_GE(eviction.bytes, 4096u);
  };
  const auto store = open();
  fill(*store, 0, 5'000);
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    const auto heard = left.find(numbered(i));
    EXPECT_EQ(heard == left.end() ? 0 : heard->second, *store->contains(numbered(i)) ? 0 : 1) << i;
  }
  EXPECT_EQ(store->metrics().evictions, left.size());
  EXPECT_EQ(store->metrics().entries, 5'000 - left.size());
}

TEST_F(PackEvict, TheListenerMayCallTheStore) {
  options_.budget = {.max_bytes = 4 * mib};
  std::shared_ptr<PackStore> store;
  options_.on_evict = [&](const Eviction& eviction) {
    EXPECT_EQ(content(store->get(eviction.fingerprint)), "absent");
  };
  store = open();
  fill(*store, 0, 3'000);
  EXPECT_GT(store->metrics().evictions, 0u);
}

TEST_F(PackEvict, AViewOutlivesTheEvictionOfItsSegment) {
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  fill(*store, 0, 1);
  const auto view = store->view(numbered(0));
  ASSERT_TRUE(view && *view);
  store->flush().value();
  ASSERT_EQ(store->prune({.max_entries = 0})->kept_entries, 0u);
  EXPECT_TRUE(segment_names().empty());
  const auto bytes = (*view)->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
            payload_of(4096, 0));
}

// Somebody else writes the oldest segment.
TEST_F(PackEvict, ASegmentThatIsHeldStays) {
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  fill(*store, 0, 300);
  ASSERT_TRUE(store->flush());
  const std::string oldest = segment_of(*store, numbered(0));
  ASSERT_NE(oldest, segment_of(*store, numbered(299)));
  const auto held = hold(oldest);
  fill(*store, 1'000, 4'000);
  EXPECT_EQ(segment_names().front(), oldest);
  EXPECT_EQ(count_present(*store, 0, 200), 200u);
  EXPECT_EQ(count_present(*store, 1'000, 1'200), 0u);
}

TEST_F(PackEvict, NoMoreEntriesThanTheBudgetAfterAnyPut) {
  options_.budget = {.max_bytes = 60 * mib, .max_entries = 100};
  const auto store = open();
  for (std::uint32_t i = 0; i < 6'000; ++i) {
    fill(*store, i, i + 1);
    ASSERT_LE(store->metrics().entries, 100u) << i;
    if (i % 100 == 0) {
      ASSERT_TRUE(store->flush());
    }
  }
  EXPECT_EQ(count_present(*store, 5'900, 6'000), 100u);
  // What is left of a segment when nearly all of its entries have left is taken away.
  EXPECT_LE(segment_names().size(), 4u);
}

// All that is known of its size is in the files themselves.
TEST_F(PackEvict, AStoreThatGrewWithoutABudgetShrinks) {
  options_.budget = {.max_bytes = 60 * mib};
  fill(*open(), 0, 4'000);
  lose_the_index();
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  fill(*store, 10'000, 10'300);
  EXPECT_LE(disk_bytes(), 4 * mib + 1 * mib + 2 * step);
}

TEST_F(PackEvict, TheGaugesTellWhatIsThere) {
  fill(*open(), 0, 30);
  const auto store = open();
  EXPECT_EQ(store->metrics().entries, 30u);
  const std::uint64_t all_else = disk_bytes() - 30 * (4096 + 256);
  EXPECT_GE(store->metrics().bytes, 30u * 4096);
  // Segments are counted in whole blocks, with the zeros ahead of what is written.
  EXPECT_LE(store->metrics().bytes, 30u * (4096 + 256) + all_else + 4096 + (128u << 10));
  fill(*store, 30, 40);
  EXPECT_EQ(store->metrics().entries, 40u);
  EXPECT_GE(store->metrics().bytes, 40u * 4096);
  EXPECT_EQ(store->statistics()->entries, 40u);
}

TEST_F(PackEvict, OfTooManyEntriesThoseThatWereReadStay) {
  options_.budget = {.max_entries = 100};
  const auto store = open();
  fill(*store, 0, 40);
  for (std::uint32_t round = 1; round < 60; ++round) {
    EXPECT_EQ(count_present(*store, 0, 20), 20u);
    fill(*store, round * 1'000, round * 1'000 + 50);
  }
  EXPECT_EQ(count_present(*store, 0, 20), 20u);
  EXPECT_EQ(count_present(*store, 20, 40), 0u);
}

TEST_F(PackEvict, EntriesLeaveWhenTheyAreTooOld) {
  options_.budget = {.max_age_s = 1'000};
  options_.file_system = &clock_;
  const auto store = open();
  fill(*store, 0, 300);
  clock_.later_s = 600;
  fill(*store, 1'000, 1'010);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);  // used at 600
  clock_.later_s = 1'200;
  fill(*store, 2'000, 2'010);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
  EXPECT_EQ(count_present(*store, 10, 300), 0u);
  EXPECT_EQ(count_present(*store, 1'000, 1'010), 10u);
}

TEST_F(PackEvict, LargeArtifactsCountAndLeaveWithTheirFiles) {
  constexpr std::uint64_t budget = 32 * mib;
  options_.budget = {.max_bytes = budget};
  const auto store = open();
  for (std::uint32_t i = 0; i < 20; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(5 * mib, i)), "ok");
    // One more than fits, and what is put before it is noticed.
    EXPECT_LE(disk_bytes(), budget + 2 * 5 * mib + 2 * mib + 2 * step) << i;
  }
  EXPECT_EQ(content(store->get(numbered(19))), payload_of(5 * mib, 19));
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
}

// What is carried keeps its file: carried without limit, nothing would be freed.
TEST_F(PackEvict, LargeArtifactsThatAreAllReadKeepTheBudget) {
  constexpr std::uint64_t budget = 64 * mib;
  options_.budget = {.max_bytes = budget};
  const auto store = open();
  for (std::uint32_t i = 0; i < 120; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(1'000'000, i)), "ok");
    EXPECT_LE(disk_bytes(), budget + 6 * mib + 2 * step) << i;
    mark_all(*store, i);
  }
  EXPECT_GE(disk_bytes(), budget - 8 * mib);
}

TEST_F(PackEvict, LargeArtifactsThatAreReadStay) {
  options_.budget = {.max_bytes = 64 * mib};
  const auto store = open();
  for (std::uint32_t i = 0; i < 120; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(1'000'000, i)), "ok");
    for (std::uint32_t read = 4; read <= std::min(i, 40u); read += 4) {
      EXPECT_EQ(store->contains(numbered(read)), true) << read << " " << i;
    }
  }
  EXPECT_EQ(store->contains(numbered(41)), false);
}

// The records of all of them would find room in one segment.
TEST_F(PackEvict, LargeArtifactsDoNotLeaveAllAtOnce) {
  options_.budget = {.max_bytes = 64 * mib};
  const auto store = open();
  for (std::uint32_t i = 0; i < 100; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(1'000'000, i)), "ok");
    EXPECT_GE(store->metrics().entries, std::min(i + 1, 55u)) << i;
  }
  EXPECT_EQ(store->contains(numbered(50)), true);
}

TEST_F(PackEvict, LargeArtifactsOfSessionsOfOnePutDoNotLeaveAllAtOnce) {
  options_.budget = {.max_bytes = 64 * mib};
  for (std::uint32_t i = 0; i < 90; ++i) {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(i), payload_of(1'000'000, i)), "ok");
    EXPECT_GE(store->metrics().entries, std::min(i + 1, 55u)) << i;
    EXPECT_LE(disk_bytes(), 70 * mib) << i;
  }
}

// More than any disk has: everything leaves that can, which is all but what is being written.
TEST_F(PackEvict, FreeSpaceIsKept) {
  options_.budget = {.max_bytes = 64 * mib, .min_free_bytes = 1ull << 60};
  const auto store = open();
  fill(*store, 0, 3'000);
  EXPECT_LE(disk_bytes(), 4 * mib + 2 * step);
  EXPECT_EQ(count_present(*store, 2'999, 3'000), 1u);
}

}  // namespace
}  // namespace larder
