// A process that cannot open the index just now: nothing is known of any entry then, and nothing
// may be taken for dead, or for forgotten. And a reader, who must not wait for whoever replaces it.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

class PackNoIndex : public PackStoreFixture {
 protected:
  PackNoIndex() { options_.budget.max_bytes = 64 * mib; }  // segments of 1 MiB

  // Until the index has been replaced by a larger one: who has the old one must open that.
  void grow_the_index(Store& store) {
    const auto before = index_names();
    for (std::uint32_t i = 0; index_names() == before; ++i) {
      ASSERT_LT(i, 4'000u);
      ASSERT_EQ(put(store, numbered(100'000 + i), "x"), "ok");
    }
  }

  std::set<std::string> index_names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(root())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("index.")) names.insert(name);
    }
    return names;
  }
};

TEST_F(PackNoIndex, WhatIsLostIsForgottenWhenItCanBeOpenedAgain) {
  const auto other = open();
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "one"), "ok");
  EXPECT_EQ(content(other->get(numbered(1))), "one");
  grow_the_index(*other);
  faults_.inject({.only = Op::open_file,
                  .path_contains = "index.",
                  .repeat = Repeat::for_ever,
                  .os_error = EMFILE});
  faults_.inject({.only = Op::sync_data, .path_contains = ".seg"});
  EXPECT_FALSE(store->flush());
  EXPECT_EQ(faults_.injected().size(), 2u);
  faults_.clear_faults();
  const auto again = store->flush();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().fingerprints, std::vector{numbered(1)});
  EXPECT_EQ(content(other->get(numbered(1))), "absent");
}

TEST_F(PackNoIndex, AnEvictionTakesNothingForDead) {
  const auto other = open();
  options_.file_system = &faults_;
  const auto store = open();
  fill(*store, 0, 50);
  ASSERT_TRUE(store->flush());
  bool is_copying = false;
  faults_.observe([&](const Operation& operation) {
    const bool begins = operation.op == Op::create_file && operation.path.ends_with(".seg");
    if (!begins || std::exchange(is_copying, true)) return;
    grow_the_index(*other);
    faults_.inject({.only = Op::open_file, .path_contains = "index.", .os_error = EMFILE});
  });
  EXPECT_FALSE(store->prune({.max_entries = 49}));
  ASSERT_TRUE(is_copying);
  EXPECT_EQ(faults_.injected().size(), 1u);
  EXPECT_EQ(count_present(*store, 0, 50), 50u);
}

TEST_F(PackNoIndex, NoFileIsTakenForALeftover) {
  testing::FaultFileSystem late(clock_);
  const auto other = open();
  options_.file_system = &late;
  const auto store = open();
  const std::string large = payload_of(300'000, 1);
  ASSERT_EQ(put(*store, numbered(1), large), "ok");
  ASSERT_TRUE(store->flush());
  grow_the_index(*other);
  clock_.later_s = 7'200;
  late.inject({.only = Op::open_file,
               .path_contains = "index.",
               .repeat = Repeat::for_ever,
               .os_error = EMFILE});
  (void)store->maintain();  // sweeps nothing, and tells the log why
  EXPECT_FALSE(late.injected().empty());
  late.clear_faults();
  EXPECT_EQ(content(store->get(numbered(1))), large);
}

// It was about to end, and can no longer tell whether another process leads to what is dead there.
TEST_F(PackNoIndex, ASegmentStaysOfWhichItIsNotKnownWhetherItIsDead) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(1), "older"), "ok");
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "newer"), "ok");
  ASSERT_EQ(put(*store, numbered(2), "dead"), "ok");
  ASSERT_EQ(put(*store, numbered(2), "alive"), "ok");
  const std::string source = segment_of(*store, numbered(1));
  const std::string others = segment_of(*other, numbered(1));
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(other->flush());
  // The removal of what has just left is synced.
  bool has_grown = false;
  faults_.observe([&](const Operation& operation) {
    const bool buries = operation.op == Op::sync_data && operation.path.ends_with(".seg") &&
                        !operation.path.ends_with(source) && !operation.path.ends_with(others);
    if (!buries || std::exchange(has_grown, true)) return;
    grow_the_index(*other);
    faults_.inject({.only = Op::open_file, .path_contains = "index.", .os_error = EMFILE});
  });
  EXPECT_FALSE(store->prune({.max_entries = 0}));
  ASSERT_TRUE(has_grown);
  faults_.observe({});
  faults_.clear_faults();
  EXPECT_TRUE(fs::exists(segments() / source));
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
}

// Nothing is known of its entries then, and so it is not told as missing.
TEST_F(PackNoIndex, NoSegmentIsTakenForMissing) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(0), "x"), "ok");
  {
    const auto beside = open();
    fill(*beside, 1, 50);
    ASSERT_TRUE(beside->flush());
  }
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_TRUE(fs::remove(segments() / "00000001.seg"));
  bool has_grown = false;
  faults_.observe([&](const Operation& operation) {
    const bool looks = operation.op == Op::open_file && operation.path.ends_with("00000001.seg");
    if (!looks || std::exchange(has_grown, true)) return;
    grow_the_index(*other);
    faults_.inject({.only = Op::open_file,
                    .path_contains = "index.",
                    .repeat = Repeat::for_ever,
                    .os_error = EMFILE});
  });
  std::vector<Stray> told;
  const auto note = [&](const Stray& stray) {
    told.push_back(stray);
    return Visit::go_on;
  };
  EXPECT_TRUE(store->visit_strays(note, Repair::yes));
  EXPECT_FALSE(faults_.injected().empty());
  for (const Stray& stray : told) EXPECT_FALSE(stray.message.starts_with("missing"));
  faults_.clear_faults();
  told.clear();
  EXPECT_TRUE(store->visit_strays(note, Repair::no));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].entries, 49u);
}

// The index is as full as it may be, and whoever changes it is to replace it first.
TEST_F(PackNoIndex, AReaderOfADamagedEntryAsksForNoLock) {
  options_.file_system = &faults_;
  const auto store = open();
  faults_.inject({.only = Op::allocate,
                  .path_contains = "index.",
                  .repeat = Repeat::for_ever,
                  .os_error = ENOSPC});
  ASSERT_EQ(put(*store, numbered(1), "some payload"), "ok");
  for (std::uint32_t i = 0; faults_.injected().empty(); ++i) {
    ASSERT_LT(i, 4'000u);
    ASSERT_EQ(put(*store, numbered(100'000 + i), "x"), "ok");
  }
  {
    std::fstream segment(segments() / segment_of(*store, numbered(1)),
                         std::ios::in | std::ios::out | std::ios::binary);
    segment.seekp(format::records_at + format::record_header_bytes);
    segment.put('S');
  }
  testing::FaultFileSystem watched(posix_file_system());
  options_.file_system = &watched;
  const auto reader = open();
  std::atomic<int> locks = 0;
  std::atomic<int> syncs = 0;
  watched.observe([&](const Operation& operation) {
    locks += operation.op == Op::try_lock;
    syncs += operation.op == Op::sync_data;
  });
  EXPECT_EQ(content(reader->get(numbered(1))), "error: corrupt");
  EXPECT_EQ(content(reader->get(numbered(1))), "absent");
  EXPECT_EQ(locks, 0);
  EXPECT_EQ(syncs, 0);
}

}  // namespace
}  // namespace larder
