// Whose turn it is to evict, where several want to, and what one that goes on may carry.
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Operation;

class PackTurns : public PackStoreFixture {
 protected:
  // In the thread that evicts, each time a segment leaves.
  std::shared_ptr<PackStore> open_observed(std::function<void()> at_each_that_leaves) {
    watched_.observe([this, act = std::move(at_each_that_leaves)](const Operation& operation) {
      if (!operation.path.ends_with(".seg")) return;
      if (operation.op == Op::remove_file) act();
      if (operation.op == Op::write_at) ++writes_;
    });
    PackStoreOptions options = options_;
    options.file_system = &watched_;
    auto store = open_pack_store(options);
    EXPECT_TRUE(store);
    return store.value_or(nullptr);
  }

  // Segments of a MiB, which nobody holds.
  void fill_segments(std::uint32_t count) {
    PackStoreOptions options = options_;
    options.budget = {.max_bytes = 64 * mib};
    const auto store = open_pack_store(options).value();
    for (std::uint32_t i = 0; i < 5 * count; ++i) {
      ASSERT_EQ(put(*store, numbered(i), payload_of(200'000, i)), "ok");
    }
    ASSERT_TRUE(store->flush());
  }

  // Somebody holds the turn of a store of 30 segments until `act` has ended.
  void while_somebody_evicts(const std::function<void()>& act) {
    fill_segments(30);
    std::atomic<bool> has_begun = false, may_go_on = false;
    const auto pruning = open_observed([&] {
      has_begun = true;
      has_begun.notify_all();
      may_go_on.wait(false);
    });
    std::jthread pruner([&] { EXPECT_TRUE(pruning->prune({.max_bytes = 1})); });
    has_begun.wait(false);
    act();
    may_go_on = true;
    may_go_on.notify_all();
  }

  std::atomic<std::uint64_t> writes_ = 0;  // to segments, by who is observed

 private:
  testing::FaultFileSystem watched_{posix_file_system()};
};

// Else a store would grow for as long as somebody prunes it.
TEST_F(PackTurns, PutsEvictBetweenTheSegmentsOfAPrune) {
  fill_segments(60);
  std::atomic<bool> has_begun = false, has_ended = false;
  const auto pruning = open_observed([&] {
    has_begun = true;
    has_begun.notify_all();
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  });
  std::jthread pruner([&] {
    EXPECT_TRUE(pruning->prune({.max_bytes = 1}));
    has_ended = true;
  });
  has_begun.wait(false);
  options_.budget = {.max_bytes = 20 * mib};
  const auto putting = open();
  std::uint64_t evicted_meanwhile = 0;
  for (std::uint32_t i = 0; !has_ended; ++i) {
    ASSERT_EQ(put(*putting, numbered(100'000 + i), "y"), "ok");
    if (!has_ended) evicted_meanwhile = putting->metrics().evictions;
  }
  EXPECT_GT(evicted_meanwhile, 0u);
}

// A budget of entries alone: there is nothing to be seen in bytes.
TEST_F(PackTurns, ManyThreadsKeepANumberOfEntries) {
  constexpr std::uint32_t most = 500, each = 3'000;
  options_.budget = {.max_entries = most};
  const auto store = open();
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint32_t i = 0; i < each; ++i) {
          ASSERT_EQ(put(*store, numbered(thread * each + i), "y"), "ok");
        }
      });
    }
  }
  EXPECT_LE(store->metrics().entries, 2 * most);
}

TEST_F(PackTurns, APutEndsThoughAnEvictionDoesNot) {
  while_somebody_evicts([this] {
    options_.budget = {.max_bytes = 4 * mib};
    EXPECT_EQ(put(*open(), numbered(100'000), "y"), "ok");
  });
}

// Whose turn has lasted lets others come, and may not come back: then what is left is as it was.
TEST_F(PackTurns, WhoGetsNoOtherTurnEndsWithAnError) {
  for (const bool is_pruned : {true, false}) {
    std::filesystem::remove_all(root());
    fill_segments(30);
    options_.budget = {.max_bytes = 10 * mib};
    options_.file_system = &faults_;
    const auto store = open();
    faults_.inject({.only = Op::remove_file,
                    .path_contains = ".seg",
                    .effect = testing::Effect::delay,
                    .delay_ms = 40});
    bool has_left = false;
    faults_.observe([&](const Operation& operation) {
      const bool leaves = operation.op == Op::remove_file && operation.path.ends_with(".seg");
      if (!leaves || std::exchange(has_left, true)) return;
      faults_.inject({.only = Op::try_lock,
                      .path_contains = ".larder-lock",
                      .repeat = testing::Repeat::for_ever});
    });
    const auto pruned = is_pruned ? store->prune({.max_bytes = 1}) : PruneReport{};
    const auto maintained = is_pruned ? Result<void>() : store->maintain();
    EXPECT_EQ(pruned.has_value(), !is_pruned);
    EXPECT_EQ(maintained.has_value(), is_pruned);
    faults_.observe({});
    faults_.clear_faults();
    EXPECT_EQ(store->metrics().evictions, 5u);
    for (std::uint32_t i = 5; i < 150; ++i) {
      ASSERT_EQ(content(store->get(numbered(i))), payload_of(200'000, i)) << i;
    }
  }
}

// Else each of many processes waits for what it put itself, and none for what all of them did.
TEST_F(PackTurns, WhoGetsNoTurnTellsWhatItPut) {
  while_somebody_evicts([this] {
    options_.budget = {.max_bytes = 64 * mib};
    const auto putting = open(), other = open();
    const std::uint64_t before = other->metrics().bytes;
    for (std::uint32_t i = 0; i < 20; ++i) {
      EXPECT_EQ(put(*putting, numbered(100'000 + i), payload_of(200'000, i)), "ok");
    }
    EXPECT_GE(other->metrics().bytes, before + 3 * mib);
  });
}

// Where others hold segments, and all is read: else each segment that leaves would be written anew
// whole, and no put ever brings the store within its budget.
TEST_F(PackTurns, WhatCannotLeaveLetsNothingBeCarried) {
  std::vector<std::shared_ptr<PackStore>> holders;
  for (std::uint32_t i = 0; i < 6; ++i) {
    holders.push_back(open());
    ASSERT_EQ(put(*holders.back(), numbered(i), payload_of(1'000, i)), "ok");
  }
  constexpr std::uint32_t first = 1'000, count = 4'000;
  options_.budget = {.max_bytes = 16 * mib};
  const auto store = open_observed([] {});
  for (std::uint32_t i = first; i < first + count; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(10'000, i)), "ok");
    if (i % 64 != 0) continue;
    for (std::uint32_t known = first; known <= i; ++known) (void)store->get(numbered(known));
  }
  EXPECT_GT(store->metrics().evictions, count / 3);
  // For each entry that leaves, one is carried at most.
  EXPECT_LE(writes_, 2 * count);
}

}  // namespace
}  // namespace larder
