// The thin whole of the file store; what every store promises stands in tests/contract.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/hex.h"
#include "format/entry_name.h"
#include "larder/store.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class FileStoreTest : public testing::TestWithParam<FileLayout> {
 protected:
  FileStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "larder-").string() + std::string(6, 'X');
    directory_ = ::mkdtemp(pattern.data());
    options_ = {.directory = directory_ + "/store", .layout = GetParam()};
  }
  ~FileStoreTest() override { fs::remove_all(directory_); }

  std::shared_ptr<Store> open() {
    auto store = open_file_store(options_);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return *store;
  }

  static Fingerprint key(std::uint8_t first, std::uint8_t last = 0) {
    Fingerprint fingerprint;
    fingerprint.bytes[0] = first;
    fingerprint.bytes[31] = last;
    return fingerprint;
  }
  static std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
  }
  static std::string content(const Result<std::optional<Artifact>>& found) {
    if (!found) return "error: " + std::string(errc_name(found.error().code));
    return *found ? std::string((*found)->text()) : "absent";
  }
  fs::path path_of(const Fingerprint& fingerprint) const {
    return fs::path(options_.directory) / format::entry_path(options_.layout, fingerprint);
  }

  std::string directory_;
  FileStoreOptions options_;
};

INSTANTIATE_TEST_SUITE_P(Layouts, FileStoreTest,
                         testing::Values(FileLayout::larder, FileLayout::vyre),
                         [](const auto& layout) {
                           return layout.param == FileLayout::larder ? "larder" : "vyre";
                         });

TEST_P(FileStoreTest, EntriesOutliveTheStore) {
  {
    const auto store = open();
    EXPECT_EQ(content(store->get(key(1))), "absent");
    ASSERT_TRUE(store->put(key(1), bytes("one"), {.recipe = "r"}));
    EXPECT_FALSE(store->durability().durable);
    ASSERT_TRUE(store->flush());
    EXPECT_TRUE(store->durability().durable);
  }
  const auto store = open();
  EXPECT_EQ(content(store->get(key(1))), "one");
  EXPECT_TRUE(store->metrics().balanced());
  EXPECT_EQ(store->metrics().entries, 1u);
}

TEST_P(FileStoreTest, PutReplacesWhatDiffersAndLeavesWhatIsTheSame) {
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  EXPECT_EQ(store->metrics().puts_unchanged, 1u);
  ASSERT_TRUE(store->put(key(1), bytes("two")));
  EXPECT_EQ(content(store->get(key(1))), "two");
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(store->metrics().puts, 2u);
}

TEST_P(FileStoreTest, DamagedEntryIsCountedRemovedAndReplaced) {
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  {
    std::fstream file(path_of(key(1)), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('x');
  }
  EXPECT_EQ(content(store->get(key(1))), "error: corrupt");
  EXPECT_FALSE(fs::exists(path_of(key(1))));
  EXPECT_EQ(content(store->get(key(1))), "absent");
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  EXPECT_EQ(content(store->get(key(1))), "one");
  EXPECT_EQ(store->metrics().corrupt, 1u);
}

// It would cost every other entry, and then leave.
TEST_P(FileStoreTest, WhatIsLargerThanTheBudgetCostsNothing) {
  options_.budget.max_bytes = 1u << 20;
  const auto store = open();
  for (std::uint8_t i = 0; i < 10; ++i) ASSERT_TRUE(store->put(key(i), bytes("kept")));
  const std::string payload((1u << 20) + 1, 'x');
  const auto stored = store->put(key(99), bytes(payload));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::too_large);
  for (std::uint8_t i = 0; i < 10; ++i) EXPECT_EQ(content(store->get(key(i))), "kept");
}

// Within a second, the clock of the files does not tell which one came last.
TEST_P(FileStoreTest, WhatWasJustPutIsNotWhatLeaves) {
  options_.budget.max_entries = 5;
  const auto store = open();
  for (std::uint8_t i = 200; i > 150; --i) {
    ASSERT_TRUE(store->put(key(i), bytes("payload")));
    EXPECT_EQ(content(store->get(key(i))), "payload") << int{i};
  }
}

// More than any disk has: everything leaves.
TEST_P(FileStoreTest, FreeSpaceIsWantedMoreThanEntries) {
  options_.budget.min_free_bytes = 1ull << 60;
  const auto store = open();
  for (std::uint8_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(store->put(key(i), bytes("payload")));
    EXPECT_EQ(content(store->get(key(i))), "absent") << int{i};
  }
  EXPECT_EQ(store->metrics().evictions, 5u);
}

TEST_P(FileStoreTest, BudgetHoldsAndTheOldestLeave) {
  options_.budget.max_entries = 10;
  const auto store = open();
  for (std::uint8_t i = 0; i < 40; ++i) ASSERT_TRUE(store->put(key(i), bytes("payload")));
  std::size_t entries = 0;
  ASSERT_TRUE(store->visit([&](const EntryInfo&) {
    ++entries;
    return Visit::go_on;
  }));
  EXPECT_LE(entries, 10u);
  EXPECT_GE(entries, 9u);
  EXPECT_EQ(store->metrics().evictions, 40 - entries);
  ASSERT_TRUE(store->flush()) << "what was evicted before the flush is no failure";
}

TEST_P(FileStoreTest, ManyPutsWithoutFlushKeepFewDescriptorsOpen) {
  const auto store = open();
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(store->put(key(static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)),
                           bytes(std::to_string(i))));
  }
  const auto open_files = std::distance(fs::directory_iterator("/proc/self/fd"), {});
  EXPECT_LT(open_files, 150);
  EXPECT_EQ(store->durability().pending, 600u);
  ASSERT_TRUE(store->flush());
  EXPECT_TRUE(store->durability().durable);
}

TEST_P(FileStoreTest, ADeletedStoreIsReportedAndMadeAnew) {
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  fs::remove_all(options_.directory);
  const auto flushed = store->flush();
  ASSERT_FALSE(flushed) << "syncing files of a deleted directory succeeds and means nothing";
  EXPECT_EQ(flushed.error().code, Errc::not_durable);
  EXPECT_EQ(flushed.error().fingerprints, std::vector{key(1)});
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(content(store->get(key(1))), "one");
}

// Where a file can be made in a deleted directory, and only its name cannot.
TEST_P(FileStoreTest, ADeletedStoreInMemoryIsMadeAnewToo) {
  std::string pattern = "/dev/shm/larder-" + std::string(6, 'X');
  const std::string parent = ::mkdtemp(pattern.data());
  options_.directory = parent + "/store";
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  fs::remove_all(options_.directory);
  EXPECT_TRUE(store->put(key(2), bytes("two")));
  EXPECT_EQ(content(open()->get(key(2))), "two");
  fs::remove_all(parent);
}

TEST_P(FileStoreTest, ADeletedLockFileDoesNotSplitTheLocks) {
  const auto old_store = open();
  ASSERT_TRUE(old_store->put(key(1), bytes("one")));  // opens the lock file
  fs::remove(fs::path(options_.directory) / format::lock_name);
  const auto new_store = open();
  const auto lease = new_store->try_lease(key(1));
  ASSERT_TRUE(lease && *lease);
  const auto second = old_store->try_lease(key(1));
  ASSERT_TRUE(second);
  EXPECT_FALSE(*second) << "both stores must lock the same file";
}

TEST_P(FileStoreTest, PutMakesADirectoryAnewThatWasDeletedUnderIt) {
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes("one")));
  fs::remove_all(options_.directory);
  const auto put = store->put(key(2), bytes("two"));
  ASSERT_TRUE(put) << put.error().message;
  EXPECT_EQ(content(open()->get(key(2))), "two");
  const auto flushed = store->flush();
  ASSERT_FALSE(flushed) << "the first one was put into the directory that is gone";
  EXPECT_EQ(flushed.error().fingerprints, std::vector{key(1)});
}

// The vyre layout has no marker: naming it claims the directory.
class LarderLayout : public FileStoreTest {};
INSTANTIATE_TEST_SUITE_P(Larder, LarderLayout, testing::Values(FileLayout::larder));

TEST_P(LarderLayout, ForeignDirectoryIsRefusedUntouched) {
  fs::create_directory(options_.directory);
  std::ofstream(options_.directory + "/homework.txt") << "mine";
  const auto store = open_file_store(options_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::not_a_store);
  EXPECT_EQ(std::distance(fs::directory_iterator(options_.directory), {}), 1);
}

TEST(VyreLayout, ReadsAndWritesTheReferenceFiles) {
  std::string pattern = (fs::temp_directory_path() / "larder-").string() + std::string(6, 'X');
  const std::string directory = ::mkdtemp(pattern.data());
  Fingerprint fingerprint;
  fingerprint.bytes.fill(0xab);
  {
    std::ofstream file(directory + "/" + fingerprint.hex() + ".bin", std::ios::binary);
    const Digest digest = blake3("payload");
    file << "payload";
    file.write(reinterpret_cast<const char*>(digest.data()), 32);
  }
  const auto store = open_file_store({.directory = directory, .layout = FileLayout::vyre});
  ASSERT_TRUE(store);
  const auto found = (*store)->get(fingerprint);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->text(), "payload");
  fs::remove_all(directory);
}

}  // namespace
}  // namespace larder
