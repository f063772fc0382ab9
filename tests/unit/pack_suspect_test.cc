// Segments of which nobody knows whether the disk has them: a sync failed and the disk refused the
// name that says so, or the process was killed before it could give it. Another sync of the same
// file would succeed and prove nothing: what lives there is written anew.
//
// A copy of the directory of open stores is what their death would leave.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "format/pack_index.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

constexpr const char* first_segment = "00000000.seg";

class PackSuspect : public PackStoreFixture {
 protected:
  PackSuspect() {
    options_.budget.max_bytes = 64 * mib;  // segments of 1 MiB
    options_.file_system = &faults_;
  }

  // From now on the directory is what is left of one whose processes were killed while `store`
  // synced that segment.
  void die_in_a_sync(Store& store, const std::string& segment) {
    const fs::path left = directory_ / "left";
    faults_.observe([&](const Operation& operation) {
      if (operation.op != Op::sync_data || !operation.path.ends_with(segment)) return;
      if (!fs::exists(left)) fs::copy(root(), left, fs::copy_options::recursive);
    });
    EXPECT_TRUE(store.flush());
    faults_.observe({});
    ASSERT_TRUE(fs::exists(left));
    options_.directory = left.string();
  }

  bool is_clean() const {
    std::ifstream state(root() / "state", std::ios::binary);
    state.seekg(format::state_words_at);
    return state.get() == 0;
  }

  bool is_there(const std::string& segment) const { return fs::exists(segments() / segment); }

  // Nothing is left to be distrusted, and nothing was lost.
  void expect_settled(std::uint32_t number, const std::string& payload) {
    EXPECT_FALSE(is_there(first_segment));
    EXPECT_TRUE(is_clean());
    EXPECT_EQ(content(open()->get(numbered(number))), payload);
    lose_the_index();
    EXPECT_EQ(content(open()->get(numbered(number))), payload);
  }

  // An old value, flushed, and its successor in the hands of another process.
  void put_a_successor(Store& store, Store& other) {
    ASSERT_EQ(put(store, numbered(0), "old"), "ok");
    ASSERT_EQ(put(store, numbered(1), "beside it"), "ok");
    ASSERT_TRUE(store.flush());
    ASSERT_EQ(put(other, numbered(0), "new"), "ok");
    ASSERT_EQ(segment_of(store, numbered(1)), first_segment);
    successor_ = segment_of(other, numbered(0));
    ASSERT_NE(successor_, first_segment);
  }

  std::string successor_;
};

TEST_F(PackSuspect, ASegmentIsNotAdopted) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    die_in_a_sync(*killed, first_segment);
  }
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(2), "two"), "ok");
    EXPECT_NE(segment_of(*store, numbered(2)), first_segment);
    ASSERT_EQ(put(*store, numbered(1), "one"), "ok");
    EXPECT_EQ(store->metrics().puts_unchanged, 0u);
    EXPECT_TRUE(store->flush());
  }
  expect_settled(1, "one");
}

// What has replaced an entry of it is there as well.
TEST_F(PackSuspect, ASegmentIsWrittenAnewThoughItIsItsOwnSuccessor) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "replaced"), "ok");
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    die_in_a_sync(*killed, first_segment);
  }
  EXPECT_TRUE(open()->maintain());
  expect_settled(1, "one");
}

TEST_F(PackSuspect, OneThatCannotBeReadKeepsNobodyFromUpkeep) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    die_in_a_sync(*killed, first_segment);
  }
  const auto store = open();
  faults_.inject({.only = Op::read_at, .path_contains = first_segment, .repeat = Repeat::for_ever});
  const auto maintained = store->maintain();
  EXPECT_TRUE(maintained) << maintained.error().message;
  faults_.clear_faults();
  EXPECT_TRUE(is_there(first_segment));
  EXPECT_TRUE(store->maintain());
  EXPECT_FALSE(is_there(first_segment));
}

TEST_F(PackSuspect, TheIndexIsCleanWhenAllIsWrittenAnew) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    die_in_a_sync(*killed, first_segment);
  }
  bool is_synced = false;
  bool has_left = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::sync_data && operation.path.ends_with("00000001.seg")) is_synced = true;
    if (operation.op != Op::remove_file || !operation.path.ends_with(first_segment)) return;
    has_left = true;
    EXPECT_TRUE(is_synced);
  });
  (void)open();
  EXPECT_TRUE(has_left);
  expect_settled(1, "one");
}

// What cannot be written anew now is the next one's to write.
TEST_F(PackSuspect, TheIndexIsNotCleanBefore) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    die_in_a_sync(*killed, first_segment);
  }
  faults_.inject({.only = Op::create_file, .path_contains = ".seg", .os_error = EMFILE});
  (void)open();
  EXPECT_EQ(faults_.injected().size(), 1u);
  EXPECT_TRUE(is_there(first_segment));
  EXPECT_FALSE(is_clean());
  (void)open();
  expect_settled(1, "one");
}

// Nor where nobody gets a turn to evict.
TEST_F(PackSuspect, NorWhereItCannotBeWrittenAnewForWantOfATurn) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    die_in_a_sync(*killed, first_segment);
  }
  auto store = open();
  faults_.inject(
      {.only = Op::try_lock, .path_contains = ".larder-lock", .repeat = Repeat::for_ever});
  store.reset();
  EXPECT_FALSE(faults_.injected().empty());
  faults_.clear_faults();
  EXPECT_TRUE(is_there(first_segment));
  EXPECT_FALSE(is_clean());
  (void)open();
  expect_settled(1, "one");
}

TEST_F(PackSuspect, ASealedSegmentIsNotProven) {
  {
    const auto killed = open();
    for (std::uint32_t i = 0; segment_names().size() < 2; ++i) {
      ASSERT_LT(i, 20u);
      ASSERT_EQ(put(*killed, numbered(i), payload_of(100'000, i)), "ok");
    }
    die_in_a_sync(*killed, first_segment);
  }
  {
    const auto store = open();
    ASSERT_TRUE(store->maintain());
    EXPECT_FALSE(is_there(first_segment));
  }
  expect_settled(1, payload_of(100'000, 1));
}

TEST_F(PackSuspect, NothingOlderLeavesBecauseOfWhatIsThere) {
  {
    const auto store = open();
    const auto other = open();
    put_a_successor(*store, *other);
    die_in_a_sync(*other, successor_);
  }
  const auto store = open();
  ASSERT_TRUE(store->prune({.max_entries = 1}));
  EXPECT_TRUE(is_there(first_segment));
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(is_there(successor_));
  EXPECT_EQ(content(store->get(numbered(0))), "new");
}

// It has heard of a failure that nobody else may hear of any more.
TEST_F(PackSuspect, AFailedSyncOfAnEvictorIsRemembered) {
  options_.file_system = nullptr;
  auto other = open();
  options_.file_system = &faults_;
  const auto store = open();
  put_a_successor(*store, *other);
  faults_.inject({.only = Op::sync_data, .path_contains = successor_});
  EXPECT_FALSE(store->prune({.max_entries = 1}));
  EXPECT_EQ(faults_.injected().size(), 1u);
  EXPECT_TRUE(is_there(first_segment));
  ASSERT_TRUE(store->maintain());
  EXPECT_TRUE(is_there(first_segment));
  other.reset();
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(is_there(successor_));
  EXPECT_FALSE(is_there(first_segment));
  EXPECT_EQ(content(store->get(numbered(0))), "new");
}

TEST_F(PackSuspect, AFailedSyncOfAProofIsRemembered) {
  {
    const auto killed = open();
    for (std::uint32_t i = 0; segment_names().size() < 2; ++i) {
      ASSERT_LT(i, 20u);
      ASSERT_EQ(put(*killed, numbered(i), payload_of(100'000, i)), "ok");
    }
    const fs::path left = directory_ / "left";
    fs::copy(root(), left, fs::copy_options::recursive);
    options_.directory = left.string();
  }
  const auto store = open();
  faults_.inject({.only = Op::sync_data, .path_contains = first_segment});
  (void)store->maintain();
  EXPECT_EQ(faults_.injected().size(), 1u);
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(is_there(first_segment));
  EXPECT_EQ(content(store->get(numbered(1))), payload_of(100'000, 1));
}

TEST_F(PackSuspect, AFailedSyncAtTheEndIsRemembered) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    const fs::path left = directory_ / "left";
    fs::copy(root(), left, fs::copy_options::recursive);
    options_.directory = left.string();
  }
  faults_.inject({.only = Op::sync_data, .path_contains = first_segment});
  (void)open();
  EXPECT_EQ(faults_.injected().size(), 1u);
  EXPECT_FALSE(is_clean());
  (void)open();
  expect_settled(1, "one");
}

// What a dead owner left was not synced for certain, although its name says that it is good.
TEST_F(PackSuspect, AFailedSyncOfAnAdopterProvesNothingOfWhatItFound) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), "one"), "ok");
    const fs::path left = directory_ / "left";
    fs::copy(root(), left, fs::copy_options::recursive);
    options_.directory = left.string();
  }
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(2), "two"), "ok");
    ASSERT_EQ(segment_of(*store, numbered(2)), first_segment);
    faults_.inject({.only = Op::sync_data, .path_contains = first_segment});
    EXPECT_FALSE(store->flush());
    EXPECT_FALSE(is_there(first_segment));
    EXPECT_EQ(content(store->get(numbered(1))), "one");
  }
  EXPECT_FALSE(is_clean());
  (void)open();
  EXPECT_EQ(segment_names().size(), 1u);
  expect_settled(1, "one");
  EXPECT_EQ(content(open()->get(numbered(2))), "absent");
}

// The name is refused as well as the sync: then `state` tells the others.
TEST_F(PackSuspect, WhatAFailedSyncLostStaysAwayWithoutANameThatSaysSo) {
  auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "flushed"), "ok");
  ASSERT_TRUE(store->flush());
  ASSERT_EQ(put(*store, numbered(2), "lost"), "ok");
  for (const Op op : {Op::sync_data, Op::rename_no_replace}) {
    faults_.inject({.only = op, .repeat = Repeat::for_ever});
  }
  EXPECT_FALSE(store->flush());
  faults_.clear_faults();
  ASSERT_TRUE(is_there(first_segment));
  EXPECT_EQ(content(store->get(numbered(1))), "flushed");
  EXPECT_EQ(content(store->get(numbered(2))), "absent");
  ASSERT_EQ(put(*store, numbered(3), "three"), "ok");
  EXPECT_NE(segment_of(*store, numbered(3)), first_segment);
  const auto beside = open();
  for (const auto& entry : fs::directory_iterator(root())) {
    if (entry.path().filename().string().starts_with("index.")) fs::remove(entry.path());
  }
  const auto rebuilder = open();
  EXPECT_EQ(content(rebuilder->get(numbered(1))), "flushed");
  EXPECT_EQ(content(rebuilder->get(numbered(2))), "absent");
  EXPECT_EQ(content(rebuilder->get(numbered(3))), "three");
  ASSERT_TRUE(rebuilder->maintain());
  EXPECT_FALSE(is_there(first_segment));
  EXPECT_EQ(content(rebuilder->get(numbered(1))), "flushed");
}

// Its writer's sync fails while somebody makes the index anew, at each look at the segments: what
// stood before is there again.
TEST_F(PackSuspect, ASegmentThatIsCalledBadDuringARebuildHidesNothingOlder) {
  const std::string bad = format::bad_segment_name(1, format::records_at / format::pack_unit_bytes);
  bool is_made = false;
  for (int at = 1; !is_made; ++at) {
    ASSERT_LT(at, 10);
    fs::remove_all(root());
    {
      const auto store = open();
      const auto other = open();
      put_a_successor(*store, *other);
    }
    lose_the_index();
    ASSERT_EQ(successor_, format::segment_name(1));
    int looks = 0;
    faults_.observe([&](const Operation& operation) {
      const bool is_index = operation.op == Op::create_file && operation.path.contains("/index.");
      is_made = is_made || (is_index && looks < at);
      if (operation.op != Op::list || !operation.path.ends_with("/segments")) return;
      if (++looks == at) fs::rename(segments() / successor_, segments() / bad);
    });
    const auto rebuilder = open();
    faults_.observe({});
    if (is_made) break;  // whoever renames it afterwards looks into the index himself
    EXPECT_EQ(content(rebuilder->get(numbered(0))), "old") << at;
    EXPECT_EQ(content(rebuilder->get(numbered(1))), "beside it") << at;
  }
}

// `state` is a hint: what stands there by accident costs no entry.
TEST_F(PackSuspect, GarbageThatLooksLikeAMarkHidesNothing) {
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), "one"), "ok");
    ASSERT_TRUE(store->flush());
  }
  {
    const std::uint64_t garbage = 1ull << 63 | 2ull << 26 | 1;
    std::fstream state(root() / "state", std::ios::in | std::ios::out | std::ios::binary);
    state.seekp(format::state_marks_at);
    state.write(reinterpret_cast<const char*>(&garbage), sizeof garbage);
  }
  EXPECT_EQ(content(open()->get(numbered(1))), "one");
}

}  // namespace
}  // namespace larder
