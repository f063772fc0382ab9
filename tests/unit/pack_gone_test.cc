// Segments that others have evicted: a process that has one open keeps no blocks with it, unless it
// has it mapped; who reads one meanwhile finds what became of its entry; and they are closed by a
// process that only looks up, in whatever way.
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class PackGone : public PackStoreFixture {
 protected:
  // Of this test's store, in this process.
  std::vector<fs::path> deleted_segments() const {
    std::vector<fs::path> deleted;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code ignored;
      const std::string target = fs::read_symlink(entry.path(), ignored).string();
      const bool is_ours = target.starts_with(segments().string());
      if (is_ours && target.ends_with(" (deleted)")) deleted.push_back(entry.path());
    }
    return deleted;
  }

  std::size_t deleted_segments_open() const { return deleted_segments().size(); }

  std::uint64_t bytes_of_deleted() const {
    std::uint64_t bytes = 0;
    for (const fs::path& file : deleted_segments()) bytes += fs::file_size(file);
    return bytes;
  }

  // A reader that has a segment open which is gone.
  std::shared_ptr<PackStore> reader_of_a_gone_segment() {
    auto writer = open();
    fill(*writer, 0, 10);
    EXPECT_TRUE(writer->flush());
    const auto reader = open();
    EXPECT_EQ(count_present(*reader, 0, 10), 10u);
    EXPECT_TRUE(writer->clear());
    writer.reset();
    EXPECT_EQ(deleted_segments_open(), 1u);
    return reader;
  }
};

TEST_F(PackGone, KeepNoBlocksForWhoIsIdle) {
  const auto reader = reader_of_a_gone_segment();
  EXPECT_EQ(bytes_of_deleted(), format::records_at);
}

TEST_F(PackGone, StayWholeUnderAView) {
  const auto writer = open();
  fill(*writer, 0, 10);
  const auto reader = open();
  const auto view = reader->view(numbered(3)).value();
  ASSERT_TRUE(view);
  ASSERT_TRUE(writer->clear());
  EXPECT_GT(bytes_of_deleted(), 40'000u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(view->bytes().data()), view->bytes().size()),
            payload_of(4096, 3));
  EXPECT_EQ(content(reader->get(numbered(3))), "absent");
}

// A backup may be made of links.
TEST_F(PackGone, StayWholeUnderAnotherName) {
  auto writer = open();
  fill(*writer, 0, 10);
  const fs::path backup = directory_ / "backup";
  fs::create_hard_link(segments() / segment_of(*writer, numbered(3)), backup);
  ASSERT_TRUE(writer->clear());
  EXPECT_GT(fs::file_size(backup), 40'000u);
}

// Evicts while a segment is being read for the first time, in each of the ways to read.
class PackLeaves : public PackGone {
 protected:
  struct Read {
    std::string name;
    std::function<std::string(PackStore&)> text;
  };

  static std::vector<Read> ways() {
    const auto into = [](PackStore& store) -> std::string {
      std::string buffer(4096, '\0');
      const auto length = store.get_into(numbered(3), std::as_writable_bytes(std::span(buffer)));
      if (!length) return "error: " + std::string(errc_name(length.error().code));
      return *length ? buffer.substr(0, **length) : "absent";
    };
    const auto view = [](PackStore& store) -> std::string {
      const auto found = store.view(numbered(3));
      if (!found) return "error: " + std::string(errc_name(found.error().code));
      if (!*found) return "absent";
      const auto bytes = (*found)->bytes();
      return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    };
    const auto inspect = [](PackStore& store) -> std::string {
      const auto found = store.inspect(numbered(3));
      if (!found) return "error: " + std::string(errc_name(found.error().code));
      return *found ? payload_of((*found)->info.payload_bytes, 3) : "absent";
    };
    const auto visit = [](PackStore& store) -> std::string {
      bool is_there = false;
      const auto done = store.visit([&](const EntryInfo& entry) {
        is_there = is_there || entry.fingerprint == numbered(3);
        return Visit::go_on;
      });
      if (!done) return "error: " + std::string(errc_name(done.error().code));
      return is_there ? payload_of(4096, 3) : "absent";
    };
    return {{"get", [](PackStore& store) { return content(store.get(numbered(3))); }},
            {"get_many",
             [](PackStore& store) { return content(store.get_many({{numbered(3)}})->front()); }},
            {"get_into", into},
            {"view", view},
            {"inspect", inspect},
            {"visit", visit}};
  }

  // What `read` says when `leave` comes just before operation `number` of it on a segment; nullopt
  // when it has no such operation.
  std::optional<std::string> read_while_it_leaves(const Read& read, std::size_t number,
                                                  const std::function<void()>& leave) {
    PackStoreOptions options = options_;
    options.file_system = &faults_;
    std::string warning;
    options.log = [&](LogLevel level, std::string_view line) {
      if (level == LogLevel::warning) warning = line;
    };
    const auto reader = open_pack_store(options).value();
    std::size_t operations = 0;
    faults_.observe([&](const testing::Operation& operation) {
      if (operation.path.ends_with(".seg") && operations++ == number) leave();
    });
    const std::string text = read.text(*reader);
    faults_.observe({});
    if (operations <= number) return std::nullopt;
    return warning.empty() ? text : warning;
  }

  // The third has a recipe.
  void put_entries() const {
    const auto store = open();
    ASSERT_TRUE(store->put(numbered(3), bytes_of(payload_of(4096, 3)), {.recipe = "three"}));
    fill(*store, 0, 3);
    fill(*store, 4, 10);
  }

  // All that the ways say, at whatever operation it leaves.
  std::set<std::string> told_when_it_leaves(const std::function<void()>& leave) {
    std::set<std::string> told;
    for (const Read& read : ways()) {
      for (std::size_t number = 0;; ++number) {
        put_entries();
        const auto text = read_while_it_leaves(read, number, leave);
        if (!text) {
          EXPECT_GT(number, 1u) << read.name;
          break;
        }
        const bool is_whole = *text == payload_of(4096, 3);
        told.insert(is_whole ? "found" : *text == "absent" ? *text : read.name + ": " + *text);
      }
    }
    return told;
  }
};

TEST_F(PackLeaves, WhatIsEvictedMeanwhileIsAMiss) {
  const auto told = told_when_it_leaves([&] { EXPECT_TRUE(open()->clear()); });
  EXPECT_EQ(told, (std::set<std::string>{"absent", "found"}));
}

TEST_F(PackLeaves, WhatIsCarriedMeanwhileIsFound) {
  const auto compact = [&] {
    const auto other = open();
    const std::string before = segment_of(*other, numbered(3));
    EXPECT_EQ(content(other->get(numbered(3))), payload_of(4096, 3));
    EXPECT_TRUE(other->prune({.max_entries = 1}));
    EXPECT_NE(segment_of(*other, numbered(3)), before);
  };
  EXPECT_EQ(told_when_it_leaves(compact), std::set<std::string>{"found"});
}

TEST_F(PackGone, AreClosedByAMiss) {
  const auto reader = reader_of_a_gone_segment();
  EXPECT_EQ(content(reader->get(numbered(99))), "absent");
  ASSERT_TRUE(reader->flush());  // frees what no reader can see any more
  EXPECT_EQ(deleted_segments_open(), 0u);
}

TEST_F(PackGone, AreClosedByGettingMany) {
  const auto reader = reader_of_a_gone_segment();
  const auto writer = open();
  ASSERT_EQ(put(*writer, numbered(50), "new"), "ok");
  const std::vector<Fingerprint> asked(16, numbered(50));
  const auto answers = reader->get_many(asked).value();
  for (const auto& found : answers) EXPECT_EQ(content(found), "new");
  ASSERT_TRUE(reader->flush());
  EXPECT_EQ(deleted_segments_open(), 0u);
}

// He may be about to cut it: a mapping would end in a signal.
TEST_F(PackGone, WhatAnEvictorHasLockedIsReadAndNotMapped) {
  const auto store = open();
  fill(*store, 0, 2);
  const std::string name = segment_of(*store, numbered(1));
  const auto folder = posix_file_system().open_directory(segments().string()).value();
  const auto file = folder->open_file(name, OpenMode::read_write).value();
  ASSERT_EQ(file->try_lock(LockMode::exclusive, pack_store::view_lock_at, 1), true);
  const auto view = store->view(numbered(1)).value().value();
  const std::string payload = payload_of(4096, 1);
  EXPECT_TRUE(std::ranges::equal(view.bytes(), bytes_of(payload)));
  ASSERT_TRUE(file->trim(format::records_at));
  EXPECT_TRUE(std::ranges::equal(view.bytes(), bytes_of(payload)));
}

}  // namespace
}  // namespace larder
