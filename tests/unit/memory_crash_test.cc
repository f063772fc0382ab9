// What a power cut may leave of the file system in memory, and that nothing else is tried.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "larder/testing/memory_file_system.h"

namespace larder::testing {
namespace {

using Outcomes = std::set<std::string>;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

void write(File& file, std::string_view text, std::uint64_t offset = 0) {
  const std::array pieces{bytes_of(text)};
  ASSERT_TRUE(file.write_at(pieces, offset));
}

// Runs of one byte as "3a", zeros as "0".
std::string brief(std::string_view text) {
  std::string runs;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = text.find_first_not_of(text[i], i);
    if (end == std::string_view::npos) end = text.size();
    runs += (runs.empty() ? "" : " ") + std::to_string(end - i) + (text[i] == '\0' ? '0' : text[i]);
    i = end;
  }
  return runs.empty() ? "empty" : runs;
}

std::string content(FileSystem& disk, const std::string& path) {
  const auto text = disk.read_file(path, 1 << 20);
  if (!text) return text.error().code == Errc::absent ? "absent" : text.error().message;
  return brief(*text);
}

class MemoryCrashTest : public ::testing::Test {
 protected:
  // What `look` may see after a power cut now.
  template <class Look>
  Outcomes outcomes(const Look& look) {
    Outcomes seen;
    const auto explored =
        explore_crashes(disk_.crash_point(), {}, [&](MemoryFileSystem& found, const auto&) {
          seen.insert(look(found));
          return Look_::go_on;
        });
    EXPECT_TRUE(explored.is_complete);
    EXPECT_EQ(explored.states, seen.size()) << "one state was looked at twice";
    return seen;
  }

  Outcomes contents(const std::string& path) {
    return outcomes([&path](MemoryFileSystem& found) { return content(found, path); });
  }

  Outcomes names() {
    return outcomes([](MemoryFileSystem& found) {
      std::string all;
      EXPECT_TRUE(found.open_directory("/").value()->list([&](std::string_view name) {
        all += name;
        return true;
      }));
      return all;
    });
  }

  // With its name and these bytes on disk.
  std::unique_ptr<File> synced_file(const std::string& name, std::string_view text) {
    auto file = root_->create_file(name).value();
    write(*file, text);
    EXPECT_TRUE(file->sync_data());
    EXPECT_TRUE(root_->sync());
    return file;
  }

  using Look_ = ::larder::testing::Look;
  MemoryFileSystem disk_;
  std::unique_ptr<Directory> root_ = disk_.open_directory("/").value();
};

TEST_F(MemoryCrashTest, TheNameOfASyncedFileIsNotDurable) {
  const auto file = root_->create_file("f").value();
  write(*file, "aa");
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(contents("/f"), (Outcomes{"absent", "2a"}));
  ASSERT_TRUE(root_->sync());
  EXPECT_EQ(contents("/f"), Outcomes{"2a"});
}

TEST_F(MemoryCrashTest, ASyncedNameSaysNothingOfTheBytes) {
  const auto file = root_->create_file("f").value();
  write(*file, "aa");
  ASSERT_TRUE(root_->sync());
  EXPECT_EQ(contents("/f"), (Outcomes{"empty", "20", "2a"}));
}

TEST_F(MemoryCrashTest, AWriteIsTornAtSectors) {
  const auto file = synced_file("f", std::string(1536, 'a'));
  write(*file, std::string(1024, 'b'), 256);
  EXPECT_EQ(contents("/f"), (Outcomes{"1536a", "256a 256b 1024a", "512a 512b 512a",
                                      "1024a 256b 256a", "256a 768b 512a", "512a 768b 256a",
                                      "256a 256b 512a 256b 256a", "256a 1024b 256a"}));
}

TEST_F(MemoryCrashTest, ALongWriteMayEndAtASectorOrAPage) {
  const auto file = synced_file("f", "a");
  write(*file, std::string(9000, '\0'), 1);
  EXPECT_EQ(contents("/f"), (Outcomes{"1a", "1a 5110", "1a 40950", "1a 90000"}));
}

TEST_F(MemoryCrashTest, EachWriteSinceTheSyncMayBeTheLast) {
  const auto file = synced_file("f", "aa");
  write(*file, "bb");
  write(*file, "cc");
  write(*file, "bb");
  EXPECT_EQ(contents("/f"), (Outcomes{"2a", "2b", "2c"}));
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(contents("/f"), Outcomes{"2b"});
}

TEST_F(MemoryCrashTest, WhatIsAllocatedReadsAsZeros) {
  const auto file = synced_file("f", "a");
  ASSERT_TRUE(file->allocate(3));
  EXPECT_EQ(contents("/f"), (Outcomes{"1a", "1a 20"}));
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(contents("/f"), Outcomes{"1a 20"});
}

TEST_F(MemoryCrashTest, WhatIsReservedIsNoSize) {
  const auto file = synced_file("f", "a");
  ASSERT_TRUE(file->reserve(10000));
  EXPECT_EQ(file->info()->disk_bytes, 12288u);
  EXPECT_EQ(contents("/f"), Outcomes{"1a"});
}

TEST_F(MemoryCrashTest, WhatWasCutOffDoesNotComeBackWhenTheFileGrows) {
  const auto file = synced_file("f", "aaaa");
  ASSERT_TRUE(file->trim(1));
  // The zeros of the cut may be there before the new size is.
  EXPECT_EQ(contents("/f"), (Outcomes{"4a", "1a 30", "1a"}));
  ASSERT_TRUE(file->allocate(3));
  EXPECT_EQ(contents("/f"), (Outcomes{"4a", "1a 30", "1a", "1a 20"}));
  write(*file, "b", 2);
  EXPECT_EQ(contents("/f"), (Outcomes{"4a", "1a 30", "1a 10 1b 10", "1a", "1a 20", "1a 10 1b"}));
}

// "a", and behind it "bb" that a power cut has left without the size.
class StaleTail : public MemoryCrashTest {
 protected:
  StaleTail() {
    const auto file = synced_file("f", "a");
    write(*file, "bb", 1);
    found_ = disk_.crash_point().open([](const CrashChoice& choice) {
      return choice.kind == CrashChoice::Kind::tail ? choice.outcomes - 1 : 0;
    });
    file_ = found_->open_directory("/").value()->open_file("f", OpenMode::read_write).value();
    EXPECT_EQ(content(*found_, "/f"), "1a");
  }

  Outcomes after_another_cut() {
    Outcomes seen;
    explore_crashes(found_->crash_point(), {}, [&](MemoryFileSystem& again, const auto&) {
      seen.insert(content(again, "/f"));
      return Look_::go_on;
    });
    return seen;
  }

  std::unique_ptr<MemoryFileSystem> found_;
  std::unique_ptr<File> file_;
};

TEST_F(StaleTail, IsNotSeenWhenTheFileGrows) {
  EXPECT_EQ(after_another_cut(), Outcomes{"1a"});
  ASSERT_TRUE(file_->allocate(3));
  EXPECT_EQ(content(*found_, "/f"), "1a 20");
}

TEST_F(StaleTail, MayStandThereWhenAnotherCutKeepsALongerSize) {
  ASSERT_TRUE(file_->allocate(3));
  EXPECT_EQ(after_another_cut(), (Outcomes{"1a", "1a 20", "1a 2b"}));
  ASSERT_TRUE(file_->sync_data());
  EXPECT_EQ(after_another_cut(), Outcomes{"1a 20"});
}

TEST_F(StaleTail, MayStandThereInPlaceOfWhatWasWritten) {
  write(*file_, "cc", 1);
  EXPECT_EQ(after_another_cut(), (Outcomes{"1a", "1a 20", "1a 2b", "1a 2c"}));
  ASSERT_TRUE(file_->sync_data());
  EXPECT_EQ(after_another_cut(), Outcomes{"1a 2c"});
}

TEST_F(StaleTail, IsGoneWhereItWasCutOff) {
  ASSERT_TRUE(file_->trim(1));
  write(*file_, "cc", 1);
  EXPECT_EQ(after_another_cut(), (Outcomes{"1a", "1a 20", "1a 2c"}));
}

TEST_F(StaleTail, OutlivesASyncThatHasNotWrittenIt) {
  ASSERT_TRUE(file_->sync_data());
  ASSERT_TRUE(file_->allocate(3));
  EXPECT_EQ(after_another_cut(), (Outcomes{"1a", "1a 20", "1a 2b"}));
}

TEST_F(StaleTail, OutlivesCuts) {
  const auto again = found_->crash_clone(1, 0);
  const auto file =
      again->open_directory("/").value()->open_file("f", OpenMode::read_write).value();
  ASSERT_TRUE(file->allocate(3));
  EXPECT_EQ(content(*again, "/f"), "1a 20");
  const auto last = again->crash_point().open([](const CrashChoice& choice) {
    return choice.kind == CrashChoice::Kind::size ? choice.now : 0;
  });
  EXPECT_EQ(content(*last, "/f"), "1a 2b");
}

// Nobody has looked at it by then.
TEST_F(MemoryCrashTest, ATailIsAsItWasLastSyncedUnlessItIsChosen) {
  const auto file = synced_file("f", "a");
  write(*file, "bb", 1);
  const auto found = disk_.crash_clone(1, 0);
  const auto again = found->open_directory("/").value()->open_file("f", OpenMode::read_write);
  ASSERT_TRUE((*again)->allocate(3));
  Outcomes seen;
  explore_crashes(found->crash_point(), {}, [&](MemoryFileSystem& last, const auto&) {
    seen.insert(content(last, "/f"));
    return Look_::go_on;
  });
  EXPECT_EQ(seen, (Outcomes{"1a", "1a 20"}));
}

TEST_F(MemoryCrashTest, MappedWritesAreUnsyncedData) {
  const auto file = synced_file("f", "aa");
  const auto mapping = file->map(OpenMode::read_write, 2).value();
  mapping->bytes()[0] = std::byte{'b'};
  EXPECT_EQ(contents("/f"), (Outcomes{"2a", "1b 1a"}));
  mapping->bytes()[0] = std::byte{'c'};
  EXPECT_EQ(contents("/f"), (Outcomes{"2a", "1b 1a", "1c 1a"})) << "it was looked at between";
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(contents("/f"), Outcomes{"1c 1a"});
}

TEST_F(MemoryCrashTest, BytesOutliveTheirMapping) {
  const auto file = synced_file("f", "aa");
  file->map(OpenMode::read_write, 2).value()->bytes()[0] = std::byte{'b'};
  EXPECT_EQ(contents("/f"), (Outcomes{"2a", "1b 1a"}));
}

TEST_F(MemoryCrashTest, ARenameIsDoneOrNot) {
  const auto old = synced_file("f", "old");
  const auto fresh = root_->create_file("t").value();
  write(*fresh, "aaa");
  ASSERT_TRUE(fresh->sync_data());
  ASSERT_TRUE(root_->rename_over("t", *root_, "f"));
  EXPECT_EQ(outcomes([](MemoryFileSystem& found) {
              return content(found, "/t") + ", " + content(found, "/f");
            }),
            (Outcomes{"absent, 1o 1l 1d", "3a, 1o 1l 1d", "absent, 3a"}));
  ASSERT_TRUE(root_->sync());
  EXPECT_EQ(contents("/f"), Outcomes{"3a"});
  EXPECT_EQ(contents("/t"), Outcomes{"absent"});
}

TEST_F(MemoryCrashTest, AFileThatMovedTwiceIsInOnePlace) {
  synced_file("a", "x");
  ASSERT_TRUE(root_->rename_over("a", *root_, "b"));
  ASSERT_TRUE(root_->rename_over("b", *root_, "c"));
  EXPECT_EQ(names(), (Outcomes{"a", "b", "c"}));
}

TEST_F(MemoryCrashTest, ALinkIsASecondName) {
  const auto file = synced_file("a", "x");
  ASSERT_TRUE(root_->link(*file, "b"));
  ASSERT_TRUE(root_->remove_file("a"));
  EXPECT_EQ(names(), (Outcomes{"", "a", "ab", "b"})) << "the removal may be all there is";
  ASSERT_TRUE(root_->sync());
  EXPECT_EQ(names(), Outcomes{"b"});
}

TEST_F(MemoryCrashTest, ARenameBetweenDirectoriesIsDurableWithEither) {
  ASSERT_TRUE(root_->make_directory("d"));
  const auto inner = root_->open_directory("d").value();
  const auto where = [](MemoryFileSystem& found) {
    return content(found, "/f") + ", " + content(found, "/d/f");
  };
  for (Directory* const synced : {root_.get(), inner.get()}) {
    const auto file = synced_file("f", "a");
    ASSERT_TRUE(root_->rename_over("f", *inner, "f"));
    EXPECT_EQ(outcomes(where), (Outcomes{"1a, absent", "absent, 1a"}));
    ASSERT_TRUE(synced->sync());
    EXPECT_EQ(outcomes(where), Outcomes{"absent, 1a"});
    ASSERT_TRUE(inner->remove_file("f"));
    ASSERT_TRUE(inner->sync());
  }
}

TEST_F(MemoryCrashTest, ADirectoryIsLostWithAllThatIsInIt) {
  ASSERT_TRUE(root_->make_directory("d"));
  const auto inner = root_->open_directory("d").value();
  const auto file = inner->create_file("f").value();
  write(*file, "a");
  ASSERT_TRUE(file->sync_data());
  ASSERT_TRUE(inner->sync());
  EXPECT_EQ(contents("/d/f"), (Outcomes{"absent", "1a"}));
  ASSERT_TRUE(root_->sync());
  EXPECT_EQ(contents("/d/f"), Outcomes{"1a"});
}

TEST_F(MemoryCrashTest, ARemovedFileMayBeBack) {
  synced_file("f", "a");
  ASSERT_TRUE(root_->remove_file("f"));
  EXPECT_EQ(contents("/f"), (Outcomes{"absent", "1a"}));
  const auto again = root_->create_file("f").value();
  EXPECT_EQ(contents("/f"), (Outcomes{"absent", "1a", "empty"}));
  ASSERT_TRUE(root_->sync());
  EXPECT_EQ(contents("/f"), Outcomes{"empty"});
}

TEST_F(MemoryCrashTest, AnonymousFilesAreGone) {
  const auto file = root_->create_anonymous().value();
  write(*file, "a");
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(names(), Outcomes{""});
  ASSERT_TRUE(root_->link(*file, "f"));
  EXPECT_EQ(contents("/f"), (Outcomes{"absent", "1a"}));
}

TEST_F(MemoryCrashTest, LocksAreGone) {
  const auto file = synced_file("f", "a");
  ASSERT_EQ(file->try_lock(LockMode::exclusive, 0, 0), true);
  const auto found = disk_.crash_clone(1, 100);
  const auto again =
      found->open_directory("/").value()->open_file("f", OpenMode::read_write).value();
  EXPECT_EQ(again->try_lock(LockMode::exclusive, 0, 0), true);
}

TEST_F(MemoryCrashTest, AllOrNothingByPercent) {
  const auto file = synced_file("f", "a");
  write(*file, std::string(2000, 'b'));
  ASSERT_TRUE(root_->make_directory("d"));
  const auto nothing = disk_.crash_clone(1, 0);
  EXPECT_EQ(content(*nothing, "/f"), "1a");
  EXPECT_FALSE(nothing->open_directory("/d"));
  const auto all = disk_.crash_clone(1, 100);
  EXPECT_EQ(content(*all, "/f"), "2000b");
  EXPECT_TRUE(all->open_directory("/d"));
}

TEST_F(MemoryCrashTest, ASeedGivesTheSameStateAgainAndAllSeedsGiveAll) {
  const auto file = synced_file("f", "a");
  write(*file, "b");
  ASSERT_TRUE(root_->remove_file("f"));
  Outcomes seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::string once = content(*disk_.crash_clone(seed, 50), "/f");
    EXPECT_EQ(once, content(*disk_.crash_clone(seed, 50), "/f"));
    seen.insert(once);
  }
  EXPECT_EQ(seen, contents("/f"));
}

TEST_F(MemoryCrashTest, WhatIsNotLookedAtIsNotAskedFor) {
  const auto file = synced_file("f", "a");
  write(*file, std::string(4096, 'b'));
  ASSERT_TRUE(root_->create_file("g"));
  EXPECT_EQ(disk_.crash_point().pending().size(), 1u + 1u + 8u) << "a name, a size, eight sectors";
  EXPECT_EQ(contents("/h"), Outcomes{"absent"});
  EXPECT_EQ(contents("/g"), (Outcomes{"absent", "empty"}));
  // What is written over need not be known.
  const auto seen = outcomes([](MemoryFileSystem& found) {
    const auto inside = found.open_directory("/").value()->open_file("f", OpenMode::read_write);
    const bool is_long = (*inside)->info()->size_bytes == 4096;
    if (is_long) write(**inside, std::string(4096, 'c'));
    return is_long ? content(found, "/f") : std::to_string((*inside)->info()->size_bytes);
  });
  EXPECT_EQ(seen, (Outcomes{"1", "512", "4096c"}));
}

TEST_F(MemoryCrashTest, WhatWasFoundCanBeLostAgain) {
  const auto file = synced_file("f", std::string(600, 'a'));
  write(*file, std::string(600, 'b'));
  Outcomes seen;
  explore_crashes(disk_.crash_point(), {}, [&](MemoryFileSystem& found, const auto&) {
    const auto root = found.open_directory("/").value();
    const auto inside = root->open_file("f", OpenMode::read_write).value();
    write(*inside, "c");
    EXPECT_NE(content(*found.crash_clone(1, 0), "/f").front(), '1') << "that is not synced";
    EXPECT_TRUE(inside->sync_data());
    seen.insert(content(*found.crash_clone(1, 0), "/f"));
    EXPECT_TRUE(root->remove_file("f"));
    EXPECT_NE(content(*found.crash_clone(1, 0), "/f"), "absent");
    EXPECT_TRUE(root->sync());
    EXPECT_EQ(content(*found.crash_clone(1, 0), "/f"), "absent");
    return Look_::go_on;
  });
  EXPECT_EQ(seen, (Outcomes{"1c 599a", "1c 511b 88a", "1c 511a 88b", "1c 599b"}));
}

TEST_F(MemoryCrashTest, ExplorationStopsWhereItIsToldTo) {
  const auto file = synced_file("f", std::string(2048, 'a'));
  write(*file, std::string(2048, 'b'));
  std::uint64_t looks = 0;
  const auto capped = explore_crashes(disk_.crash_point(), {.most_states = 5},
                                      [&](MemoryFileSystem& found, const auto&) {
                                        content(found, "/f");
                                        ++looks;
                                        return Look_::go_on;
                                      });
  EXPECT_FALSE(capped.is_complete);
  EXPECT_EQ(capped.states, 5u);
  EXPECT_EQ(looks, 5u);
  std::string told;
  const auto stopped =
      explore_crashes(disk_.crash_point(), {}, [&](MemoryFileSystem& found, const auto& decisions) {
        content(found, "/f");
        told = describe(decisions);
        return Look_::stop;
      });
  EXPECT_FALSE(stopped.is_complete);
  EXPECT_EQ(stopped.states, 1u);
  EXPECT_EQ(told, "sector f+0 0/1, sector f+512 0/1, sector f+1024 0/1, sector f+1536 0/1");
}

TEST_F(MemoryCrashTest, WhatWasOnlyThereBetweenCanBeLeftOut) {
  const auto file = synced_file("f", "aa");
  write(*file, "bb");
  write(*file, "cc");
  Outcomes seen;
  const auto look = [&](MemoryFileSystem& found, const auto&) {
    seen.insert(content(found, "/f"));
    return Look_::go_on;
  };
  explore_crashes(disk_.crash_point(), {.between = Between::left_out}, look);
  EXPECT_EQ(seen, (Outcomes{"2a", "2c"}));
  write(*file, "aa");
  seen.clear();
  explore_crashes(disk_.crash_point(), {.between = Between::left_out}, look);
  EXPECT_EQ(seen, Outcomes{"2a"});
}

TEST_F(MemoryCrashTest, PointsThatLeaveTheSameHaveTheSameHash) {
  const auto file = synced_file("f", "a");
  const std::uint64_t before = disk_.crash_point().hash();
  EXPECT_EQ(content(disk_, "/f"), "1a");
  EXPECT_EQ(disk_.crash_point().hash(), before);
  write(*file, "b");
  const std::uint64_t written = disk_.crash_point().hash();
  EXPECT_NE(written, before);
  write(*file, "a");
  EXPECT_NE(disk_.crash_point().hash(), before) << "b may be on disk";
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(disk_.crash_point().hash(), before);
  ASSERT_TRUE(root_->make_directory("d"));
  const std::uint64_t made = disk_.crash_point().hash();
  EXPECT_NE(made, before);
  ASSERT_TRUE(root_->sync());
  EXPECT_NE(disk_.crash_point().hash(), made);
}

}  // namespace
}  // namespace larder::testing
