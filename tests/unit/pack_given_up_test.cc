// Evictions that are given up after they have copied what shall stay: their copies are on the disk,
// nothing leads to them, and no rebuild may believe them when their originals have left.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "larder/testing/memory_file_system.h"
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

// It has left the index, and its segment has not left the disk.
class PackLetGo : public PackGivenUp {
 protected:
  static std::uint32_t put_until_it_leaves(PackStore& store) {
    std::uint32_t i = 0;
    for (; i < 4000 && store.inspect(numbered(kept)).value(); ++i) fill(store, i, i + 1);
    return i;
  }

  // The index grows, and forgets that it was there.
  static void forget_it(PackStore& store) {
    for (std::uint32_t i = 0; i < 6000; ++i) {
      ASSERT_EQ(put(store, numbered(20'000 + i), "x"), "ok");
    }
  }

  void remove_and_lose_the_index() {
    ASSERT_TRUE(fs::exists(segments() / "00000000.seg"));
    forget_it(*store_);
    ASSERT_EQ(content(store_->get(numbered(kept))), "absent");
    ASSERT_TRUE(store_->remove(numbered(kept)));
    ASSERT_TRUE(store_->flush());
    EXPECT_EQ(after_loss_of_the_index(), "absent");
  }
};

TEST_F(PackLetGo, ARemovalHoldsAfterAnEvictionThatWasGivenUp) {
  {
    const auto evictor = open();
    ASSERT_EQ(put(*evictor, numbered(kept), "old"), "ok");
    put_until_it_leaves(*evictor);
    ASSERT_TRUE(evictor->flush());
  }
  options_.budget = {};
  store_ = open();
  remove_and_lose_the_index();
}

TEST_F(PackLetGo, ARemovalHoldsAfterAnEvictorWasKilledBesideOthers) {
  int ends[2] = {};
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char go = 0;
    (void)!::read(ends[0], &go, 1);
    const auto evictor = open_pack_store(options_).value();
    (void)evictor->put(numbered(kept), bytes_of("old"));
    put_until_it_leaves(*evictor);
    ::_exit(0);
  }
  options_.budget = {};
  store_ = open();
  (void)!::write(ends[1], "x", 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  remove_and_lose_the_index();
}

// The index that a clean close leaves lacks what was evicted: a power cut must not bring it back.
TEST(PackPowerCut, NoSegmentIsBackBesideACleanIndex) {
  testing::MemoryFileSystem disk;
  PackStoreOptions options{
      .directory = "/store", .budget = {.max_bytes = 6 * mib}, .file_system = &disk};
  auto store = open_pack_store(options).value();
  const auto has_left = [&disk] {
    bool is_there = false;
    const auto segments = disk.open_directory("/store/segments").value();
    EXPECT_TRUE(segments->list([&](std::string_view name) {
      is_there = is_there || name == "00000000.seg";
      return true;
    }));
    return !is_there;
  };
  for (std::uint32_t i = 0; i < 10 || !has_left(); ++i) {
    ASSERT_LT(i, 4000u);
    ASSERT_TRUE(store->put(numbered(i), bytes_of(payload_of(4096, i))));
    ASSERT_TRUE(store->flush());
  }
  store.reset();
  const auto left = disk.crash_clone(1, 0);
  const auto segments = left->open_directory("/store/segments").value();
  EXPECT_TRUE(segments->list([](std::string_view name) {
    EXPECT_NE(name, "00000000.seg");
    return true;
  }));
}

}  // namespace
}  // namespace larder
