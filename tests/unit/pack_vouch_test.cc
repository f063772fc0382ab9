// What is taken for durable because of somebody else's syncs: an old record may only go, and an
// index may only be called whole, when the disk has all that came in its place.
//
// A copy of the directory of open stores is what their death would leave.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "format/pack_index.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

class PackVouch : public PackStoreFixture {
 protected:
  PackVouch() { options_.budget.max_bytes = 64 * mib; }  // segments of 1 MiB

  static std::string large() { return payload_of(300'000, 7); }

  // From now on this is the store, with every operation told to `faults_`.
  void die() {
    const std::string left = (directory_ / "left").string();
    fs::copy(root(), left, fs::copy_options::recursive);
    options_.directory = left;
    options_.file_system = &faults_;
  }

  void fail_syncs_of_files() {
    faults_.inject({.only = Op::sync_data, .path_contains = "/large", .repeat = Repeat::for_ever});
  }

  bool is_clean() const {
    std::ifstream state(root() / "state", std::ios::binary);
    state.seekg(format::state_words_at);
    return state.get() == 0;
  }

  // An old value, flushed, in one segment; a large one in its place in the next, which no flush has
  // reached; beside each another entry. Their writers have died.
  void leave_an_unflushed_large_one() {
    const auto first = open();
    const auto second = open();
    ASSERT_EQ(put(*first, numbered(0), "old"), "ok");
    ASSERT_EQ(put(*first, numbered(1), "beside the old one"), "ok");
    ASSERT_TRUE(first->flush());
    ASSERT_EQ(put(*second, numbered(0), large()), "ok");
    ASSERT_EQ(put(*second, numbered(2), "beside the new one"), "ok");
    old_segment_ = segment_of(*first, numbered(1));
    ASSERT_NE(old_segment_, segment_of(*second, numbered(2)));
    die();
  }

  std::set<std::string> large_files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root() / "large")) {
      if (entry.path().extension() == ".art") names.insert(entry.path().filename().string());
    }
    return names;
  }

  bool old_one_is_there() const { return fs::exists(segments() / old_segment_); }

  std::string old_segment_;
};

// As a process leaves it that is killed when its sync has failed and the index still leads there.
TEST_F(PackVouch, AnOldValueStaysWhenTheSyncOfTheNewOneFailed) {
  auto store = open();
  EXPECT_TRUE(store->maintain());  // has compared the index: it is not made anew below
  auto other = open();
  ASSERT_EQ(put(*store, numbered(0), "old"), "ok");
  ASSERT_EQ(put(*store, numbered(1), "beside it"), "ok");
  ASSERT_TRUE(store->flush());
  ASSERT_EQ(put(*other, numbered(0), "new"), "ok");
  const std::string old_segment = segment_of(*store, numbered(1));
  const std::string new_segment = segment_of(*other, numbered(0));
  ASSERT_NE(old_segment, new_segment);
  fs::rename(segments() / new_segment, segments() / (new_segment.substr(0, 8) + ".00000002.bad"));
  (void)store->prune({.max_entries = 0});
  EXPECT_TRUE(fs::exists(segments() / old_segment));
  other.reset();
  store.reset();
  lose_the_index();
  EXPECT_EQ(content(open()->get(numbered(0))), "old");
}

// What stands before the place in the name was synced.
TEST_F(PackVouch, AnOldValueLeavesWhenTheNewOneWasSyncedBefore) {
  auto store = open();
  const auto other = open();
  ASSERT_EQ(put(*store, numbered(0), "old"), "ok");
  ASSERT_EQ(put(*store, numbered(1), "beside it"), "ok");
  ASSERT_TRUE(store->flush());
  ASSERT_EQ(put(*other, numbered(0), "new"), "ok");
  const std::string old_segment = segment_of(*store, numbered(1));
  const std::string new_segment = segment_of(*other, numbered(0));
  fs::rename(segments() / new_segment, segments() / (new_segment.substr(0, 8) + ".00001000.bad"));
  EXPECT_TRUE(store->prune({.max_entries = 1}));
  EXPECT_FALSE(fs::exists(segments() / old_segment));
  EXPECT_EQ(content(store->get(numbered(0))), "new");
}

// The owner's flush fails while this process is syncing the same segment.
TEST_F(PackVouch, ASegmentThatIsRenamedMeanwhileIsNoSuccess) {
  const auto other = open();
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "old"), "ok");
  ASSERT_EQ(put(*store, numbered(1), "beside it"), "ok");
  ASSERT_TRUE(store->flush());
  ASSERT_EQ(put(*other, numbered(0), "new"), "ok");
  const std::string old_segment = segment_of(*store, numbered(1));
  const std::string new_segment = segment_of(*other, numbered(0));
  bool was_renamed = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::sync_data || !operation.path.ends_with(new_segment) || was_renamed) {
      return;
    }
    was_renamed = true;
    fs::rename(segments() / new_segment, segments() / (new_segment.substr(0, 8) + ".00000002.bad"));
  });
  (void)store->prune({.max_entries = 1});
  EXPECT_TRUE(was_renamed);
  EXPECT_TRUE(fs::exists(segments() / old_segment));
}

// The copy that eviction has made is synced; the file that it leads to was not.
TEST_F(PackVouch, AnOldValueStaysUntilTheFileOfACarriedOneIsSynced) {
  leave_an_unflushed_large_one();
  const auto store = open();
  EXPECT_TRUE(*store->contains(numbered(0)) && *store->contains(numbered(1)));
  ASSERT_TRUE(store->prune({.max_entries = 2}));  // the large one is carried
  ASSERT_TRUE(old_one_is_there());
  EXPECT_TRUE(*store->contains(numbered(0)));
  fail_syncs_of_files();
  (void)store->prune({.max_entries = 1});
  EXPECT_FALSE(faults_.injected().empty());
  EXPECT_TRUE(old_one_is_there());
}

// This process has taken over the segment, and its flush syncs that.
TEST_F(PackVouch, AnOldValueStaysUntilTheFileOfAnAdoptedOneIsSynced) {
  leave_an_unflushed_large_one();
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(3), "adopts the later segment"), "ok");
  ASSERT_EQ(segment_names().size(), 2u);
  ASSERT_NE(segment_of(*store, numbered(3)), old_segment_);
  for (const std::uint32_t used : {0u, 2u, 3u}) EXPECT_TRUE(*store->contains(numbered(used)));
  fail_syncs_of_files();
  (void)store->prune({.max_entries = 3});
  EXPECT_FALSE(faults_.injected().empty());
  EXPECT_TRUE(old_one_is_there());
}

TEST_F(PackVouch, AnOldValueLeavesWhenTheFileIsSynced) {
  leave_an_unflushed_large_one();
  const auto store = open();
  for (const std::uint32_t used : {0u, 2u}) EXPECT_TRUE(*store->contains(numbered(used)));
  bool is_synced = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::sync_data && operation.path.contains("/large")) is_synced = true;
    if (operation.op == Op::remove_file && operation.path.ends_with(old_segment_)) {
      EXPECT_TRUE(is_synced);
    }
  });
  ASSERT_TRUE(store->prune({.max_entries = 2}));
  EXPECT_FALSE(old_one_is_there());
  EXPECT_EQ(content(store->get(numbered(0))), large());
}

// Whoever makes the index anew after a kill puts into it what nobody has flushed.
TEST_F(PackVouch, TheFilesThatAnIndexLeadsToAreSyncedBeforeItIsClean) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(0), large()), "ok");
    die();
  }
  bool is_synced = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::sync_data && operation.path.contains("/large")) is_synced = true;
  });
  (void)open();
  EXPECT_TRUE(is_synced);
  EXPECT_TRUE(is_clean());
  EXPECT_EQ(content(open()->get(numbered(0))), large());
}

TEST_F(PackVouch, AnIndexIsNotCleanWhenTheFilesCannotBeSynced) {
  {
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(0), large()), "ok");
    die();
  }
  fail_syncs_of_files();
  (void)open();
  EXPECT_FALSE(faults_.injected().empty());
  EXPECT_FALSE(is_clean());
}

// At each moment of the eviction another process replaces both, and flushes neither: the second one
// is behind the first one, whose file no sync of the segment reaches.
TEST_F(PackVouch, AnEvictionSecuresEachFileOfWhatIsPutMeanwhile) {
  for (int at = 1, reads = at; at <= reads; ++at) {
    fs::remove_all(root());
    options_.file_system = nullptr;
    const auto other = open();
    ASSERT_EQ(put(*other, numbered(3), "in a segment of its own"), "ok");
    {
      const auto writer = open();
      ASSERT_EQ(put(*writer, numbered(0), large()), "ok");
      ASSERT_EQ(put(*writer, numbered(1), "old"), "ok");
      ASSERT_TRUE(writer->flush());
    }
    const std::string old_segment = segment_of(*other, numbered(1));
    ASSERT_NE(old_segment, segment_of(*other, numbered(3)));
    options_.file_system = &faults_;
    const auto store = open();
    std::string put_meanwhile;  // its file
    bool is_synced = false;
    reads = 0;
    faults_.observe([&](const Operation& operation) {
      const bool is_read = operation.op == Op::read_at && operation.path.ends_with(old_segment);
      if (is_read && ++reads == at && content(other->get(numbered(0))) != "absent") {
        const auto before = large_files();
        EXPECT_EQ(put(*other, numbered(0), large() + "new"), "ok");
        EXPECT_EQ(put(*other, numbered(1), "new"), "ok");
        for (const std::string& name : large_files()) {
          if (!before.contains(name)) put_meanwhile = name;
        }
        ASSERT_FALSE(put_meanwhile.empty());
      }
      if (put_meanwhile.empty()) return;
      is_synced =
          is_synced || (operation.op == Op::sync_data && operation.path.ends_with(put_meanwhile));
      const bool leaves = operation.op == Op::remove_file && operation.path.ends_with(old_segment);
      EXPECT_TRUE(is_synced || !leaves) << "read " << at;
    });
    EXPECT_TRUE(store->prune({.max_bytes = 4096, .max_entries = 0}));
    faults_.observe({});
    EXPECT_FALSE(fs::exists(segments() / old_segment)) << "read " << at;
  }
}

// When its segment has left, the same is put again and flushed, and replaced by what no flush has
// reached.
TEST_F(PackVouch, AFileGoesWhenWhatIsInItsPlaceIsOnTheDisk) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(3), "in a segment of its own"), "ok");
  {
    const auto writer = open();
    ASSERT_EQ(put(*writer, numbered(0), large()), "ok");
    ASSERT_EQ(put(*writer, numbered(1), "beside it"), "ok");
    ASSERT_TRUE(writer->flush());
  }
  ASSERT_EQ(put(*other, numbered(0), large() + "2"), "ok");
  ASSERT_TRUE(other->flush());
  const std::string old_segment = segment_of(*other, numbered(1));
  const std::string new_segment = segment_of(*other, numbered(3));
  ASSERT_NE(old_segment, new_segment);
  options_.file_system = &faults_;
  const auto store = open();
  bool has_left = false, was_replaced = false, is_synced = false, is_gone = false;
  faults_.observe([&](const Operation& operation) {
    if (has_left && !std::exchange(was_replaced, true)) {
      EXPECT_EQ(put(*other, numbered(0), large()), "ok");
      EXPECT_TRUE(other->flush());
      EXPECT_EQ(put(*other, numbered(0), "new"), "ok");
    }
    has_left =
        has_left || (operation.op == Op::remove_file && operation.path.ends_with(old_segment));
    if (!was_replaced || is_gone) return;
    is_synced =
        is_synced || (operation.op == Op::sync_data && operation.path.ends_with(new_segment));
    is_gone = operation.op == Op::remove_file && operation.path.contains("/large/");
    EXPECT_TRUE(is_synced || !is_gone);
  });
  EXPECT_TRUE(store->prune({.max_bytes = 1}));
  faults_.observe({});
  EXPECT_TRUE(was_replaced);
  EXPECT_TRUE(is_gone);
}

// Who has emptied the slot is killed before he has written the removal, and nothing of it is left
// in the index that has grown. In another process, or in a thread of the same one.
TEST_F(PackVouch, ARemovalHoldsAlthoughAnotherOneHasEmptiedTheSlot) {
  const auto other = open();
  options_.file_system = &faults_;
  const auto store = open();
  std::uint32_t next = 10'000;
  for (const auto& second : {other, store}) {
    const std::string left = (directory_ / ("left" + std::to_string(next))).string();
    ASSERT_EQ(put(*other, numbered(0), "removed"), "ok");
    ASSERT_TRUE(other->flush());
    ASSERT_EQ(put(*store, numbered(1), "in a segment of its own"), "ok");
    std::atomic<bool> has_emptied = false, has_returned = false;
    std::jthread remover;
    faults_.observe([&](const Operation& operation) {
      if (operation.op != Op::write_at || !operation.path.ends_with(".seg")) return;
      if (has_emptied.exchange(true)) return;
      const fs::path before = index_path();
      const std::uint32_t most = next + 20'000;
      for (; next < most && index_path() == before; ++next) {
        ASSERT_EQ(put(*other, numbered(next), "short"), "ok");
      }
      ASSERT_NE(index_path(), before);
      remover = std::jthread([&] {
        EXPECT_EQ(second->remove(numbered(0)), false);
        fs::copy(root(), left, fs::copy_options::recursive);
        has_returned = true;
      });
      // A thread of the same process may have to wait for this one.
      for (int i = 0; i < 300 && !has_returned; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    EXPECT_EQ(store->remove(numbered(0)), true);
    remover.join();
    faults_.observe({});
    ASSERT_TRUE(has_emptied);
    PackStoreOptions after = options_;
    after.directory = left;
    EXPECT_EQ(content(open_pack_store(after).value()->get(numbered(0))), "absent");
  }
}

// Or each would ask the next one to be confirmed, for ever.
TEST_F(PackVouch, AConfirmationOfARemovalAsksForNoOther) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(0), "removed"), "ok");
  ASSERT_EQ(other->remove(numbered(0)), true);
  options_.file_system = &faults_;
  const auto store = open();
  const auto third = open();
  ASSERT_EQ(put(*store, numbered(1), "in a segment of its own"), "ok");
  std::size_t written = 0;
  bool is_confirmed = false, is_inside = false;
  faults_.observe([&](const Operation& operation) {
    written += is_inside && operation.op == Op::write_at;
    if (operation.op != Op::sync_data || std::exchange(is_confirmed, true)) return;
    is_inside = true;
    EXPECT_EQ(third->remove(numbered(7)), false);
    is_inside = false;
  });
  EXPECT_EQ(store->remove(numbered(0)), false);
  faults_.observe({});
  EXPECT_TRUE(is_confirmed);
  EXPECT_EQ(written, 0u);
}

}  // namespace
}  // namespace larder
