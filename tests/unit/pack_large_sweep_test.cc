// The files of large artifacts that nothing leads to are swept. Somebody may come to lead to one
// meanwhile, or be about to, or what leads there cannot be read: then it stays.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>

#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Operation;
using testing::Repeat;

class PackLargeUnused : public PackUpkeep {
 protected:
  // The file of an entry that was removed stays, since it cannot be unlinked.
  void SetUp() override {
    store_ = open();
    ASSERT_EQ(put(*store_, numbered(1), large(1)), "ok");
    ASSERT_EQ(put(*store_, numbered(2), large(2)), "ok");
    ASSERT_TRUE(store_->flush());
    spoilt_.inject({.only = Op::remove_file, .path_contains = "/large", .os_error = EIO});
    ASSERT_EQ(store_->remove(numbered(1)), true);
    ASSERT_EQ(spoilt_.injected().size(), 1u);
    ASSERT_EQ(large_files(), 2u);
  }

  // When nothing was seen to lead to the file, and its lock is about to be taken.
  template <class During>
  void maintain_and(const During& during) {
    bool are_listed = false, was_called = false;
    spoilt_.observe([&](const Operation& operation) {
      if (operation.op == Op::list && operation.path.ends_with("/large")) are_listed = true;
      const bool locks = operation.op == Op::try_lock && operation.path.ends_with("/.larder-lock");
      if (locks && are_listed && !std::exchange(was_called, true)) during();
    });
    EXPECT_TRUE(store_->maintain());
    spoilt_.observe({});
    EXPECT_TRUE(was_called);
  }

  std::shared_ptr<PackStore> store_;
};

TEST_F(PackLargeUnused, IsSwept) {
  EXPECT_TRUE(store_->maintain());
  EXPECT_EQ(large_files(), 1u);
  EXPECT_TRUE(content(store_->get(numbered(2))) == large(2));
}

TEST_F(PackLargeUnused, StaysWhenItIsPutAgainMeanwhile) {
  const auto other = open();
  maintain_and([&] { EXPECT_EQ(put(*other, numbered(1), large(1)), "ok"); });
  EXPECT_TRUE(content(store_->get(numbered(1))) == large(1));
}

// The file is found there, and the record that leads to it is about to be written.
TEST_F(PackLargeUnused, StaysWhileSomebodyPutsItAgain) {
  const auto other = open();
  bool is_written = false;
  spoilt_.observe([&](const Operation& operation) {
    const bool writes = operation.op == Op::write_at && operation.path.ends_with(".seg");
    if (!writes || std::exchange(is_written, true)) return;
    EXPECT_TRUE(store_->maintain());
  });
  ASSERT_EQ(put(*other, numbered(1), large(1)), "ok");
  spoilt_.observe({});
  ASSERT_TRUE(is_written);
  EXPECT_TRUE(content(store_->get(numbered(1))) == large(1));
}

// Nor is any other swept then: nobody knows to which it leads.
TEST_F(PackLargeUnused, StaysWhenARecordCannotBeReadAnyMore) {
  maintain_and([&] { fail_reads_of(".seg"); });
  spoilt_.clear_faults();
  EXPECT_EQ(large_files(), 2u);
  EXPECT_TRUE(content(store_->get(numbered(2))) == large(2));
  EXPECT_TRUE(store_->maintain());
  EXPECT_EQ(large_files(), 1u);
}

// What is swept goes in steps, of which each looks once more.
TEST_F(PackLargeUnused, GoesInSteps) {
  constexpr std::uint32_t most_at_once = 64;
  for (std::uint32_t i = 100; i < 100 + 2 * most_at_once; ++i) {
    ASSERT_EQ(put(*store_, numbered(i), payload_of(large_bytes, i)), "ok");
  }
  ASSERT_TRUE(store_->flush());
  spoilt_.inject({.only = Op::remove_file, .path_contains = "/large", .repeat = Repeat::for_ever});
  for (std::uint32_t i = 100; i < 100 + 2 * most_at_once; ++i) {
    ASSERT_EQ(store_->remove(numbered(i)), true);
  }
  spoilt_.clear_faults();
  ASSERT_EQ(large_files(), 2u + 2 * most_at_once);
  std::uint32_t held = 0, most_held = 0;
  spoilt_.observe([&](const Operation& operation) {
    if (!operation.path.ends_with("store/.larder-lock")) return;
    if (operation.op == Op::try_lock) ++held;
    if (operation.op == Op::unlock) --held;
    most_held = std::max(most_held, held);
  });
  EXPECT_TRUE(store_->maintain());
  spoilt_.observe({});
  EXPECT_EQ(large_files(), 1u);
  EXPECT_GE(most_held, most_at_once);
  EXPECT_LE(most_held, most_at_once + 2) << "and the turn";
}

// Between what was secured before the lock and the lock, it was put again and flushed, and replaced
// by what no flush has reached.
TEST_F(PackLargeUnused, GoesWhenWhatIsInItsPlaceIsOnTheDisk) {
  const auto other = open_soundly();
  ASSERT_EQ(put(*other, numbered(3), "in a segment of its own"), "ok");
  const std::string segment = segment_of(*other, numbered(3));
  bool is_secured = false, was_replaced = false, is_synced = false;
  spoilt_.observe([&](const Operation& operation) {
    const bool syncs = operation.op == Op::sync_data && operation.path.ends_with(segment);
    const bool locks = operation.op == Op::try_lock && operation.path.ends_with("/.larder-lock");
    is_secured = is_secured || syncs;
    if (locks && is_secured && !std::exchange(was_replaced, true)) {
      EXPECT_EQ(put(*other, numbered(1), large(1)), "ok");
      EXPECT_TRUE(other->flush());
      EXPECT_EQ(put(*other, numbered(1), "new"), "ok");
    }
    if (!was_replaced) return;
    is_synced = is_synced || syncs;
    const bool goes = operation.op == Op::remove_file && operation.path.contains("/large/");
    EXPECT_TRUE(is_synced || !goes);
  });
  EXPECT_TRUE(store_->maintain());
  spoilt_.observe({});
  EXPECT_TRUE(was_replaced);
  EXPECT_EQ(large_files(), 1u);
}

}  // namespace
}  // namespace larder
