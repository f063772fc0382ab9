// Things under the name of an entry that are none are told, and never touched.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <string>

#include "tests/unit/file_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;

class FileStrays : public FileStoreFixture {
 protected:
  // Message by location.
  static std::map<std::string, std::string> strays_of(Store& store, Errc expected) {
    std::map<std::string, std::string> strays;
    EXPECT_TRUE(store.visit_strays(
        [&](const Stray& stray) {
          EXPECT_EQ(stray.code, expected) << stray.location;
          EXPECT_FALSE(stray.removed);
          strays[stray.location] = stray.message;
          return Visit::go_on;
        },
        Repair::yes));
    return strays;
  }
};

TEST_P(FileStrays, LinksFoldersAndPipesUnderTheNameOfAnEntryAreTold) {
  const auto store = open();
  for (const std::uint8_t i : {1, 2, 3, 4}) ASSERT_TRUE(store->put(key(i), bytes_of("x")));
  for (const std::uint8_t i : {1, 2, 3}) fs::remove(path_of(key(i)));
  fs::create_symlink(path_of(key(4)), path_of(key(1)));
  fs::create_directory(path_of(key(2)));
  ASSERT_EQ(::mkfifo(path_of(key(3)).c_str(), 0600), 0);
  write_whole(root() / "notes.txt", "not under a name of ours");
  const auto strays = strays_of(*store, Errc::not_ours);
  ASSERT_EQ(strays.size(), 3u);
  EXPECT_TRUE(strays.at(path_of(key(1))).starts_with("a link under the name of an entry;"));
  EXPECT_TRUE(strays.at(path_of(key(2))).starts_with("a folder under the name of an entry;"));
  EXPECT_TRUE(strays.at(path_of(key(3))).starts_with("a FIFO, socket or device under the name"));
  for (const std::uint8_t i : {1, 2, 3}) {
    EXPECT_TRUE(fs::exists(fs::symlink_status(path_of(key(i)))));
  }
  EXPECT_EQ(content(store->get(key(4))), "x");
}

TEST_P(FileStrays, TheVisitorMayStop) {
  const auto store = open();
  for (const std::uint8_t i : {1, 2}) {
    ASSERT_TRUE(store->put(key(i), bytes_of("x")));
    fs::remove(path_of(key(i)));
    fs::create_directory(path_of(key(i)));
  }
  int calls = 0;
  EXPECT_TRUE(store->visit_strays([&](const Stray&) {
    ++calls;
    return Visit::stop;
  }));
  EXPECT_EQ(calls, 1);
}

TEST_P(FileStrays, ALinkInPlaceOfAFolderOfEntriesIsTold) {
  if (GetParam() == FileLayout::vyre) return;  // has no folders
  const auto store = open();
  fs::create_symlink(directory_, root() / "ab");
  const auto strays = strays_of(*store, Errc::not_ours);
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_EQ(strays.begin()->first, root() / "ab");
  EXPECT_TRUE(strays.begin()->second.starts_with("no folder, but under the name of one;"));
}

TEST_P(FileStrays, WhatCannotBeLookedAtIsTold) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("x")));
  faults_.inject({.only = Op::info_at, .path_contains = path_of(key(1)).filename().string()});
  const auto strays = strays_of(*store, Errc::io_error);
  ASSERT_EQ(strays.size(), 1u);
  EXPECT_EQ(strays.begin()->first, path_of(key(1)));
  EXPECT_TRUE(strays.begin()->second.contains("injected")) << strays.begin()->second;
  EXPECT_EQ(content(store->get(key(1))), "x");
}

// Who clears a store is not told that it is empty.
TEST_P(FileStrays, WhatCannotBeLookedAtIsKept) {
  const auto store = open_with_faults();
  for (const std::uint8_t i : {1, 2}) ASSERT_TRUE(store->put(key(i), bytes_of("x")));
  faults_.inject({.only = Op::info_at, .path_contains = path_of(key(1)).filename().string()});
  const auto cleared = store->clear();
  ASSERT_TRUE(cleared);
  EXPECT_EQ(cleared->evicted_entries, 1u);
  EXPECT_EQ(cleared->kept_entries, 1u);
  EXPECT_EQ(content(store->get(key(1))), "x");
  EXPECT_EQ(store->clear().value().kept_entries, 0u);
}

TEST_P(FileStrays, ARepairNeedsAStoreThatMayBeWritten) {
  ASSERT_TRUE(open());
  options_.access = Access::read_only;
  const auto store = open();
  const auto go_on = [](const Stray&) { return Visit::go_on; };
  EXPECT_EQ(outcome(store->visit_strays(go_on)), "ok");
  EXPECT_EQ(outcome(store->visit_strays(go_on, Repair::yes)), "read_only");
}

INSTANTIATE_TEST_SUITE_P(Layouts, FileStrays,
                         ::testing::Values(FileLayout::larder, FileLayout::vyre));

}  // namespace
}  // namespace larder
