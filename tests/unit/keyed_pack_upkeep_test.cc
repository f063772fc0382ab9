// Upkeep of a pack by somebody who lacks the keys of what is in it: nothing is lost but by a
// budget, nothing comes back that was removed, and nothing becomes authentic that was not.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "format/pack_record.h"
#include "larder/testing/memory_file_system.h"
#include "tests/unit/keyed_pack_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class KeyedPackUpkeep : public KeyedPackFixture {
 protected:
  KeyedPackUpkeep() { options_.file_system = &clock_; }

  struct Owner {
    Keys keys;
    std::string payload;
  };

  // Of each: one small entry of fingerprint 1, one large of 2.
  void put_of_each_owner() {
    for (const Owner& owner : owners_) {
      const auto store = open_with(owner.keys);
      ASSERT_EQ(put(*store, numbered(1), owner.payload), "ok");
      ASSERT_EQ(put(*store, numbered(2), big_), "ok");
      ASSERT_TRUE(store->flush());
    }
  }

  // By index as it is, and by one that is made anew by each of them.
  void expect_all_there() {
    for (const Keys& rebuilder : {Keys(), ours_, theirs_, none_}) {
      for (const auto& [keys, payload] : owners_) {
        const auto store = open_with(keys);
        EXPECT_EQ(content(store->get(numbered(1))), payload);
        EXPECT_TRUE(content(store->get(numbered(2))) == big_);
        EXPECT_EQ(count_visited(*store, false), 2u);
        EXPECT_EQ(count_visited(*store, true), 2 * (owners_.size() - 1));
        EXPECT_EQ(store->metrics().corrupt, 0u);
      }
      lose_the_index();
      (void)open_with(rebuilder);
    }
  }

  std::vector<std::unique_ptr<File>> hold_all() {
    std::vector<std::unique_ptr<File>> held;
    for (const std::string& name : segment_names()) held.push_back(hold(name));
    return held;
  }

  void read_all() {
    for (const auto& [keys, payload] : owners_) {
      const auto store = open_with(keys);
      EXPECT_EQ(content(store->get(numbered(1))), payload);
      EXPECT_TRUE(content(store->get(numbered(2))) == big_);
    }
  }

  static std::vector<Stray> repair(Store& store) {
    std::vector<Stray> strays;
    const auto visited = store.visit_strays(
        [&](const Stray& stray) {
          strays.push_back(stray);
          return Visit::go_on;
        },
        Repair::yes);
    EXPECT_TRUE(visited) << visited.error().message;
    return strays;
  }

  const std::vector<Owner> owners_ = {
      {ours_, "ours"}, {theirs_, "theirs"}, {none_, "anybody's"}, {keys_of({4}), "a fourth's"}};
};

TEST_F(KeyedPackUpkeep, MaintainLosesNothing) {
  put_of_each_owner();
  clock_.later_s = 10'000;
  for (const Keys& keys : {ours_, none_}) ASSERT_TRUE(open_with(keys)->maintain());
  EXPECT_EQ(count_large_files(), owners_.size());
  expect_all_there();
}

TEST_F(KeyedPackUpkeep, ARepairTakesNothingOfAnotherKey) {
  put_of_each_owner();
  for (const auto& [keys, payload] : owners_) EXPECT_TRUE(repair(*open_with(keys)).empty());
  expect_all_there();
}

// Everything is held by its writers, was read and would be too old: it is written anew, by whom it
// does not belong to.
TEST_F(KeyedPackUpkeep, PruneByAgeRenewsWhatWasReadOfEveryKey) {
  for (const Keys& pruner : {theirs_, none_, keys_of({3, 1})}) {
    put_of_each_owner();
    const auto held = hold_all();
    read_all();
    clock_.later_s += 1'000;
    const std::int64_t pruned_s = clock_.now_s();
    {
      const auto store = open_with(pruner);
      const auto report = store->prune({.max_age_s = 500});
      ASSERT_TRUE(report) << report.error().message;
      EXPECT_EQ(report->evicted_entries, 0u);
      std::size_t renewed = 0;
      EXPECT_TRUE(store->visit([&](const EntryInfo& entry) {
        renewed += entry.last_used_s >= pruned_s ? 1 : 0;
        return Visit::go_on;
      }));
      EXPECT_EQ(renewed, 2 * owners_.size());
      ASSERT_TRUE(store->flush());
    }
    expect_all_there();
    ASSERT_TRUE(open_with(pruner)->clear());
  }
}

TEST_F(KeyedPackUpkeep, PruneByAgeTakesWhatNobodyReadOfEveryKey) {
  put_of_each_owner();
  clock_.later_s = 1'000;
  const auto store = open_with(ours_);
  EXPECT_EQ(store->prune({.max_age_s = 500})->evicted_entries, 2 * owners_.size());
  EXPECT_EQ(count_large_files(), 0u);
}

// Out of segments that stay.
TEST_F(KeyedPackUpkeep, ABudgetOfEntriesUncoversNoOlderValue) {
  put_with(ours_, numbered(1), "old");
  put_with(ours_, numbered(2), "old");
  const auto first = hold_all();
  put_with(ours_, numbered(1), "new");
  put_with(ours_, numbered(2), big_);
  const auto all = hold(segment_of(*open_with(ours_), numbered(1)));
  {
    const auto store = open_with(theirs_);
    ASSERT_TRUE(store->prune({.max_entries = 0}));
    ASSERT_TRUE(store->flush());
    clock_.later_s = 10'000;
    ASSERT_TRUE(store->maintain());
  }
  for (const Keys& rebuilder : {ours_, none_, ours_}) {
    for (const std::uint32_t number : {1u, 2u}) {
      EXPECT_NE(get_with(ours_, numbered(number)), "old") << number;
    }
    lose_the_index();
    (void)open_with(rebuilder);
  }
}

TEST_F(KeyedPackUpkeep, WhatLeftASegmentThatStaysDoesNotComeBackToItsOwner) {
  put_with(ours_, numbered(1), "ours");
  put_with(ours_, numbered(2), big_);
  const auto held = hold_all();
  {
    const auto rotated = open_with(keys_of({3, 1}));
    EXPECT_EQ(rotated->prune({.max_entries = 0})->evicted_entries, 2u);
    ASSERT_TRUE(rotated->flush());
  }
  for (const Keys& rebuilder : {none_, ours_}) {
    lose_the_index();
    (void)open_with(rebuilder);
    for (const std::uint32_t number : {1u, 2u}) {
      EXPECT_EQ(get_with(ours_, numbered(number)), "absent") << number;
    }
  }
}

// Their owner believes no removal of theirs. His clear, beside whoever writes the segment, does not
// find it in the index.
TEST_F(KeyedPackUpkeep, WhatOthersEvictedDoesNotComeBackAfterAClear) {
  put_with(ours_, numbered(1), "ours");
  put_with(ours_, numbered(2), big_);
  {
    const auto held = hold_all();
    EXPECT_EQ(open_with(theirs_)->prune({.max_entries = 0})->evicted_entries, 2u);
    const auto owner = open_with(ours_);
    EXPECT_EQ(content(owner->get(numbered(1))), "absent");
    EXPECT_EQ(owner->clear()->kept_entries, 0u);
  }
  lose_the_index();
  const auto store = open_with(ours_);
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  EXPECT_EQ(content(store->get(numbered(2))), "absent");
}

// It may be back with the next index, and counts as kept.
TEST_F(KeyedPackUpkeep, AClearCountsWhatItsOwnerAloneCouldRemove) {
  put_with(ours_, numbered(1), "ours");
  const auto held = hold_all();
  const auto report = open_with(theirs_)->clear();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->evicted_entries, 1u);
  EXPECT_EQ(report->kept_entries, 1u);
  lose_the_index();
  EXPECT_EQ(get_with(ours_, numbered(1)), "ours");
}

// By the byte, in steps, while others read.
TEST_F(KeyedPackUpkeep, EvictionCarriesWhatWasReadOfEveryKey) {
  options_.budget = {.max_bytes = 16 * mib};
  std::map<std::string, std::size_t> read;
  {
    const auto ours = open_with(ours_);
    const auto theirs = open_with(theirs_);
    fill(*ours, 0, 200);
    fill(*theirs, 100, 300);
    EXPECT_EQ(count_present(*ours, 50, 150), 100u);
    EXPECT_EQ(count_present(*theirs, 150, 250), 100u);
    fill(*theirs, 1'000, 4'500);
    ASSERT_TRUE(ours->flush());
    ASSERT_TRUE(theirs->flush());
    EXPECT_GT(theirs->metrics().evictions, 0u);
    EXPECT_LE(disk_bytes(), 20 * mib);
    read["ours"] = count_present(*ours, 50, 150);
    read["theirs"] = count_present(*theirs, 150, 250);
    EXPECT_EQ(count_present(*theirs, 0, 100), 0u) << "nobody put these with that key";
  }
  EXPECT_EQ(read["ours"], 100u);
  EXPECT_EQ(read["theirs"], 100u);
  lose_the_index();
  EXPECT_EQ(count_present(*open_with(ours_), 50, 150), 100u);
  EXPECT_EQ(count_present(*open_with(theirs_), 150, 250), 100u);
}

// Whoever closes after a rebuild makes them durable.
TEST_F(KeyedPackUpkeep, AFileOfAnOlderKeyKeepsItWhenItIsSynced) {
  put_with(keys_of({1}), numbered(1), big_);
  for (const Keys& closer : {keys_of({3, 1}), theirs_, none_}) {
    lose_the_index();
    open_with(closer).reset();
    EXPECT_TRUE(get_with(keys_of({1}), numbered(1)) == big_);
  }
}

// What somebody was killed in a sync of is written anew, by who comes next.
TEST_F(KeyedPackUpkeep, ASuspectSegmentIsWrittenAnewByWhoLacksTheKey) {
  put_of_each_owner();
  // `state` as such a death leaves it: a mark of the first segment.
  const std::string name = segment_names().front();
  const auto number = static_cast<std::uint32_t>(std::stoul(name.substr(0, 8), nullptr, 16));
  const std::uint64_t bare = std::uint64_t{number} + 1;
  const std::uint64_t check = bare * 0x9e3779b97f4a7c15u >> 49;
  std::array<std::byte, 8> mark;
  store_little(mark.data(), bare | check << 48);
  const auto directory = posix_file_system().open_directory(root().string());
  const auto state = (*directory)->open_file("state", OpenMode::read_write);
  ASSERT_TRUE(state);
  const std::array pieces{std::span<const std::byte>(mark)};
  ASSERT_TRUE((*state)->write_at(pieces, 512));
  ASSERT_TRUE(open_with(keys_of({5}))->maintain());
  EXPECT_FALSE(fs::exists(segments() / name));
  expect_all_there();
}

TEST_F(KeyedPackUpkeep, DamageOfOneKeyIsNoneOfAnother) {
  put_of_each_owner();
  const std::string name = segment_of(*open_with(ours_), numbered(1));
  std::uint64_t at = 0;
  {
    const auto details = open_with(ours_)->inspect(numbered(1));
    ASSERT_TRUE(details && *details);
    at = std::stoull((*details)->location.substr((*details)->location.rfind(' ') + 1));
  }
  const auto directory = posix_file_system().open_directory(segments().string());
  const auto file = (*directory)->open_file(name, OpenMode::read_write);
  const std::array<std::byte, 1> other{std::byte{'?'}};
  const std::array pieces{std::span<const std::byte>(other)};
  ASSERT_TRUE((*file)->write_at(pieces, at + format::record_header_bytes));
  for (const auto& [keys, payload] : owners_) {
    const auto store = open_with(keys);
    const bool is_damaged = payload == "ours";
    if (!is_damaged) {
      EXPECT_EQ(content(store->get(numbered(1))), payload);
    }
    EXPECT_TRUE(repair(*store).empty()) << "its owner's to judge";
  }
  EXPECT_EQ(get_with(ours_, numbered(1)), "error: corrupt");
  EXPECT_EQ(get_with(ours_, numbered(1)), "absent");
  put_with(ours_, numbered(1), "ours");
  expect_all_there();
}

TEST_F(KeyedPackUpkeep, AViewIsOfOnesOwnKey) {
  put_of_each_owner();
  for (const auto& [keys, payload] : owners_) {
    const auto store = open_with(keys);
    const auto view = store->view(numbered(2));
    ASSERT_TRUE(view && *view);
    EXPECT_EQ((*view)->bytes().size(), big_.size());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>((*view)->bytes().data()) % 4096, 128u)
        << "where it lies, behind the header of its file";
  }
  const auto store = open_with(keys_of({5}));
  for (const std::uint32_t number : {1u, 2u}) {
    const auto view = store->view(numbered(number));
    ASSERT_TRUE(view);
    EXPECT_FALSE(*view);
  }
  EXPECT_EQ(store->metrics().absent, 2u);
  expect_all_there();
}

// While the index is made anew, it lacks the older value.
TEST_F(KeyedPackUpkeep, APutBesideARebuildRetiresTheValueOfAnOlderKey) {
  const Keys both = keys_of({2, 1});
  const auto older = open_with(keys_of({1}));
  const auto newer = open_with(both);
  ASSERT_EQ(put(*newer, numbered(5), "keeps it open"), "ok");
  const std::string before = index_bytes();
  ASSERT_EQ(put(*older, numbered(1), "old"), "ok");
  ASSERT_TRUE(older->flush());
  ASSERT_EQ(zero_slots_changed_since(before), 1u);
  std::fstream state(root() / "state", std::ios::in | std::ios::out | std::ios::binary);
  state.seekp(120).put(1);
  state.close();
  ASSERT_EQ(put(*newer, numbered(1), "new"), "ok");
  ASSERT_TRUE(newer->maintain());
  EXPECT_EQ(content(newer->get(numbered(1))), "new");
  EXPECT_EQ(content(older->get(numbered(1))), "absent");
}

TEST_F(KeyedPackUpkeep, ARemovalThatFailsHalfWayUncoversNothing) {
  options_.file_system = &faults_;
  const auto newer = open_with(keys_of({2, 1}));
  const auto older = open_with(keys_of({1}));
  ASSERT_EQ(put(*newer, numbered(1), "new"), "ok");
  ASSERT_EQ(put(*older, numbered(1), "of the older key"), "ok");
  faults_.inject({.only = testing::Op::write_at,
                  .path_contains = ".seg",
                  .at = 2,
                  .repeat = testing::Repeat::for_ever});
  EXPECT_FALSE(newer->remove(numbered(1)));
  faults_.clear_faults();
  EXPECT_EQ(content(newer->get(numbered(1))), "new");
}

// The put that retired it was not on the disk, and the index has grown since.
TEST_F(KeyedPackUpkeep, ARemovalHoldsForTheOlderKeyAfterAPowerCut) {
  testing::MemoryFileSystem disk;
  options_.directory = "/store";
  options_.file_system = &disk;
  const Keys both = keys_of({2, 1});
  const auto older = open_with(keys_of({1}));
  ASSERT_EQ(put(*older, numbered(1), "old"), "ok");
  ASSERT_TRUE(older->flush());
  const auto newer = open_with(both);
  ASSERT_EQ(put(*newer, numbered(1), "new"), "ok");
  const auto third = open_with(both);
  for (std::uint32_t i = 0; i < 3'000; ++i) {
    ASSERT_EQ(put(*third, numbered(10'000 + i), "short"), "ok");
  }
  EXPECT_EQ(third->remove(numbered(1)), true);
  const auto after = disk.crash_clone(1, 0);
  options_.file_system = after.get();
  EXPECT_EQ(content(open_with(both)->get(numbered(1))), "absent");
}

// Else each would cost a sync, with each older key.
TEST_F(KeyedPackUpkeep, ARemovalOfWhatIsNotThereWritesNothing) {
  options_.file_system = &faults_;
  const auto store = open_with(keys_of({3, 2, 1}));
  ASSERT_EQ(put(*store, numbered(1), "there"), "ok");
  ASSERT_TRUE(store->flush());
  std::size_t changes = 0;
  faults_.observe([&](const testing::Operation& operation) {
    changes += operation.op == testing::Op::write_at || operation.op == testing::Op::sync_data;
  });
  for (std::uint32_t i = 100; i < 200; ++i) EXPECT_EQ(store->remove(numbered(i)), false);
  faults_.observe({});
  EXPECT_EQ(changes, 0u);
}

}  // namespace
}  // namespace larder
