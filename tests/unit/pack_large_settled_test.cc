// The file of a large artifact goes when its removal is on the disk, whatever others have put since
// and are taking out, and whatever a segment holds that cannot be read for a while.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
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

  std::uint64_t word(StateWord which) const {
    std::ifstream state(root() / "state", std::ios::binary);
    state.seekg(
        static_cast<std::streamoff>(format::state_words_at + 8 * std::to_underlying(which)));
    std::string word(8, '\0');
    state.read(word.data(), 8);
    return load_little<std::uint64_t>(std::as_bytes(std::span(word)).data());
  }

  // How often segments were synced until the first file went.
  struct Synced {
    std::uint32_t in_all = 0;
    std::uint32_t under_the_lock = 0;  // since the last one was taken
  };
  Synced synced_by(const std::function<void()>& act, const std::function<void()>& at_lock = {}) {
    Synced synced, until_then;
    bool has_gone = false;
    spoilt_.observe([&](const Operation& operation) {
      if (is_lock(operation)) {
        synced.under_the_lock = 0;
        if (at_lock) at_lock();
      }
      if (is_sync(operation)) {
        ++synced.in_all;
        ++synced.under_the_lock;
      }
      if (takes_file(operation) && !std::exchange(has_gone, true)) until_then = synced;
    });
    act();
    spoilt_.observe({});
    EXPECT_TRUE(has_gone);
    return until_then;
  }
  // While others take out one entry after the other.
  Synced synced_beside_others(const std::function<void()>& act) {
    set(StateWord::taking_out, 1);
    std::uint64_t epoch = 1'000;
    return synced_by(act, [&] { set(StateWord::removal_epoch, ++epoch); });
  }

  std::shared_ptr<PackStore> open_with_few_entries() const {
    PackStoreOptions few = options_;
    few.budget.max_entries = 4;
    return open_pack_store(few).value();
  }
  void evict_alone(Store& store) const {
    for (std::uint32_t i = 100; i < 110; ++i) ASSERT_EQ(put(store, numbered(i), "short"), "ok");
  }

  // As a killed process leaves it; all of it was flushed.
  void kill() const {
    fs::remove_all(root());
    fs::rename(directory_ / "killed", root());
  }
  void remember() const { fs::copy(root(), directory_ / "killed", fs::copy_options::recursive); }
};

TEST_F(PackLargeSettled, ARemovalIsWrittenOnceMoreBesideOthers) {
  const auto store = open();
  const auto remove = [&] { EXPECT_EQ(store->remove(numbered(0)), true); };
  put_over_another(*store);
  EXPECT_EQ(synced_by(remove).in_all, 1u);
  put_over_another(*store);
  set(StateWord::taking_out, 1);
  const Synced synced = synced_by(remove);
  EXPECT_EQ(synced.in_all, 2u);
  EXPECT_EQ(synced.under_the_lock, 0u) << "puts wait for it";
  EXPECT_EQ(large_files(), 2u) << "that of the other entry, and what the first one replaced";
}

TEST_F(PackLargeSettled, UnderTheLockWhenOthersTakeOutMeanwhile) {
  const auto store = open();
  put_over_another(*store);
  const Synced synced = synced_beside_others([&] { EXPECT_EQ(store->remove(numbered(0)), true); });
  EXPECT_EQ(synced.in_all, 3u);
  EXPECT_EQ(synced.under_the_lock, 1u);
}

// It counts no more, and may not be on the disk.
TEST_F(PackLargeSettled, AlsoWhenSomebodyHasGivenUpMeanwhile) {
  const auto store = open();
  put_over_another(*store);
  const Synced synced = synced_by([&] { EXPECT_EQ(store->remove(numbered(0)), true); },
                                  [&] { set(StateWord::forgotten, 5); });
  EXPECT_EQ(synced.under_the_lock, 1u);
}

// He may not have read what was put since.
TEST_F(PackLargeSettled, AlsoWhenSomebodyHasMadeTheIndexAnewMeanwhile) {
  const auto store = open();
  put_over_another(*store);
  set(StateWord::taking_out, 1);
  const Synced synced = synced_by([&] { EXPECT_EQ(store->remove(numbered(0)), true); },
                                  [&] { set(StateWord::rebuilds, 5); });
  EXPECT_EQ(synced.under_the_lock, 1u);
}

TEST_F(PackLargeSettled, ButNotWhenSomethingIsForgotten) {
  const auto store = open();
  put_over_another(*store);
  const Synced synced = synced_by([&] { EXPECT_EQ(store->remove(numbered(0)), true); },
                                  [&] { set(StateWord::forgotten, 1); });
  EXPECT_EQ(synced.in_all, 1u);
}

TEST_F(PackLargeSettled, AlsoBesideOneWhoEvictsAndDoesNotFlush) {
  const auto other = open_with_few_entries();
  evict_alone(*other);
  const auto store = open();
  const auto remove = [&] { EXPECT_EQ(store->remove(numbered(0)), true); };
  put_over_another(*store);
  EXPECT_EQ(synced_by(remove).in_all, 2u);
  ASSERT_TRUE(other->flush());
  put_over_another(*store);
  EXPECT_EQ(synced_by(remove).in_all, 1u);
}

// Each way in which that may be: what was taken out is not on the disk, and nobody is at it.
TEST_F(PackLargeSettled, WhoGivesUpSaysSo) {
  auto store = open_with_few_entries();
  const auto expect_told = [&](const char* what, const std::function<void()>& act) {
    set(StateWord::forgotten, 5);
    act();
    EXPECT_GT(word(StateWord::forgotten), 5u) << what;
    EXPECT_EQ(word(StateWord::taking_out), 0u) << what;
  };
  const auto fail_sync = [this] {
    spoilt_.inject({.only = Op::sync_data, .path_contains = ".seg"});
  };
  put_over_another(*store);
  expect_told("a removal that is not synced", [&] {
    fail_sync();
    EXPECT_FALSE(store->remove(numbered(0)));
  });
  expect_told("a flush that fails after an eviction", [&] {
    evict_alone(*store);
    fail_sync();
    EXPECT_FALSE(store->flush());
  });
  ASSERT_FALSE(store->flush()) << "names them once more";
  expect_told("an end without a flush", [&] {
    evict_alone(*store);
    store.reset();
  });
  store = open();
  fill(*store, 200, 210);
  ASSERT_TRUE(store->flush());
  expect_told("an eviction that fails", [&] {
    spoilt_.inject({.only = Op::remove_file, .path_contains = ".seg"});
    (void)store->prune({.max_bytes = 1});
    EXPECT_FALSE(spoilt_.injected().empty());
  });
}

TEST_F(PackLargeSettled, AFileStaysWhenThatIsNotOnTheDisk) {
  const auto store = open();
  put_over_another(*store);
  set(StateWord::taking_out, 1);
  spoilt_.inject(
      {.only = Op::sync_data, .path_contains = ".seg", .at = 2, .repeat = Repeat::for_ever});
  const std::size_t before = large_files();
  EXPECT_FALSE(store->remove(numbered(0)));
  EXPECT_FALSE(spoilt_.injected().empty());
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
  const Synced synced = synced_beside_others([&] { EXPECT_TRUE(store->prune({.max_bytes = 1})); });
  EXPECT_EQ(synced.under_the_lock, 1u);
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
}

TEST_F(PackLargeSettled, AndThatOfWhatIsEvictedAlone) {
  const auto holder = open_soundly();
  put_over_another(*holder);
  const auto store = open();
  const Synced synced =
      synced_beside_others([&] { EXPECT_TRUE(store->prune({.max_entries = 1})); });
  EXPECT_EQ(synced.under_the_lock, 1u);
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

}  // namespace
}  // namespace larder
