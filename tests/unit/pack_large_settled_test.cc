// The file of a large artifact goes when its removal is on the disk, whatever others have put since
// and are taking out, and whatever a segment holds that cannot be read for a while.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "base/byte_order.h"
#include "format/pack_index.h"
#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using format::StateWord;
using testing::Op;
using testing::Operation;
using testing::Repeat;

bool is_lock(const Operation& operation) {
  return operation.op == Op::try_lock && operation.path.ends_with("store/.larder-lock");
}
bool is_sync(const Operation& operation) {
  return operation.op == Op::sync_data && operation.path.ends_with(".seg");
}
bool takes_file(const Operation& operation) {
  return operation.op == Op::remove_file && operation.path.contains("/large/");
}

class PackLargeSettled : public PackUpkeep {
 protected:
  // As processes leave it that are in the middle of something.
  void set(StateWord which, std::uint64_t value) const {
    std::string word(8, '\0');
    store_little(std::as_writable_bytes(std::span(word)).data(), value);
    std::fstream state(root() / "state", std::ios::in | std::ios::out | std::ios::binary);
    state.seekp(
        static_cast<std::streamoff>(format::state_words_at + 8 * std::to_underlying(which)));
    state << word;
  }

  // A file that replaced another one, which its segment still has.
  void put_over_another(Store& store) const {
    ASSERT_EQ(put(store, numbered(0), large(0)), "ok");
    ASSERT_EQ(put(store, numbered(0), large(1)), "ok");
    ASSERT_EQ(put(store, numbered(1), large(2)), "ok");
    ASSERT_TRUE(store.flush());
  }

  // Segments that were synced between the last lock that was taken and the file's end.
  std::uint32_t synced_under_the_lock(const std::function<void()>& act) {
    std::uint32_t synced = 0, synced_before = 0;
    bool has_gone = false;
    spoilt_.observe([&](const Operation& operation) {
      if (is_lock(operation)) synced = 0;
      if (is_sync(operation)) ++synced;
      if (takes_file(operation) && !std::exchange(has_gone, true)) synced_before = synced;
    });
    act();
    spoilt_.observe({});
    EXPECT_TRUE(has_gone);
    return synced_before;
  }

  // As a killed process leaves it; all of it was flushed.
  void kill() const {
    fs::remove_all(root());
    fs::rename(directory_ / "killed", root());
  }
  void remember() const { fs::copy(root(), directory_ / "killed", fs::copy_options::recursive); }

  void make_old(const std::string& segment) const {
    fs::last_write_time(segments() / segment,
                        fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
};

TEST_F(PackLargeSettled, ARemovalIsWrittenOnceMoreBesideOthers) {
  const auto store = open();
  put_over_another(*store);
  const auto remove = [&] { EXPECT_EQ(store->remove(numbered(0)), true); };
  EXPECT_EQ(synced_under_the_lock(remove), 0u);
  put_over_another(*store);
  set(StateWord::taking_out, 1);
  EXPECT_EQ(synced_under_the_lock(remove), 1u);
  EXPECT_EQ(large_files(), 2u) << "that of the other entry, and what the first one replaced";
}

TEST_F(PackLargeSettled, AlsoBesideOneWhoEvictsAndDoesNotFlush) {
  PackStoreOptions few = options_;
  few.budget.max_entries = 4;
  few.file_system = nullptr;
  const auto other = open_pack_store(few).value();
  for (std::uint32_t i = 100; i < 110; ++i) ASSERT_EQ(put(*other, numbered(i), "short"), "ok");
  const auto store = open();
  const auto remove = [&] { EXPECT_EQ(store->remove(numbered(0)), true); };
  put_over_another(*store);
  EXPECT_EQ(synced_under_the_lock(remove), 1u);
  ASSERT_TRUE(other->flush());
  put_over_another(*store);
  EXPECT_EQ(synced_under_the_lock(remove), 0u);
}

TEST_F(PackLargeSettled, AFileStaysWhenThatIsNotOnTheDisk) {
  const auto store = open();
  put_over_another(*store);
  set(StateWord::taking_out, 1);
  spoilt_.inject({.only = Op::sync_data, .path_contains = ".seg", .at = 2});
  const std::size_t before = large_files();
  EXPECT_FALSE(store->remove(numbered(0)));
  EXPECT_EQ(spoilt_.injected().size(), 1u);
  EXPECT_EQ(large_files(), before);
}

// Its file was stored under the lock; a full disk has no room for a removal either.
TEST_F(PackLargeSettled, APutThatFailsLeavesNoFileBesideOthers) {
  const auto store = open();
  put_over_another(*store);
  set(StateWord::taking_out, 1);
  const std::size_t before = large_files();
  spoilt_.inject({.only = Op::write_at, .path_contains = ".seg", .repeat = Repeat::for_ever});
  EXPECT_NE(put(*store, numbered(7), large(7)), "ok");
  EXPECT_FALSE(spoilt_.injected().empty());
  EXPECT_EQ(large_files(), before);
}

TEST_F(PackLargeSettled, SoIsThatOfWhatIsEvictedWithItsSegment) {
  {
    const auto store = open();
    put_over_another(*store);
  }
  const auto store = open();
  set(StateWord::taking_out, 1);
  EXPECT_EQ(synced_under_the_lock([&] { EXPECT_TRUE(store->prune({.max_bytes = 1})); }), 1u);
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
}

TEST_F(PackLargeSettled, AndThatOfWhatIsEvictedAlone) {
  const auto holder = open_soundly();
  put_over_another(*holder);
  const auto store = open();
  set(StateWord::taking_out, 1);
  EXPECT_EQ(synced_under_the_lock([&] { EXPECT_TRUE(store->prune({.max_entries = 1})); }), 1u);
}

// Between what the segments were asked and the lock, somebody has put it again and taken it out.
TEST_F(PackLargeSettled, NothingIsSweptWhileOthersTakeOut) {
  const auto store = open();
  put_over_another(*store);
  spoilt_.inject({.only = Op::remove_file, .path_contains = "/large", .repeat = Repeat::for_ever});
  EXPECT_EQ(store->remove(numbered(0)), true);
  spoilt_.clear_faults();
  const std::size_t before = large_files();
  std::uint64_t epoch = 1'000;
  bool are_listed = false;
  spoilt_.observe([&](const Operation& operation) {
    if (operation.op == Op::list && operation.path.ends_with("/large")) are_listed = true;
    if (is_lock(operation) && are_listed) set(StateWord::removal_epoch, ++epoch);
  });
  set(StateWord::taking_out, 1);
  EXPECT_TRUE(store->maintain());
  EXPECT_EQ(large_files(), before);
  EXPECT_TRUE(was_told("while others remove"));
  set(StateWord::taking_out, 0);
  EXPECT_TRUE(store->maintain());
  spoilt_.observe({});
  EXPECT_LT(large_files(), before);
}

// The index leads to the first one; what replaced that, and what replaced this, cannot be read.
TEST_F(PackLargeSettled, WhatCannotBeReadForAWhileIsOverWhenAnOlderOneIsEvicted) {
  std::string unread;
  {
    const auto store = open_soundly();
    ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
    fill(*store, 100, 340);
    ASSERT_EQ(put(*store, numbered(0), large(1)), "ok");
    ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
    ASSERT_EQ(put(*store, numbered(1), "beside it"), "ok");
    ASSERT_TRUE(store->flush());
    unread = segment_of(*store, numbered(1));
    ASSERT_NE(unread, segment_of(*store, numbered(100)));
    remember();
  }
  kill();
  fail_reads_of(unread);
  {
    const auto store = open();
    ASSERT_TRUE(content(store->get(numbered(0))) == large(0));
    EXPECT_TRUE(store->prune({.max_bytes = mib}));
    EXPECT_EQ(content(store->get(numbered(0))), "absent");
  }
  spoilt_.clear_faults();
  const auto store = open();
  EXPECT_EQ(content(store->get(numbered(1))), "beside it");
  const std::string found = content(store->get(numbered(0)));
  EXPECT_TRUE(found == "absent" || found == large(0));
}

// For each job the store is opened anew, and each time the same cannot be read.
TEST_F(PackLargeSettled, FilesDoNotPileUpWhereSectorsAreLostForGood) {
  std::string unread;
  {
    const auto store = open_soundly();
    fill(*store, 100, 400);
    ASSERT_TRUE(store->flush());
    unread = segment_of(*store, numbered(100));
    remember();
  }
  kill();
  make_old(unread);
  fail_reads_of(unread);
  for (std::uint32_t job = 0; job < 12; ++job) {
    const auto store = open();
    EXPECT_TRUE(store->prune({.max_bytes = 4 * mib}));
    ASSERT_EQ(put(*store, numbered(0), large(2 * job)), "ok");
    fill(*store, 1'000 + 300 * job, 1'300 + 300 * job);
    ASSERT_EQ(put(*store, numbered(0), large(2 * job + 1)), "ok");
    ASSERT_TRUE(store->flush());
  }
  EXPECT_TRUE(fs::exists(segments() / unread));
  EXPECT_LE(large_files(), 6u);
}

}  // namespace
}  // namespace larder
