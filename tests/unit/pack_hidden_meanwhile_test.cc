// What the index comes to lack after upkeep has compared it with the segments, and before one of
// them leaves: another process has made it anew, and slots of that were damaged.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "base/byte_order.h"
#include "format/pack_index.h"
#include "format/pack_name.h"
#include "larder/testing/fault_file_system.h"
#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

constexpr const char* first_segment = "00000000.seg";
constexpr const char* second_segment = "00000001.seg";

bool is_look_at_locks(const Operation& operation) {
  return operation.op == Op::try_lock && operation.path.ends_with("/.larder-lock");
}

// Segments of 1 MiB, which hold 244 entries of 4 KiB.
class PackHiddenMeanwhile : public PackUpkeep {
 protected:
  static constexpr std::uint32_t entries = 740;

  // In three segments that nobody holds.
  void fill_and_close() const {
    const auto writer = open_soundly();
    fill(*writer, 0, entries);
    EXPECT_TRUE(writer->flush());
  }

  // Nine of ten in the three segments are dead then.
  void replace_most() const {
    const auto writer = open_soundly();
    for (std::uint32_t i = 0; i < entries; ++i) {
      if (i % 10 == 0) continue;
      ASSERT_EQ(put(*writer, numbered(i), "short"), "ok");
    }
    EXPECT_TRUE(writer->flush());
  }

  // What leads to that segment was removed, says the index.
  void hide(const std::string& segment) const {
    const std::string index = index_bytes();
    std::fstream file(index_path(), std::ios::in | std::ios::out | std::ios::binary);
    int hidden = 0;
    for (std::size_t at = format::index_header_bytes; at < index.size(); at += format::slot_bytes) {
      const auto word =
          load_little<std::uint64_t>(std::as_bytes(std::span(index)).subspan(at + 8, 8).data());
      const auto location = format::Location::of(word & format::place_mask);
      if (word == 0 || format::segment_name(location.segment) != segment) continue;
      file.seekp(static_cast<std::streamoff>(at + 8));
      file << std::string(8, '\0');
      ++hidden;
    }
    EXPECT_GT(hidden, 0) << segment;
  }

  void make_it_anew_without(const std::string& segment) const {
    fs::remove(index_path());
    (void)open_soundly();
    hide(segment);
  }

  // Once, at the first operation of which that is true.
  void act_at(const std::function<bool(const Operation&)>& is_time,
              const std::function<void()>& act) {
    spoilt_.observe([this, is_time, act](const Operation& operation) {
      if (has_acted_ || !is_time(operation)) return;
      has_acted_ = true;
      act();
    });
  }

  // When the segments have been listed, and somebody asks for their turn.
  void act_after_the_comparison(const std::function<void()>& act) {
    act_at(
        [has_compared = false](const Operation& operation) mutable {
          has_compared =
              has_compared || (operation.op == Op::list && operation.path.ends_with("/segments"));
          return has_compared && is_look_at_locks(operation);
        },
        act);
  }

  // As a process leaves it that is killed in its sync.
  void distrust(std::uint32_t segment) const {
    std::string word(8, '\0');
    store_little(std::as_writable_bytes(std::span(word)).data(),
                 format::SyncMark{.segment = segment}.word());
    std::fstream state(root() / "state", std::ios::in | std::ios::out | std::ios::binary);
    state.seekp(format::state_marks_at);
    state << word;
  }

  std::uint64_t count_all(Store& store, std::uint64_t until = entries) const {
    std::uint64_t present = 0;
    EXPECT_TRUE(store.visit([&](const EntryInfo&) {
      ++present;
      return Visit::go_on;
    }));
    EXPECT_LE(present, until);
    return present;
  }

  bool has_acted_ = false;
};

// When its turn has lasted, it lets others go first.
TEST_F(PackHiddenMeanwhile, APruneLooksBetweenTwoSegments) {
  fill_and_close();
  replace_most();
  const auto store = open();
  ASSERT_TRUE(store->prune({.max_entries = entries}));
  bool has_left = false;
  act_at(
      [&](const Operation& operation) {
        if (operation.op == Op::remove_file && operation.path.ends_with(first_segment)) {
          has_left = true;
          std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return has_left && is_look_at_locks(operation);
      },
      [this] { make_it_anew_without(second_segment); });
  const auto pruned = store->prune({.max_bytes = mib});
  spoilt_.observe({});
  ASSERT_TRUE(has_acted_);
  ASSERT_TRUE(pruned) << pruned.error().message;
  EXPECT_EQ(pruned->evicted_entries, 0u);
  EXPECT_EQ(count_all(*store), entries);
}

// The value was there before; the slot of it is lost when the record of that has left.
TEST_F(PackHiddenMeanwhile, ADeadRecordOfTheSameTakesNoFile) {
  options_.budget = {.max_bytes = 16 * mib};
  std::string last;
  {
    const auto writer = open_soundly();
    ASSERT_EQ(put(*writer, numbered(0), large(0)), "ok");
    fill(*writer, 100, 500);
    ASSERT_EQ(put(*writer, numbered(0), large(1)), "ok");
    fill(*writer, 500, 900);
    ASSERT_EQ(put(*writer, numbered(0), large(0)), "ok");
    ASSERT_EQ(put(*writer, numbered(1), "beside it"), "ok");
    ASSERT_TRUE(writer->flush());
    last = segment_of(*writer, numbered(1));
    ASSERT_NE(last, first_segment);
  }
  const auto store = open();
  bool has_left = false;
  act_at(
      [&](const Operation& operation) {
        has_left = has_left ||
                   (operation.op == Op::remove_file && operation.path.ends_with(first_segment));
        return has_left && is_look_at_locks(operation);
      },
      [&] { hide(last); });
  for (std::uint32_t i = 10'000; fs::exists(segments() / first_segment); ++i) {
    ASSERT_LT(i, 20'000u);
    ASSERT_EQ(put(*store, numbered(i), payload_of(4096, i)), "ok");
  }
  spoilt_.observe({});
  EXPECT_TRUE(has_acted_);
  EXPECT_TRUE(store->visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes));
  EXPECT_TRUE(content(store->get(numbered(0))) == large(0));
}

TEST_F(PackHiddenMeanwhile, WhatNoSyncVouchesForIsNotWrittenAnewWithoutIt) {
  fill_and_close();
  const auto store = open();
  distrust(1);
  act_after_the_comparison([this] { make_it_anew_without(second_segment); });
  EXPECT_TRUE(store->maintain());
  spoilt_.observe({});
  ASSERT_TRUE(has_acted_);
  EXPECT_FALSE(fs::exists(segments() / second_segment));
  EXPECT_EQ(count_all(*store), entries);
}

// Of a budget that counts entries: it takes a segment for hollow to which nothing leads.
TEST_F(PackHiddenMeanwhile, ASegmentIsNotHollowForThat) {
  fill_and_close();
  options_.budget = {.max_entries = 300};
  const auto store = open();
  act_after_the_comparison([this] { make_it_anew_without(first_segment); });
  EXPECT_TRUE(store->maintain());
  spoilt_.observe({});
  ASSERT_TRUE(has_acted_);
  EXPECT_EQ(store->metrics().evictions + count_all(*store), entries);
}

// Damage was found, so the next one compares; and the one after it waits for him.
TEST_F(PackHiddenMeanwhile, NobodyTakesForComparedWhatAnotherThreadIsAbout) {
  fill_and_close();
  const auto store = open();
  ASSERT_TRUE(store->prune({.max_entries = entries}));
  spoil_record_of(payload_of(4096, 0));
  EXPECT_NE(content(store->get(numbered(0))), payload_of(4096, 0));
  hide(second_segment);
  std::jthread pruner;
  act_at(
      [](const Operation& operation) {
        return operation.op == Op::list && operation.path.ends_with("/segments");
      },
      [&] {
        pruner = std::jthread([&] {
          EXPECT_TRUE(store->prune({.max_bytes = 40 * mib}));
          EXPECT_TRUE(store->prune({.max_bytes = 3 * mib}));
        });
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
      });
  EXPECT_TRUE(store->maintain());
  pruner.join();
  spoilt_.observe({});
  ASSERT_TRUE(has_acted_);
  // The damaged one leaves, too.
  EXPECT_GT(store->metrics().evictions, 0u);
  EXPECT_EQ(store->metrics().evictions + count_all(*store), entries);
}

// What has replaced an entry of a segment cannot be made durable: the segment stays, and all that
// it holds.
TEST_F(PackHiddenMeanwhile, NothingIsLetGoOfForASegmentThatHasToStay) {
  fill_and_close();
  const auto other = open_soundly();
  ASSERT_EQ(put(*other, numbered(0), "of another process, not on the disk"), "ok");
  const std::string successor = segment_of(*other, numbered(0));
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  spoilt_.inject({.only = Op::sync_data, .path_contains = successor, .repeat = Repeat::for_ever});
  fill(*store, 10'000, 10'600);
  EXPECT_TRUE(was_told("a sync of it did not end well"));
  EXPECT_GT(store->metrics().evictions, 200u);
  EXPECT_TRUE(fs::exists(segments() / first_segment));
  EXPECT_EQ(count_present(*store, 1, 244), 243u);
}

// Nothing is gained by what would leave without it.
TEST_F(PackHiddenMeanwhile, APruneForBytesTakesNothingOfASegmentThatHasToStay) {
  fill_and_close();
  const auto other = open_soundly();
  ASSERT_EQ(put(*other, numbered(0), "of another process, not on the disk"), "ok");
  const std::string successor = segment_of(*other, numbered(0));
  const auto store = open();
  spoilt_.inject({.only = Op::sync_data, .path_contains = successor, .repeat = Repeat::for_ever});
  EXPECT_FALSE(
      store->prune({.max_bytes = 5 * mib / 2}));  // the sync fails; from now on it is known
  const auto pruned = store->prune({.max_bytes = 5 * mib / 2});
  ASSERT_TRUE(pruned);
  EXPECT_TRUE(was_told("a sync of it did not end well"));
  EXPECT_TRUE(fs::exists(segments() / first_segment));
  EXPECT_GE(pruned->held_bytes, mib * 9 / 10);
  EXPECT_LE(pruned->kept_bytes, 5 * mib / 2);
  EXPECT_EQ(count_present(*store, 1, 244), 243u);
}

}  // namespace
}  // namespace larder
