// A put that somebody overtakes after it took its sequence and before the index leads to its
// record: what the index says then is what the segments say after a rebuild.
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Operation;

class PackOvertaken : public PackStoreFixture {
 protected:
  PackOvertaken() {
    other_ = open();
    options_.file_system = &faults_;
    store_ = open();
    // The segment that takes the next record is there.
    EXPECT_EQ(put(*store_, numbered(0), "before"), "ok");
  }

  // Puts "ours" as entry 1; `overtake` comes when its record is about to be written.
  void put_and_overtake(const std::function<void()>& overtake) {
    bool is_over = false;
    faults_.observe([&](const Operation& operation) {
      if (operation.op != Op::write_at || !operation.path.ends_with(".seg") || is_over) return;
      is_over = true;
      overtake();
    });
    EXPECT_EQ(put(*store_, numbered(1), "ours"), "ok");
    faults_.observe({});
    ASSERT_TRUE(is_over);
  }

  void expect_ours_now_and_after_a_rebuild() {
    EXPECT_EQ(content(other_->get(numbered(1))), "ours");
    EXPECT_TRUE(store_->flush());
    EXPECT_TRUE(other_->flush());
    store_.reset();
    other_.reset();
    lose_the_index();
    EXPECT_EQ(content(open()->get(numbered(1))), "ours");
  }

  std::shared_ptr<PackStore> other_;
  std::shared_ptr<PackStore> store_;
};

TEST_F(PackOvertaken, ByARemovalOfWhatWasPutMeanwhile) {
  put_and_overtake([&] {
    ASSERT_EQ(put(*other_, numbered(1), "theirs"), "ok");
    ASSERT_EQ(other_->remove(numbered(1)), true);
  });
  expect_ours_now_and_after_a_rebuild();
}

TEST_F(PackOvertaken, ByAnotherValue) {
  ASSERT_EQ(put(*store_, numbered(1), "old"), "ok");
  put_and_overtake([&] { ASSERT_EQ(put(*other_, numbered(1), "theirs"), "ok"); });
  expect_ours_now_and_after_a_rebuild();
}

TEST_F(PackOvertaken, ByTheFirstValue) {
  put_and_overtake([&] { ASSERT_EQ(put(*other_, numbered(1), "theirs"), "ok"); });
  expect_ours_now_and_after_a_rebuild();
}

}  // namespace
}  // namespace larder
