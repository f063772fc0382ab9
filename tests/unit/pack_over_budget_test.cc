// What puts cost where somebody else holds more than the budget, and so nothing brings it back:
// they write little, and what was put last is served.
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/keyed_fixture.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Operation;
using testing::Repeat;

// One process without a budget, and another one with segments of 1 MiB.
class PackOverBudget : public PackStoreFixture {
 protected:
  PackOverBudget() {
    options_.file_system = &watched_;
    watched_.observe([this](const Operation& operation) {
      const bool is_segment = operation.path.ends_with(".seg");
      if (is_segment && operation.op == Op::write_at) ++writes_;
      if (is_segment && operation.op == Op::read_at) ++reads_;
      if (is_segment && operation.op == Op::sync_data) ++syncs_;
      if (is_segment && operation.op == Op::create_file) ++made_;
    });
  }

  // Entries of 1,500 bytes, in one segment of which more will be written.
  std::shared_ptr<PackStore> open_holder(std::uint32_t entries) const {
    auto holder = open();
    for (std::uint32_t i = 0; i < entries; ++i) {
      EXPECT_EQ(put(*holder, numbered(i), payload_of(1500, i)), "ok");
    }
    EXPECT_TRUE(holder->flush());
    return holder;
  }

  void put_small(Store& store, std::uint32_t from, std::uint32_t until) {
    for (std::uint32_t i = from; i < until; ++i) ASSERT_EQ(put(store, numbered(i), "y"), "ok");
  }

  static std::uint32_t count_small(Store& store, std::uint32_t from, std::uint32_t until) {
    std::uint32_t present = 0;
    for (std::uint32_t i = from; i < until; ++i) present += content(store.get(numbered(i))) == "y";
    return present;
  }

  void count_anew() { writes_ = syncs_ = made_ = 0; }

  std::uint64_t writes_ = 0;  // to segments
  std::uint64_t reads_ = 0;   // of segments
  std::uint64_t syncs_ = 0;   // of segments
  std::uint64_t made_ = 0;    // segments
  testing::FaultFileSystem watched_{posix_file_system()};
};

TEST_F(PackOverBudget, APutTakesNoneOfThoseBeforeIt) {
  const auto holder = open_holder(5'000);
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  count_anew();
  put_small(*store, 100'000, 101'000);
  EXPECT_EQ(count_small(*store, 100'000, 101'000), 1'000u);
  EXPECT_LE(writes_, 1'001u);
  EXPECT_LE(made_, 1u);
  EXPECT_EQ(syncs_, 0u);
  EXPECT_EQ(content(holder->get(numbered(0))), payload_of(1500, 0));
}

// Of the entries that leave alone, removals stay as long as their records do.
TEST_F(PackOverBudget, APutWritesNoRemovalsAnew) {
  const auto holder = open_holder(8'000);
  options_.budget = {.max_bytes = 4 * mib, .max_entries = 300};
  const auto store = open();
  put_small(*store, 90'000, 90'100);
  ASSERT_LE(store->metrics().entries, 300u);
  count_anew();
  put_small(*store, 100'000, 100'200);
  EXPECT_EQ(count_small(*store, 100'150, 100'200), 50u);
  // Each put, and the removal of what left for it.
  EXPECT_LE(writes_, 3 * 200u);
  EXPECT_LE(made_, 1u);
}

// Two segments, each with the older entries of the other one's removals: neither is the last that
// needs the other.
TEST_F(PackOverBudget, RemovalsOfEachOthersEntriesDoNotStayForEver) {
  constexpr std::uint32_t most = 3'600;
  const auto holder = open();
  put_small(*holder, 0, 2'000);
  std::set<std::string> full;
  {
    const auto one = open();
    const auto other = open();
    for (std::uint32_t i = 0; i < 1'000; ++i) {
      ASSERT_EQ(one->remove(numbered(i)), true);
      ASSERT_EQ(other->remove(numbered(1'000 + i)), true);
    }
    for (std::uint32_t i = 0; i < most; ++i) {
      ASSERT_EQ(put(*one, numbered(10'000 + i), ""), "ok");
      ASSERT_EQ(put(*other, numbered(20'000 + i), ""), "ok");
    }
    for (std::uint32_t i = 0; i < most; ++i) {
      ASSERT_EQ(one->remove(numbered(20'000 + i)), true);
      ASSERT_EQ(other->remove(numbered(10'000 + i)), true);
    }
  }
  for (const std::string& name : segment_names()) {
    if (std::filesystem::file_size(segments() / name) > mib / 2) full.insert(name);
  }
  ASSERT_EQ(full.size(), 2u);
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  for (std::uint32_t i = 0; i < 6'000; ++i) {
    ASSERT_EQ(put(*store, numbered(100'000 + i), payload_of(1500, i)), "ok");
  }
  for (const std::string& name : segment_names()) EXPECT_FALSE(full.contains(name)) << name;
}

TEST_F(PackOverBudget, MaintainMovesNoRemovals) {
  const auto holder = open_holder(8'000);
  options_.budget = {.max_bytes = 4 * mib, .max_entries = 300};
  const auto store = open();
  put_small(*store, 90'000, 90'100);
  ASSERT_TRUE(store->flush());
  count_anew();
  EXPECT_TRUE(store->maintain());
  EXPECT_LE(writes_, 100u);
}

// Whether anything older stands in other segments is not known then.
TEST_F(PackOverBudget, RemovalsStayWhereOtherSegmentsCannotBeListed) {
  auto holder = open_holder(8'000);
  options_.budget = {.max_bytes = 4 * mib, .max_entries = 300};
  auto store = open();
  put_small(*store, 90'000, 90'100);
  ASSERT_TRUE(store->flush());
  count_anew();
  for (std::uint64_t nth = 1; nth <= 12; ++nth) {
    watched_.inject({.only = Op::list, .path_contains = "/segments", .at = nth});
    (void)store->maintain();
    watched_.clear_faults();
  }
  EXPECT_GE(watched_.injected().size(), 5u);
  EXPECT_LE(writes_, 100u);
  std::uint32_t present = 0;
  for (std::uint32_t i = 0; i < 8'000; ++i) present += store->contains(numbered(i)) == true;
  EXPECT_LE(present, 300u);
  ASSERT_TRUE(store->flush());
  store.reset();
  holder.reset();
  lose_the_index();
  options_.budget = {};
  store = open();
  for (std::uint32_t i = 0; i < 8'000; ++i) present -= store->contains(numbered(i)) == true;
  EXPECT_EQ(present, 0u) << "what was evicted is back";
}

// What is dead but for removals is not written anew in each of its rounds.
TEST_F(PackOverBudget, APruneMovesRemovalsOnce) {
  const auto holder = open_holder(8'000);
  options_.budget = {.max_bytes = 60 * mib, .max_entries = 300};
  const auto store = open();
  put_small(*store, 90'000, 90'100);
  ASSERT_TRUE(store->flush());
  count_anew();
  ASSERT_TRUE(store->prune({.max_bytes = 1 * mib}));
  EXPECT_LE(writes_, 2 * 8'200u);
  count_anew();
  ASSERT_TRUE(store->prune({.max_bytes = 1 * mib}));
  // The smaller one of two segments is not full.
  EXPECT_LE(writes_, 2'800u);
}

// Copies, in a segment that is full and was not synced since what they come from could not be read
// on. Else each put would give up the segment that it writes, and win nothing by that.
TEST_F(PackOverBudget, WhatOnlyWaitsForItsSyncIsNotLetGoOf) {
  constexpr std::uint32_t entries = 1'000;
  options_.budget = {.max_bytes = 60 * mib};
  {
    const auto filling = open();
    fill(*filling, 0, entries);
    ASSERT_TRUE(filling->flush());
  }
  const std::size_t sources = segment_names().size();
  options_.budget = {.max_bytes = 2 * mib};
  const auto store = open();
  for (std::uint32_t i = 0; i < entries; ++i) {
    if (i % 250 == 10) continue;
    ASSERT_EQ(content(store->get(numbered(i))), payload_of(4096, i));
  }
  std::uint32_t copies = 0;
  watched_.observe([&](const Operation& operation) {
    if (operation.op != Op::create_file || !operation.path.ends_with(".seg")) return;
    if (++copies != 2) return;
    watched_.inject({.only = Op::read_at, .path_contains = ".seg", .repeat = Repeat::for_ever});
  });
  ASSERT_TRUE(store->prune({.max_entries = entries - 4}));
  watched_.observe({});
  watched_.clear_faults();
  ASSERT_EQ(copies, 2u);
  ASSERT_EQ(segment_names().size(), sources + 1);  // one has left
  EXPECT_EQ(put(*store, numbered(2'000), "x"), "ok");
  EXPECT_EQ(put(*store, numbered(2'001), "x"), "ok");
  EXPECT_EQ(segment_of(*store, numbered(2'001)), segment_of(*store, numbered(2'000)));
}

// Whoever waits for his turn is not to wait for all of them; the next put goes on behind them.
TEST_F(PackOverBudget, APutLooksAtSoManyThatCannotLeave) {
  constexpr std::size_t most_looks = 64;
  constexpr std::size_t some_more = 20;
  {
    std::vector<std::shared_ptr<PackStore>> stores;
    for (std::uint32_t i = 0; i < most_looks + some_more; ++i) {
      stores.push_back(open());
      ASSERT_EQ(put(*stores.back(), numbered(i), payload_of(20'000, i)), "ok");
    }
  }
  options_.budget = {.max_bytes = mib};
  const auto store = open();
  // From when it has a segment to write to.
  bool has_one = false;
  watched_.observe([&](const Operation& operation) {
    if (operation.op != Op::write_at || !operation.path.ends_with(".seg")) return;
    if (std::exchange(has_one, true)) return;
    watched_.inject({.only = Op::try_lock, .path_contains = ".seg", .repeat = Repeat::for_ever});
  });
  const auto looked_at = [this] {
    std::set<std::string> paths;
    for (const Operation& refused : watched_.injected()) paths.insert(refused.path);
    return paths.size();
  };
  EXPECT_EQ(put(*store, numbered(1'000), "x"), "ok");
  EXPECT_EQ(looked_at(), most_looks);
  EXPECT_EQ(put(*store, numbered(1'001), payload_of(20'000, 1)), "ok");
  EXPECT_EQ(looked_at(), most_looks + some_more);
}

// Those removals stand in an older segment than what they are there for.
TEST_F(PackOverBudget, APruneLeavesNoRemovalsOfWhatLeaves) {
  options_.budget = {.max_bytes = 60 * mib};
  const auto store = open();
  auto other = open();
  fill(*store, 0, 1);
  ASSERT_TRUE(store->flush());
  fill(*other, 1'000, 4'000);
  for (std::uint32_t i = 1'000; i < 4'000; ++i) {
    if (i % 100 == 0) continue;
    ASSERT_EQ(store->remove(numbered(i)), true);
  }
  ASSERT_EQ(store->remove(numbered(0)), true);
  other.reset();
  ASSERT_TRUE(store->prune({.max_bytes = 1}));
  EXPECT_TRUE(segment_names().empty());
}

// That the index lacks nothing is found out once: it takes every byte of the store.
TEST_F(PackOverBudget, PrunesReadTheWholeStoreOnce) {
  const auto store = open();
  for (std::uint32_t i = 0; i < 8; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(mib, i)), "ok");
  }
  ASSERT_TRUE(store->flush());
  reads_ = 0;
  ASSERT_TRUE(store->prune({.max_bytes = 100 * mib}));
  EXPECT_GT(reads_, 8u);
  reads_ = 0;
  ASSERT_TRUE(store->prune({.max_bytes = 100 * mib}));
  EXPECT_LE(reads_, 8u) << "more than the headers of the entries";
}

TEST_F(PackOverBudget, APruneGathersRemovals) {
  const auto holder = open_holder(6);
  std::vector<std::shared_ptr<PackStore>> stores;
  for (std::uint32_t i = 0; i < 6; ++i) {
    stores.push_back(open());
    ASSERT_EQ(stores.back()->remove(numbered(i)), true);
  }
  stores.clear();
  ASSERT_EQ(segment_names().size(), 7u);
  ASSERT_TRUE(open()->prune({.max_bytes = 1}));
  EXPECT_EQ(segment_names().size(), 2u);
}

// Of a budget that counts entries: a segment of which only removals are left is no hollow one.
TEST_F(PackOverBudget, ASweepMovesNoRemovals) {
  const auto holder = open_holder(9'000);
  options_.budget = {.max_bytes = 60 * mib, .max_entries = 100};
  const auto store = open();
  put_small(*store, 90'000, 92'000);
  ASSERT_TRUE(store->flush());
  count_anew();
  put_small(*store, 100'000, 102'000);
  EXPECT_LE(writes_, 3 * 2'000u);
}

// What a stranger's removal would not keep away goes on with its older values.
TEST_F(PackOverBudget, APutMovesNoEntriesOfAStrangerAnew) {
  options_.keys = keys_of({1});
  const auto holder = open_holder(5'000);
  {
    options_.budget = {.max_bytes = 60 * mib};
    const auto other = open();
    for (std::uint32_t i = 0; i < 1'000; ++i) {
      ASSERT_EQ(put(*other, numbered(i), payload_of(1500, i + 1)), "ok");
    }
  }
  options_.keys = {};
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  count_anew();
  put_small(*store, 100'000, 100'200);
  EXPECT_LE(writes_, 1'300u);
  EXPECT_EQ(count_small(*store, 100'000, 100'200), 200u);
}

// Each of them is written down as long as the index may lack what it is asked for.
TEST_F(PackOverBudget, RemovalsOfWhatIsNotThereKeepTheBudget) {
  options_.budget = {.max_bytes = 4 * mib, .max_entries = 4};
  const auto store = open();
  put_small(*store, 0, 10);
  count_anew();
  for (std::uint32_t i = 0; i < 30'000; ++i) ASSERT_EQ(store->remove(numbered(1'000 + i)), false);
  EXPECT_GE(writes_, 30'000u) << "that they write";
  EXPECT_LE(disk_bytes(), 6 * mib);
}

}  // namespace
}  // namespace larder
