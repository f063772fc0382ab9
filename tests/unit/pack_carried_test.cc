// Two processes evict by turns: one carries entries, step by step, and to a segment of which the
// other one sees but that nothing leads to it yet.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "format/pack_index.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Operation;

constexpr std::uint32_t of_a_segment = 244;
constexpr std::uint32_t read_of_first = 20;

class PackCarried : public PackStoreFixture {
 protected:
  PackCarried() {
    options_.log = [this](LogLevel, std::string_view line) { told_ += line; };
  }

  // Some of the first segment has been read, and all of the second: what is carried of that fills
  // the segment that the first one's are in, and goes on in another.
  std::shared_ptr<PackStore> about_to_evict() {
    options_.budget = {.max_bytes = 4 * mib};
    auto store = open();
    fill(*store, 0, 2 * of_a_segment);
    EXPECT_EQ(count_present(*store, 0, read_of_first), read_of_first);
    EXPECT_EQ(count_present(*store, of_a_segment, 2 * of_a_segment), of_a_segment);
    return store;
  }

  std::filesystem::path index() const {
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      if (entry.path().filename().string().starts_with("index.")) return entry.path();
    }
    return {};
  }

  std::string read_index() const {
    std::ifstream file(index(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Writes the slots that differ as they were before.
  void lead_back(const std::string& before, const std::string& after) const {
    std::fstream file(index(), std::ios::in | std::ios::out | std::ios::binary);
    for (std::size_t at = format::index_header_bytes; at < before.size();
         at += format::slot_bytes) {
      const std::string slot = before.substr(at, format::slot_bytes);
      if (after.compare(at, format::slot_bytes, slot) == 0) continue;
      file.seekp(static_cast<std::streamoff>(at));
      file << slot;
    }
  }

  std::vector<std::string> strays(Store& store) {
    std::vector<std::string> found;
    EXPECT_TRUE(store.visit_strays(
        [&](const Stray& stray) {
          found.push_back(stray.location + " " + stray.message);
          return Visit::go_on;
        },
        Repair::no));
    return found;
  }

  std::string told_;
};

// Each time the first one is about to take its turn.
TEST_F(PackCarried, AnotherProcessThatCompactsTakesNoCopyAway) {
  const auto other = open();
  options_.file_system = &faults_;
  const auto store = about_to_evict();
  bool is_others_turn = false;
  faults_.observe([&](const Operation& operation) {
    const bool is_turn = operation.op == Op::try_lock && operation.path.ends_with(".larder-lock");
    if (!is_turn || std::exchange(is_others_turn, true)) return;
    EXPECT_TRUE(other->maintain());
    is_others_turn = false;
  });
  for (std::uint32_t i = 1000; i < 1750; ++i) fill(*store, i, i + 1);
  faults_.observe({});
  EXPECT_GT(store->metrics().evictions, 0u);
  EXPECT_EQ(strays(*store), std::vector<std::string>{});
  EXPECT_GT(count_present(*store, of_a_segment, 2 * of_a_segment), of_a_segment / 2);
}

// Others take it for dead, as nothing leads there yet.
TEST_F(PackCarried, NothingIsLedToCopiesThatHaveLeft) {
  options_.file_system = &faults_;
  auto store = open();
  fill(*store, 0, 50);
  ASSERT_TRUE(store->flush());
  // When they are synced, and it is seen that the store is still where it was.
  std::filesystem::path copies;
  bool are_synced = false;
  faults_.observe([&](const Operation& operation) {
    const bool is_segment = operation.path.ends_with(".seg");
    if (is_segment && operation.op == Op::create_file) copies = operation.path;
    if (is_segment && operation.op == Op::sync_data) are_synced = operation.path == copies;
    const bool is_look = operation.op == Op::info_at && operation.path.ends_with("/segments");
    if (is_look && are_synced) std::filesystem::remove(copies);
  });
  EXPECT_TRUE(store->prune({.max_entries = 49}));
  faults_.observe({});
  EXPECT_TRUE(told_.contains("has left meanwhile")) << told_;
  EXPECT_EQ(count_present(*store, 0, 50), 49u);
  store.reset();
  EXPECT_EQ(count_present(*open(), 0, 50), 49u);
}

// What was dead when it was looked at, and is not when the segment is about to leave: somebody had
// carried it there before.
TEST_F(PackCarried, ASegmentStaysToWhichSomebodyHasLedMeanwhile) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(1), "older"), "ok");
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "newer"), "ok");
  ASSERT_EQ(put(*store, numbered(2), "copy"), "ok");
  const std::string before = read_index();
  ASSERT_EQ(put(*store, numbered(2), "original"), "ok");
  const std::string after = read_index();
  const std::string source = segment_of(*store, numbered(2));
  const std::string others = segment_of(*other, numbered(1));
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(other->flush());
  // When the removal of what has just left is synced.
  bool has_led = false;
  faults_.observe([&](const Operation& operation) {
    const bool buries = operation.op == Op::sync_data && operation.path.ends_with(".seg") &&
                        !operation.path.ends_with(source) && !operation.path.ends_with(others);
    if (buries && !std::exchange(has_led, true)) lead_back(before, after);
  });
  EXPECT_TRUE(store->prune({.max_entries = 0}));
  faults_.observe({});
  ASSERT_TRUE(has_led);
  EXPECT_TRUE(std::filesystem::exists(segments() / source));
  EXPECT_TRUE(told_.contains("another process carries entries to " + source)) << told_;
}

// Somebody has made the index anew between two steps: of two copies it leads to either.
TEST_F(PackCarried, WhatIsLedBackToItsSourceIsLedToTheCopyAgain) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(1), "older"), "ok");
  const std::string others = segment_of(*other, numbered(1));
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "newer"), "ok");
  ASSERT_EQ(put(*store, numbered(2), "carried"), "ok");
  EXPECT_EQ(content(store->get(numbered(2))), "carried");
  const std::string source = segment_of(*store, numbered(2));
  ASSERT_NE(source, others);
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(other->flush());
  const std::string before = read_index();
  // When the removal of what has just left is synced, which comes after the copies.
  int syncs = 0;
  faults_.observe([&](const Operation& operation) {
    const bool syncs_copies = operation.op == Op::sync_data && operation.path.ends_with(".seg") &&
                              !operation.path.ends_with(source);
    if (syncs_copies && ++syncs == 2) lead_back(before, read_index());
  });
  EXPECT_TRUE(store->prune({.max_entries = 1}));
  faults_.observe({});
  ASSERT_GE(syncs, 2);
  EXPECT_FALSE(std::filesystem::exists(segments() / source));
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  EXPECT_EQ(content(store->get(numbered(2))), "carried");
  EXPECT_EQ(store->metrics().evictions, 1u) << "told twice";
  EXPECT_EQ(strays(*store), std::vector<std::string>{});
}

}  // namespace
}  // namespace larder
