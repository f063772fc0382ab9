// An index that was lost while others have the store open is made anew beside them. Until that has
// ended, and when it never does, nothing may be taken for dead because the index lacks it.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using testing::Op;
using testing::Operation;

constexpr std::uint32_t entries = 3000;

class PackPartialIndex : public PackStoreFixture {
 protected:
  PackPartialIndex() { options_.budget.max_bytes = 64u << 20; }  // so that segments are small

  void fill(Store& store) {
    for (std::uint32_t i = 0; i < entries; ++i) {
      ASSERT_EQ(put(store, numbered(i), payload_of(1000, i)), "ok");
    }
    ASSERT_TRUE(store.flush());
  }

  void remove_index() const {
    for (const auto& entry : fs::directory_iterator(root())) {
      if (entry.path().filename().string().starts_with("index.")) fs::remove(entry.path());
    }
  }

  // Makes the index anew beside others; `during` is called once, when a segment is read.
  template <class During>
  Result<std::shared_ptr<PackStore>> open_beside_others(const During& during) {
    remove_index();
    bool was_called = false;
    faults_.observe([&](const Operation& operation) {
      if (was_called || operation.op != Op::read_at || !operation.path.ends_with(".seg")) return;
      was_called = true;
      during();
    });
    PackStoreOptions options = options_;
    options.file_system = &faults_;
    auto store = open_pack_store(options);
    faults_.observe({});
    EXPECT_TRUE(was_called);
    return store;
  }

  void fail_a_rebuild() {
    const auto failed = open_beside_others([&] {
      faults_.inject(
          {.only = Op::read_at, .repeat = testing::Repeat::for_ever, .os_error = ENOMEM});
    });
    faults_.clear_faults();
    ASSERT_FALSE(failed);
  }

  static std::uint32_t count_there(Store& store) {
    std::uint32_t there = 0;
    for (std::uint32_t i = 0; i < entries; ++i) {
      if (content(store.get(numbered(i))) == payload_of(1000, i)) ++there;
    }
    return there;
  }
};

TEST_F(PackPartialIndex, ClearSaysThatItCannotSeeAll) {
  const auto other = open();
  fill(*other);
  fail_a_rebuild();
  const auto cleared = other->clear();
  ASSERT_FALSE(cleared);
  EXPECT_NE(cleared.error().message.find("open the store once more"), std::string::npos);
  EXPECT_TRUE(open()->clear());
  EXPECT_EQ(count_there(*other), 0u);
  EXPECT_TRUE(other->flush());
  EXPECT_EQ(count_there(*open()), 0u);
}

TEST_F(PackPartialIndex, NothingLeavesForBeingMissingThere) {
  const auto other = open();
  fill(*other);
  fail_a_rebuild();
  for (std::uint32_t i = 0; i < 100; ++i) {
    ASSERT_EQ(put(*other, numbered(entries + i), payload_of(1000, i)), "ok");
  }
  const auto store = open();
  EXPECT_EQ(count_there(*store), entries);
  EXPECT_TRUE(other->maintain());
  EXPECT_EQ(count_there(*other), entries);
}

// Whoever comes for upkeep makes it anew, though others keep the store open.
TEST_F(PackPartialIndex, UpkeepEndsIt) {
  for (const bool is_pruned : {true, false}) {
    fs::remove_all(root());
    const auto other = open();
    fill(*other);
    fail_a_rebuild();
    EXPECT_LT(count_there(*other), entries);
    if (is_pruned) {
      EXPECT_TRUE(other->prune({.max_bytes = 1u << 30}));
    } else {
      EXPECT_TRUE(other->maintain());
    }
    EXPECT_EQ(count_there(*other), entries);
    EXPECT_EQ(other->clear()->evicted_entries, entries);
  }
}

// The old one stands as it was.
TEST_F(PackPartialIndex, AnIndexThatCannotBeBegunMakesNoneOfTheOldOne) {
  options_.file_system = &faults_;
  const auto store = open();
  fill(*store);
  const std::string before = index_bytes();
  ASSERT_EQ(put(*store, numbered(entries), "hidden"), "ok");
  ASSERT_EQ(zero_slots_changed_since(before), 1u);
  faults_.inject({.only = Op::allocate, .path_contains = "index.", .os_error = ENOSPC});
  (void)store->maintain();
  ASSERT_EQ(faults_.injected().size(), 1u);
  faults_.clear_faults();
  EXPECT_EQ(count_there(*store), entries);
  EXPECT_TRUE(store->clear());
}

// What it lacks is not lost, and who verifies the store is not told so.
TEST_F(PackPartialIndex, NothingIsCalledHiddenForBeingMissingThere) {
  const auto other = open();
  fill(*other);
  fail_a_rebuild();
  std::uint64_t hidden = 0;
  EXPECT_TRUE(other->visit_strays(
      [&](const Stray& stray) {
        hidden += stray.entries;
        return Visit::go_on;
      },
      Repair::no));
  EXPECT_EQ(hidden, 0u);
}

TEST_F(PackPartialIndex, TheLastOneToCloseDoesNotCallItWhole) {
  auto other = open();
  fill(*other);
  fail_a_rebuild();
  other.reset();
  const auto store = open();
  EXPECT_EQ(count_there(*store), entries);
}

TEST_F(PackPartialIndex, WhatIsRemovedMeanwhileDoesNotComeBack) {
  const auto other = open();
  fill(*other);
  std::jthread remover;
  const auto store = open_beside_others([&] { remover = remove_beside(*other, numbered(7)); });
  ASSERT_TRUE(store);
  remover.join();
  EXPECT_EQ(content((*store)->get(numbered(7))), "absent");
  EXPECT_EQ(content(other->get(numbered(7))), "absent");
  EXPECT_EQ(count_there(**store), entries - 1);
}

// What is put meanwhile says that an older record may exist: its removal is then written.
TEST_F(PackPartialIndex, WhatIsReplacedMeanwhileDoesNotComeBack) {
  const auto other = open();
  fill(*other);
  std::jthread remover;
  const auto store = open_beside_others([&] {
    EXPECT_EQ(put(*other, numbered(7), "new"), "ok");
    EXPECT_EQ(put(*other, numbered(8), "new"), "ok");
    remover = remove_beside(*other, numbered(8));
  });
  ASSERT_TRUE(store);
  remover.join();
  EXPECT_EQ(content((*store)->get(numbered(7))), "new");
  EXPECT_EQ(content((*store)->get(numbered(8))), "absent");
  EXPECT_EQ(content(other->get(numbered(8))), "absent");
}

}  // namespace
}  // namespace larder
