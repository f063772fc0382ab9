// An index that is made anew beside others: once, however many ask for it; and what they remove
// meanwhile is given to nobody afterwards. One that only grows is no other index.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "larder/testing/fault_file_system.h"
#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using std::chrono::milliseconds;
using testing::FaultFileSystem;
using testing::Op;
using testing::Operation;

bool is_new_index(const Operation& operation) {
  return operation.op == Op::create_file && operation.path.contains("/index.");
}

bool is_list_of_segments(const Operation& operation) {
  return operation.op == Op::list && operation.path.ends_with("/segments");
}

bool is_look_at_locks(const Operation& operation) {
  return operation.op == Op::try_lock && operation.path.ends_with("/.larder-lock");
}

void wait_until(const std::function<bool()>& condition, milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (!condition() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(milliseconds(1));
  }
}

class PackMadeAnewOnce : public PackUpkeep {
 protected:
  static constexpr std::uint32_t entries = 600;

  PackMadeAnewOnce() {
    {
      const auto store = open();
      fill(*store, 0, entries);
      EXPECT_TRUE(store->flush());
    }
    other_ = open();
    EXPECT_EQ(put(*other_, numbered(7'000), "keeps it open"), "ok");
  }

  // What its operations are is seen by `observer`, once the new index is in use.
  std::shared_ptr<PackStore> make_the_index_anew(
      const std::function<void(const Operation&)>& observer) {
    fs::remove(index_path());
    bool has_begun = false;
    made_by_.observe([&](const Operation& operation) {
      if (has_begun) observer(operation);
      has_begun = has_begun || is_new_index(operation);
      indexes_ += is_new_index(operation) ? 1 : 0;
    });
    PackStoreOptions making = options_;
    making.file_system = &made_by_;
    auto maker = open_pack_store(making);
    made_by_.observe({});
    EXPECT_TRUE(maker);
    return maker.value_or(nullptr);
  }

  // Returns when the new table is there, and nothing in it; it is filled when somebody has looked,
  // or has had the time to.
  void begin_to_make_it_anew() {
    making_ = std::jthread([this] {
      maker_ = make_the_index_anew([this](const Operation& operation) {
        if (!is_list_of_segments(operation) || has_begun_.exchange(true)) return;
        wait_until([this] { return has_looked_.load(); }, milliseconds(500));
      });
    });
    wait_until([this] { return has_begun_.load(); }, milliseconds(5'000));
    EXPECT_TRUE(has_begun_);
  }

  // So many times, each when the segments have been listed, and somebody asks for their turn.
  void make_it_anew_after_comparisons(int times) {
    spoilt_.observe([this, times, has_compared = false](const Operation& operation) mutable {
      has_compared = has_compared || is_list_of_segments(operation);
      if (!has_compared || !is_look_at_locks(operation) || indexes_ == times) return;
      has_compared = false;
      make_the_index_anew([](const Operation&) {});
    });
  }

  std::atomic<bool> has_begun_ = false, has_looked_ = false;
  std::shared_ptr<PackStore> maker_;
  std::jthread making_;
  FaultFileSystem made_by_{clock_};
  int indexes_ = 0;  // that were made by it
  std::shared_ptr<PackStore> other_;
};

// Its segment was read before the removal was written, and it is led to before that is seen.
TEST_F(PackMadeAnewOnce, WhatIsRemovedMeanwhileIsGivenToNobodyAfterwards) {
  std::atomic<bool> has_returned = false;
  std::jthread remover;
  int lists = 0, looks = 0;
  const auto maker = make_the_index_anew([&](const Operation& operation) {
    if (has_returned && ++looks < 100) {
      EXPECT_EQ(content(other_->get(numbered(300))), "absent");
    }
    if (!is_list_of_segments(operation) || ++lists != 2) return;
    remover = std::jthread([&] {
      EXPECT_TRUE(other_->remove(numbered(300)));
      has_returned = true;
    });
    wait_until([&] { return has_returned.load(); }, milliseconds(500));
  });
  ASSERT_GE(lists, 3);
  remover.join();
  EXPECT_EQ(content(other_->get(numbered(300))), "absent");
  EXPECT_EQ(content(maker->get(numbered(300))), "absent");
  EXPECT_EQ(count_present(*other_, 0, entries), entries - 1);
}

// It follows the index into a larger table, and from there into one that is just begun.
TEST_F(PackMadeAnewOnce, ARemovalSeesThatItWasBegunWhileItLooked) {
  const auto writer = open_soundly();
  fill(*writer, entries, 2'800);
  bool is_first = true;
  spoilt_.observe([&](const Operation& operation) {
    const bool is_index = operation.op == Op::open_file && operation.path.contains("/index.");
    if (is_index && std::exchange(is_first, false)) begin_to_make_it_anew();
  });
  EXPECT_TRUE(other_->remove(numbered(300)));
  making_.join();
  spoilt_.observe({});
  ASSERT_FALSE(is_first);
  for (const auto& store : {other_, writer, maker_}) {
    EXPECT_EQ(content(store->get(numbered(300))), "absent");
  }
}

// Somebody has put the same again when the remover comes to the file.
TEST_F(PackMadeAnewOnce, TheFileStaysOfWhatIsPutAgainBehindARemoval) {
  const auto writer = open_soundly();
  ASSERT_EQ(put(*writer, numbered(9'000), large(1)), "ok");
  ASSERT_TRUE(writer->flush());
  bool is_first = true;
  spoilt_.observe([&](const Operation& operation) {
    const bool is_sync = operation.op == Op::sync_data && operation.path.ends_with(".seg");
    if (!is_sync || !std::exchange(is_first, false)) return;
    EXPECT_EQ(put(*writer, numbered(9'000), large(1)), "ok");
    EXPECT_TRUE(writer->flush());
    begin_to_make_it_anew();
  });
  EXPECT_EQ(other_->remove(numbered(9'000)), true);
  has_looked_ = true;
  making_.join();
  spoilt_.observe({});
  ASSERT_FALSE(is_first);
  EXPECT_TRUE(content(writer->get(numbered(9'000))) == large(1));
}

// Of one that was killed at it nobody waits for the end.
TEST_F(PackMadeAnewOnce, ARemovalDoesNotWaitForWhoIsNotThere) {
  std::fstream state(root() / "state", std::ios::in | std::ios::out | std::ios::binary);
  state.seekp(120).put(1);
  state.close();
  EXPECT_EQ(other_->remove(numbered(300)), true);
  EXPECT_EQ(content(other_->get(numbered(300))), "absent");
  EXPECT_TRUE(other_->maintain());
  EXPECT_EQ(content(other_->get(numbered(300))), "absent");
  EXPECT_EQ(count_present(*other_, 0, entries), entries - 1);
}

TEST_F(PackMadeAnewOnce, WhoeverWaitedForItDoesNotMakeItOnceMore) {
  std::atomic<int> looks_at_locks = 0, others_indexes = 0;
  spoilt_.observe([&](const Operation& operation) {
    looks_at_locks += is_look_at_locks(operation) ? 1 : 0;
    others_indexes += is_new_index(operation) ? 1 : 0;
  });
  std::jthread pruner;
  int lists = 0;
  const auto maker = make_the_index_anew([&](const Operation& operation) {
    if (!is_list_of_segments(operation) || ++lists != 2) return;
    pruner = std::jthread([&] { EXPECT_TRUE(other_->prune({.max_entries = entries + 1})); });
    wait_until([&] { return looks_at_locks >= 3; }, milliseconds(5'000));
  });
  ASSERT_GE(lists, 2);
  pruner.join();
  spoilt_.observe({});
  EXPECT_GE(looks_at_locks, 3);
  EXPECT_EQ(indexes_, 1);
  EXPECT_EQ(others_indexes, 0);
  EXPECT_EQ(count_present(*maker, 0, entries), entries);
}

// Another process puts so much while the two are compared that the index is replaced by a larger
// one.
TEST_F(PackMadeAnewOnce, APruneGoesOnWhenTheIndexHasGrown) {
  fill(*other_, entries, 2'600);
  const auto store = open();
  const fs::path before = index_path();
  std::uint32_t next = 10'000, lists = 0;
  spoilt_.observe([&](const Operation& operation) {
    lists += is_list_of_segments(operation);
    if (!is_list_of_segments(operation) || index_path() != before || next > 10'000) return;
    for (; index_path() == before && next < 12'000; ++next) {
      if (put(*other_, numbered(next), "short") != "ok") return;
    }
  });
  const auto pruned = store->prune({.max_bytes = 4 * mib});
  spoilt_.observe({});
  ASSERT_NE(index_path(), before);
  ASSERT_TRUE(pruned);
  EXPECT_GE(pruned->evicted_entries, 1'000u);
  EXPECT_LE(lists, 9u) << "7, and 12 when it is compared once more";
}

TEST_F(PackMadeAnewOnce, APruneComparesAnIndexThatWasMadeAnewBeforeItsTurn) {
  make_it_anew_after_comparisons(1);
  const auto pruned = other_->prune({.max_bytes = mib});
  spoilt_.observe({});
  ASSERT_TRUE(pruned);
  EXPECT_EQ(indexes_, 1);
  EXPECT_GE(pruned->evicted_entries, 300u);
  EXPECT_LE(pruned->kept_bytes, mib + mib / 16);
  EXPECT_EQ(pruned->held_bytes, 0u);
}

TEST_F(PackMadeAnewOnce, APruneTellsWhatStaysForAnIndexThatIsMadeAnewAgainAndAgain) {
  make_it_anew_after_comparisons(100);
  const auto pruned = other_->prune({.max_bytes = mib});
  spoilt_.observe({});
  ASSERT_TRUE(pruned);
  EXPECT_LT(indexes_, 10);
  EXPECT_EQ(pruned->kept_entries, entries + 1);
  EXPECT_GE(pruned->held_bytes, std::uint64_t{entries} * 4096);
  EXPECT_TRUE(was_told("others keep making the index anew"));
  EXPECT_LE(other_->prune({.max_bytes = mib})->kept_bytes, mib + mib / 16);
}

TEST_F(PackMadeAnewOnce, UpkeepCompactsForAnIndexThatWasMadeAnewBeforeItsTurn) {
  const auto writer = open_soundly();
  for (std::uint32_t i = 0; i < entries; ++i) {
    ASSERT_EQ(put(*writer, numbered(i), "short"), "ok");
  }
  ASSERT_TRUE(writer->flush());
  const std::uint64_t before = disk_bytes();
  make_it_anew_after_comparisons(1);
  EXPECT_TRUE(other_->maintain());
  spoilt_.observe({});
  EXPECT_EQ(indexes_, 1);
  EXPECT_LT(disk_bytes(), before / 2);
}

}  // namespace
}  // namespace larder
