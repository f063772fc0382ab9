// What a flush vouches for when entries are removed, damaged, evicted, replaced or moved away
// between their put and the flush.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "tests/unit/file_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using testing::Op;
using testing::Operation;

// Whether this process holds a file open that was there and has no name any more.
bool has_unlinked_open_in(const std::string& directory) {
  for (const auto& descriptor : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the iterator's own
    const std::string target = fs::read_symlink(descriptor, gone).string();
    if (target.starts_with(directory) && target.ends_with(" (deleted)")) return true;
  }
  return false;
}

using Pending = FileStoreFixture;
INSTANTIATE_TEST_SUITE_P(Layouts, Pending, ::testing::Values(FileLayout::larder, FileLayout::vyre));

TEST_P(Pending, ADamagedEntryThatWasNotFlushedIsNamed) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  write_whole(path_of(key(1)), "garbage");
  EXPECT_EQ(content(store->get(key(1))), "error: corrupt");
  const auto flushed = store->flush();
  ASSERT_FALSE(flushed) << "the put was never made durable, and nobody removed or replaced it";
  EXPECT_EQ(flushed.error().fingerprints, std::vector{key(1)});
  EXPECT_FALSE(store->durability().durable);
}

TEST_P(Pending, ALossIsNamedUntilTheEntryIsPutAgain) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  faults_.inject({.only = Op::sync_data});
  EXPECT_EQ(outcome(store->flush()), "not_durable");
  ASSERT_TRUE(store->prune({.max_entries = 0}));
  ASSERT_TRUE(store->clear());
  EXPECT_EQ(outcome(store->flush()), "not_durable") << "eviction does not bring back what was lost";
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  EXPECT_EQ(outcome(store->flush()), "ok");
}

TEST_P(Pending, RemovalByTheCallerEndsALoss) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  faults_.inject({.only = Op::sync_data});
  EXPECT_EQ(outcome(store->flush()), "not_durable");
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->remove(key(1)));
  EXPECT_EQ(outcome(store->flush()), "ok");
}

// A number without a descriptor says nothing: the file may have been removed and its number given
// to the next one, of which this store has synced no byte.
TEST_P(Pending, AFileThatMayHaveGotTheNumberOfASyncedOneIsSyncedItself) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  for (int i = 0; i < 256; ++i) {  // more than may stay open: the first one is settled
    ASSERT_TRUE(store->put(key(2, static_cast<std::uint8_t>(i)), bytes_of(std::to_string(i))));
  }
  const auto other = open_file_store({.directory = options_.directory, .layout = GetParam()});
  ASSERT_TRUE(other);
  ASSERT_TRUE((*other)->remove(key(1)));
  ASSERT_TRUE((*other)->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));  // joins what the other one wrote
  std::set<std::string> synced;
  std::mutex mutex;  // a flush syncs from several threads
  faults_.observe([&](const Operation& operation) {
    const std::lock_guard lock(mutex);
    if (operation.op == Op::sync_data) synced.insert(fs::path(operation.path).filename());
  });
  ASSERT_TRUE(store->flush());
  faults_.observe({});
  EXPECT_TRUE(synced.contains(path_of(key(1)).filename()));
}

TEST_P(Pending, WantOfDescriptorsLosesNothing) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  faults_.inject({.only = Op::open_directory, .os_error = EMFILE});
  EXPECT_EQ(outcome(store->flush()), "io_error");
  EXPECT_FALSE(store->durability().durable);
  EXPECT_EQ(store->durability().lost, 0u);
  EXPECT_EQ(outcome(store->flush()), "ok");
  EXPECT_EQ(content(store->get(key(1))), "one");
}

// The vyre layout has no folders.
class PendingInFolders : public FileStoreFixture {};
INSTANTIATE_TEST_SUITE_P(Larder, PendingInFolders, ::testing::Values(FileLayout::larder));

TEST_P(PendingInFolders, AFolderThatCannotBeOpenedJustNowLosesNothing) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  faults_.inject({.only = Op::open_subdirectory, .os_error = EMFILE});
  EXPECT_EQ(outcome(store->flush()), "io_error");
  EXPECT_EQ(outcome(store->flush()), "ok");
  EXPECT_EQ(content(store->get(key(1))), "one");
}

TEST_P(Pending, EvictionGivesBackTheSpaceOfWhatIsNotFlushed) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->prune({.max_entries = 0}));
  EXPECT_FALSE(has_unlinked_open_in(options_.directory)) << "it would keep its blocks";
  EXPECT_EQ(store->durability().pending, 1u) << "a power cut may bring back what it replaced";
  EXPECT_EQ(outcome(store->flush()), "ok");
  EXPECT_TRUE(store->durability().durable);
}

TEST_P(Pending, AListenerMayCallTheStore) {
  std::shared_ptr<Store> store;
  std::string outcome_inside;
  options_.on_evict = [&](const Eviction&) { outcome_inside = outcome(store->prune({})); };
  store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->clear());
  EXPECT_EQ(outcome_inside, "ok");
}

TEST_P(Pending, AgeIsLookedForAgainAndAgain) {
  options_.budget.max_age_s = 16;  // looked for when more than a second has gone by
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("first")));
  ASSERT_TRUE(store->put(key(2), bytes_of("second")));
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(2);
  fs::last_write_time(path_of(key(1)), old);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  ASSERT_TRUE(store->put(key(3), bytes_of("third")));
  EXPECT_FALSE(fs::exists(path_of(key(1))));
  EXPECT_TRUE(fs::exists(path_of(key(2))));
}

}  // namespace
}  // namespace larder
