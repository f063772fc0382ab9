// Evictions that are given up after they have copied what shall stay: their copies are on the disk,
// nothing leads to them, and no rebuild may believe them when their originals have left.
#include <atomic>
#include <filesystem>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using testing::Op;
using testing::Operation;

constexpr std::uint32_t kept = 1'000'000;

class PackGivenUp : public PackStoreFixture {
 protected:
  PackGivenUp() {
    options_.budget = {.max_bytes = 6 * mib};
    options_.file_system = &shifted_;
  }

  // The first segment is copied and not yet gone when its evictor closes the store.
  void give_up_an_eviction() {
    auto evictor = open();
    store_ = open();
    ASSERT_EQ(put(*evictor, numbered(kept), "old"), "ok");
    ASSERT_TRUE(evictor->flush());
    bool is_copied = false;
    for (std::uint32_t i = 0; i < 4000 && !is_copied; ++i) {
      ASSERT_EQ(content(store_->get(numbered(kept))), "old");
      std::atomic<bool> is_synced = false;
      shifted_.observe([&](const Operation& operation) {
        if (operation.op == Op::sync_data && operation.path.ends_with(".seg")) is_synced = true;
      });
      fill(*evictor, i, i + 1);
      shifted_.observe({});
      is_copied = is_synced && i > 1000 && segment_of(*store_, numbered(kept)) == "00000000.seg";
    }
    ASSERT_TRUE(is_copied);
    ASSERT_TRUE(evictor->flush());
  }

  void let_all_leave() {
    for (int round = 0; round < 2; ++round) {
      clock_.later_s += 7200;
      ASSERT_TRUE(store_->prune({.max_age_s = 600}));
    }
    ASSERT_EQ(content(store_->get(numbered(kept))), "absent");
    ASSERT_TRUE(store_->flush());
  }

  std::string after_loss_of_the_index() {
    store_.reset();
    lose_the_index();
    return content(open()->get(numbered(kept)));
  }

  testing::FaultFileSystem shifted_{clock_};
  std::shared_ptr<PackStore> store_;
};

TEST_F(PackGivenUp, WhatLeftLaterIsNotBackFromACopy) {
  give_up_an_eviction();
  let_all_leave();
  EXPECT_EQ(after_loss_of_the_index(), "absent");
}

TEST_F(PackGivenUp, WhatReplacedItAndLeftUncoversNoCopy) {
  give_up_an_eviction();
  let_all_leave();
  // The index grows, and forgets that it was there.
  for (std::uint32_t i = 0; i < 6000; ++i) {
    ASSERT_EQ(put(*store_, numbered(20'000 + i), "x"), "ok");
  }
  ASSERT_EQ(put(*store_, numbered(kept), "new"), "ok");
  ASSERT_TRUE(store_->flush());
  let_all_leave();
  EXPECT_EQ(after_loss_of_the_index(), "absent");
}

// As above, but who evicted was killed: the next one makes the index anew.
TEST_F(PackGivenUp, CopiesOfWhoWasKilledAreNoticed) {
  give_up_an_eviction();
  store_.reset();
  lose_the_index();
  store_ = open();
  const std::string copied_to = segment_of(*store_, numbered(kept));
  ASSERT_FALSE(copied_to.empty() || copied_to == "00000000.seg");
  {
    // The copy leaves before the original.
    const auto original = hold("00000000.seg");
    clock_.later_s += 7200;
    ASSERT_TRUE(store_->prune({.max_age_s = 600}));
    ASSERT_EQ(content(store_->get(numbered(kept))), "absent");
    ASSERT_TRUE(store_->flush());
  }
  EXPECT_EQ(after_loss_of_the_index(), "absent");
}

}  // namespace
}  // namespace larder
