// The pack store in trouble: a full disk, a store that is moved away, a sync beside another one,
// strange files, an index that is lost while others are at work.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <future>

#include "format/entry_name.h"
#include "format/pack_segment.h"
#include "pack_store_fixture.h"

namespace larder {
namespace {

using testing::Effect;
using testing::Op;
using testing::Operation;
using testing::Repeat;

class PackTrouble : public PackStoreFixture {
 protected:
  std::size_t index_files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      if (entry.path().filename().string().starts_with("index.")) ++count;
    }
    return count;
  }
};

TEST_F(PackTrouble, PutsOnAFullDiskLeaveNoFilesBehind) {
  options_.file_system = &faults_;
  const auto store = open();
  faults_.inject({.only = Op::write_at,
                  .path_contains = ".seg",
                  .repeat = Repeat::for_ever,
                  .os_error = ENOSPC});
  for (std::uint32_t i = 0; i < 20; ++i) {
    EXPECT_FALSE(store->put(numbered(i), bytes_of("artifact"), {}));
  }
  EXPECT_TRUE(segment_names().empty());
  faults_.clear_faults();
  EXPECT_EQ(put(*store, numbered(1), "artifact"), "ok");
}

TEST_F(PackTrouble, AnIndexThatCannotGrowLeavesNoFileBehind) {
  options_.file_system = &faults_;
  const auto store = open();
  faults_.inject({.only = Op::allocate,
                  .path_contains = "index.",
                  .repeat = Repeat::for_ever,
                  .effect = Effect::refuse_after,
                  .os_error = ENOSPC});
  for (std::uint32_t i = 0; i < 2800; ++i) ASSERT_EQ(put(*store, numbered(i), "artifact"), "ok");
  EXPECT_FALSE(faults_.injected().empty());
  EXPECT_EQ(index_files(), 1U);
}

// A removal syncs everything, as a flush does. One that fails must be known to whoever flushes
// meanwhile.
TEST_F(PackTrouble, AFlushWaitsForASyncThatIsUnderWay) {
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "small"), "ok");
  ASSERT_EQ(put(*store, numbered(2), payload_of(5u << 20, 2)), "ok");
  std::future<Result<void>> flushed;
  std::atomic<bool> has_begun = false;
  faults_.observe([&](const Operation& operation) {
    const bool is_large = operation.path.find("/large/") != std::string::npos;
    if (operation.op != Op::sync_data || !is_large || has_begun.exchange(true)) return;
    flushed = std::async(std::launch::async, [&] { return store->flush(); });
    // One that does not wait is done long before.
    flushed.wait_for(std::chrono::milliseconds(200));
  });
  faults_.inject({.only = Op::sync_data, .path_contains = "/large/"});
  (void)store->remove(numbered(1));
  ASSERT_TRUE(has_begun);
  const auto outcome = flushed.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::not_durable);
  EXPECT_EQ(outcome.error().fingerprints, std::vector{numbered(2)});
}

// Whoever made the segment may have ended before a flush.
TEST_F(PackTrouble, TheNameOfASegmentOfAnotherIsMadeDurable) {
  ASSERT_EQ(put(*open(), numbered(1), "artifact"), "ok");
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(2), "artifact"), "ok");
  ASSERT_EQ(segment_names().size(), 1U);
  std::atomic<int> syncs = 0;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::sync_directory && operation.path.ends_with("/segments")) ++syncs;
  });
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(syncs, 1);
}

TEST_F(PackTrouble, APutThatMeetsAMovedStoreIsPutIntoTheNextOne) {
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "old"), "ok");
  ASSERT_TRUE(store->flush());
  std::atomic<bool> is_moved = false;
  faults_.observe([&](const Operation& operation) {
    const bool is_segment = operation.path.ends_with(".seg");
    if (operation.op != Op::read_at || !is_segment || is_moved.exchange(true)) return;
    std::filesystem::rename(root(), directory_ / "moved");
    (void)store->flush();
  });
  ASSERT_EQ(put(*store, numbered(1), "new"), "ok");
  ASSERT_TRUE(is_moved);
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(content(open()->get(numbered(1))), "new");
}

TEST_F(PackTrouble, AFileThatIsNoSegmentTakesNoNumbersAway) {
  (void)open();
  std::ofstream(segments() / "01ffffff.seg") << "no segment";
  lose_the_index();
  EXPECT_EQ(put(*open(), numbered(1), "artifact"), "ok");
}

TEST_F(PackTrouble, ALinkInPlaceOfASegmentCostsItsRecordsOnly) {
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), "old"), "ok");
    ASSERT_TRUE(store->flush());
  }
  const auto segment = segments() / segment_names().at(0);
  std::filesystem::remove(segment);
  std::filesystem::create_symlink("/dev/null", segment);
  const auto store = open();
  EXPECT_EQ(put(*store, numbered(1), "new"), "ok");
  EXPECT_EQ(content(store->get(numbered(1))), "new");
}

TEST_F(PackTrouble, AViewThatCannotBeMappedIsRead) {
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "artifact"), "ok");
  faults_.inject({.only = Op::map, .path_contains = ".seg", .os_error = ENOMEM});
  const auto view = store->view(numbered(1));
  ASSERT_EQ(faults_.injected().size(), 1U);
  ASSERT_TRUE(view && *view);
  EXPECT_EQ(std::memcmp((*view)->bytes().data(), "artifact", 8), 0);
  EXPECT_EQ(content(store->get(numbered(1))), "artifact");
}

// A sector that cannot be read today may be read tomorrow: the index is made anew then.
TEST_F(PackTrouble, ALargeArtifactThatCannotBeReadIsNotTakenForLost) {
  const std::string payload = payload_of(5u << 20, 1);
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), payload), "ok");
    ASSERT_TRUE(store->flush());
  }
  lose_the_index();
  std::string told;
  options_.log = [&](LogLevel, std::string_view line) { told += line; };
  options_.file_system = &faults_;
  faults_.inject({.only = Op::read_at, .path_contains = "/large/", .repeat = Repeat::for_ever});
  EXPECT_EQ(content(open()->get(numbered(1))), "absent");
  ASSERT_FALSE(faults_.injected().empty());
  EXPECT_TRUE(told.contains("cannot be read")) << told;
  faults_.clear_faults();
  EXPECT_EQ(content(open()->get(numbered(1))), payload);
}

// Beside others: they go on with the index that there is.
TEST_F(PackTrouble, AnIndexIsNotReplacedForWantOfDescriptors) {
  const auto first = open();
  ASSERT_EQ(put(*first, numbered(1), "artifact"), "ok");
  options_.file_system = &faults_;
  faults_.inject({.only = Op::open_file, .path_contains = "index.", .os_error = EMFILE});
  const auto second = open_pack_store(options_);
  ASSERT_EQ(faults_.injected().size(), 1U);
  EXPECT_FALSE(second);
  EXPECT_EQ(content(first->get(numbered(1))), "artifact");
  EXPECT_EQ(index_files(), 1U);
  EXPECT_EQ(content(open()->get(numbered(1))), "artifact");
}

TEST_F(PackTrouble, ADirectoryWhoseFileSystemCannotBeToldIsNotOpened) {
  options_.file_system = &faults_;
  faults_.inject({.only = Op::open_directory, .os_error = EMFILE});
  EXPECT_FALSE(open_pack_store(options_));
  faults_.inject({.only = Op::file_system_type});
  EXPECT_FALSE(open_pack_store(options_));
  EXPECT_EQ(faults_.injected().size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(root()));
}

TEST_F(PackTrouble, LeftoversAreSweptByTheNextOpen) {
  ASSERT_EQ(put(*open(), numbered(1), payload_of(5u << 20, 1)), "ok");
  const std::string name = format::temporary_name(std::string(32, 'a'));
  std::ofstream(root() / name) << "x";
  std::ofstream(root() / "large" / name) << "x";
  (void)open();
  EXPECT_FALSE(std::filesystem::exists(root() / name));
  EXPECT_FALSE(std::filesystem::exists(root() / "large" / name));
}

// No summary lists it and nobody knows its name any more; it is counted all the same.
TEST_F(PackTrouble, AnEntryWithADamagedHeaderIsCountedWhenItIsEvicted) {
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), "first"), "ok");
    ASSERT_EQ(put(*store, numbered(2), "second"), "ok");
    ASSERT_TRUE(store->flush());
  }
  std::fstream file(segments() / segment_names().at(0), std::ios::in | std::ios::out);
  file.seekp(format::records_at);
  file.put('x');
  file.close();
  const auto store = open();
  const auto cleared = store->clear();
  ASSERT_TRUE(cleared) << cleared.error().message;
  EXPECT_EQ(cleared->evicted_entries, 2U);
  EXPECT_EQ(store->metrics().evictions, 2U);
}

// Each entry is in a segment of its own. While the index is made anew from them, both are put anew
// and removed: whatever was read before must not come back.
TEST_F(PackTrouble, ARebuildBesideOthersBringsNothingBack) {
  const auto first = open();
  const auto second = open();
  const auto remover = open();
  ASSERT_EQ(put(*first, numbered(1), "first"), "ok");
  ASSERT_EQ(put(*second, numbered(2), "second"), "ok");
  ASSERT_EQ(segment_names().size(), 2U);
  for (const auto& entry : std::filesystem::directory_iterator(root())) {
    if (entry.path().filename().string().starts_with("index.")) {
      std::filesystem::remove(entry.path());
    }
  }
  int opened = 0;
  std::vector<std::jthread> removals;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::open_file || !operation.path.ends_with(".seg") || ++opened != 2) return;
    for (const std::uint32_t number : {1u, 2u}) {
      EXPECT_EQ(put(*remover, numbered(number), "new"), "ok");
      removals.push_back(remove_beside(*remover, numbered(number)));
    }
  });
  options_.file_system = &faults_;
  const auto rebuilder = open();
  ASSERT_GE(opened, 2);
  removals.clear();
  EXPECT_EQ(content(remover->get(numbered(1))), "absent");
  EXPECT_EQ(content(remover->get(numbered(2))), "absent");
}

}  // namespace
}  // namespace larder
