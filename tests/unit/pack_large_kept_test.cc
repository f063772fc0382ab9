// The file of a large artifact stays as long as an entry leads to it, also one that the index
// lacks, or whose own process has flushed it long ago.
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>

#include "larder/recipe.h"
#include "larder/testing/memory_file_system.h"
#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Repeat;

class PackLargeKept : public PackUpkeep {
 protected:
  // A small entry beside a large one, to whose slot happened what hides it.
  void leave_a_hidden_one() {
    std::string before;
    {
      const auto store = open();
      fill(*store, 100, 110);
      before = index_bytes();
      ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
      ASSERT_TRUE(store->flush());
    }
    ASSERT_EQ(zero_slots_changed_since(before), 1u);
  }

  // The large one that it replaces is in segment 0, which nobody writes any more, beside entry 8.
  // Returns who has put the new one, and not flushed it.
  std::shared_ptr<PackStore> replace_in_another_segment() const {
    EXPECT_EQ(put(*open(), numbered(9), large(9)), "ok");
    const auto holder = open_soundly();
    EXPECT_EQ(put(*holder, numbered(8), "adopts the segment"), "ok");
    auto owner = open_soundly();
    EXPECT_EQ(put(*owner, numbered(9), large(10)), "ok");
    EXPECT_TRUE(holder->flush());
    return owner;
  }

  fs::path file() const {
    for (const auto& entry : fs::recursive_directory_iterator(root() / "large")) {
      if (entry.path().extension() == ".art") return entry.path();
    }
    return {};
  }
};

TEST_F(PackLargeKept, WhenAPutOfTheSameFails) {
  leave_a_hidden_one();
  const auto store = open();
  spoilt_.inject(
      {.only = Op::write_at, .path_contains = ".seg", .repeat = Repeat::for_ever, .os_error = EIO});
  EXPECT_NE(put(*store, numbered(0), large(0)), "ok");
  spoilt_.clear_faults();
  EXPECT_EQ(large_files(), 1u);
  EXPECT_TRUE(store->maintain());
  EXPECT_TRUE(content(store->get(numbered(0))) == large(0));
}

TEST_F(PackLargeKept, ButNotThatOfAPutThatFails) {
  const auto store = open();
  spoilt_.inject(
      {.only = Op::write_at, .path_contains = ".seg", .repeat = Repeat::for_ever, .os_error = EIO});
  EXPECT_NE(put(*store, numbered(0), large(0)), "ok");
  EXPECT_EQ(large_files(), 0u);
}

// The value was there before, and that record leaves.
TEST_F(PackLargeKept, WhenADeadRecordOfTheSameLeaves) {
  options_.budget = {.max_bytes = 16 * mib};
  std::string before;
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
    fill(*store, 100, 500);
    ASSERT_EQ(put(*store, numbered(0), large(1)), "ok");
    fill(*store, 500, 900);
    ASSERT_TRUE(store->flush());
    before = index_bytes();
    ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
    ASSERT_TRUE(store->flush());
  }
  ASSERT_EQ(zero_slots_changed_since(before), 1u);
  const auto store = open();
  for (std::uint32_t i = 10'000; fs::exists(segments() / "00000000.seg"); ++i) {
    ASSERT_LT(i, 20'000u);
    ASSERT_EQ(put(*store, numbered(i), payload_of(4096, i)), "ok");
  }
  EXPECT_TRUE(store->visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes));
  EXPECT_TRUE(content(store->get(numbered(0))) == large(0));
}

// Upkeep syncs it too, before something leaves that it has replaced.
TEST_F(PackLargeKept, WhenASyncFailsThatItsOwnerDidNotAskFor) {
  const auto owner = open_soundly();
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_EQ(put(*owner, numbered(i), large(i)), "ok");
  ASSERT_EQ(put(*owner, numbered(9), large(9)), "ok");
  ASSERT_EQ(put(*owner, numbered(9), large(10)), "ok");
  ASSERT_TRUE(owner->flush());
  std::uint64_t nth = 0;
  for (const Op op : {Op::sync_data, Op::sync_directory, Op::sync_directory}) {
    const auto store = open();
    spoilt_.inject({.only = op, .path_contains = "/large", .at = ++nth});
    EXPECT_TRUE(store->maintain());
    EXPECT_FALSE(spoilt_.injected().empty());
    spoilt_.clear_faults();
    for (std::uint32_t i = 0; i < 5; ++i) {
      EXPECT_TRUE(content(owner->get(numbered(i))) == large(i)) << i;
    }
    EXPECT_TRUE(content(owner->get(numbered(9))) == large(10));
    EXPECT_TRUE(store->flush());
  }
}

// Nobody knows what the disk has of it: who puts the same writes it once more.
TEST_F(PackLargeKept, ButIsWrittenAnewWhenASyncOfItHasFailed) {
  const auto owner = open_soundly();
  ASSERT_EQ(put(*owner, numbered(9), large(9)), "ok");
  ASSERT_EQ(put(*owner, numbered(9), large(10)), "ok");
  const auto store = open();
  spoilt_.inject({.only = Op::sync_data, .path_contains = "/large"});
  (void)store->prune({.max_entries = 0});
  ASSERT_EQ(spoilt_.injected().size(), 1u);
  spoilt_.clear_faults();
  int writes = 0;
  spoilt_.observe([&](const testing::Operation& operation) {
    writes += operation.op == Op::write_at && operation.path.contains("/large");
  });
  ASSERT_EQ(put(*store, numbered(9), large(10)), "ok");
  spoilt_.observe({});
  EXPECT_GE(writes, 1);
  EXPECT_TRUE(store->flush());
}

// A later sync says OK, whatever the disk has.
TEST_F(PackLargeKept, AndWhatItReplacedWhenASyncOfItHasFailed) {
  const auto owner = replace_in_another_segment();
  const auto store = open();
  spoilt_.inject({.only = Op::sync_data, .path_contains = "/large"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(store->prune({.max_entries = 1})) << "others would leave";
    EXPECT_EQ(spoilt_.injected().size(), 1u);
    EXPECT_TRUE(fs::exists(segments() / "00000000.seg")) << i;
  }
}

// That says nothing of its bytes.
TEST_F(PackLargeKept, ButNothingElseWhenItsFolderCannotBeOpenedOnce) {
  const auto owner = replace_in_another_segment();
  const auto store = open();
  int syncs = 0;
  spoilt_.observe([&](const testing::Operation& operation) {
    const bool is_sync = operation.op == Op::sync_data && operation.path.contains("/large/");
    if (!is_sync || ++syncs > 1) return;
    spoilt_.inject({.only = Op::open_subdirectory, .path_contains = "/large/", .os_error = EMFILE});
  });
  (void)store->prune({.max_entries = 1});
  EXPECT_EQ(spoilt_.injected().size(), 1u);
  EXPECT_TRUE(store->prune({.max_entries = 1}));
  EXPECT_FALSE(fs::exists(segments() / "00000000.seg"));
}

// Other versions of it lead to files of their own.
TEST_F(PackLargeKept, ButNotForAnotherVersion) {
  options_.budget = {.max_bytes = 16 * mib};
  const auto store = open();
  for (std::uint32_t version = 0; version < 4; ++version) {
    ASSERT_EQ(put(*store, numbered(0), large(version)), "ok");
    fill(*store, 500 * version + 100, 500 * version + 500);
  }
  ASSERT_EQ(store->remove(numbered(0)), true);
  ASSERT_EQ(large_files(), 3u);
  for (std::uint32_t i = 10'000; fs::exists(segments() / "00000000.seg"); ++i) {
    ASSERT_LT(i, 20'000u);
    ASSERT_EQ(put(*store, numbered(i), payload_of(4096, i)), "ok");
  }
  EXPECT_LE(large_files(), 2u);
}

// A look-up serves it, and so does the next index.
TEST_F(PackLargeKept, WhenABitOfItsRecipeIsFlipped) {
  Recipe recipe("larder.test 2026-11 large artifacts");
  (void)recipe.field("source", "a recipe that is long enough");
  {
    const auto store = open();
    ASSERT_TRUE(store->put(numbered(0), bytes_of(large(0)), {.recipe = recipe.encode()}));
    ASSERT_TRUE(store->flush());
  }
  std::string bytes(fs::file_size(file()), '\0');
  std::fstream(file(), std::ios::in | std::ios::binary).read(bytes.data(), std::ssize(bytes));
  const std::size_t at = bytes.rfind("long enough");
  ASSERT_NE(at, std::string::npos);
  std::fstream(file(), std::ios::in | std::ios::out | std::ios::binary)
      .seekp(static_cast<std::streamoff>(at))
      .put('L');
  lose_the_index();
  const auto store = open();
  EXPECT_TRUE(content(store->get(numbered(0))) == large(0));
  EXPECT_TRUE(store->maintain());
  EXPECT_TRUE(content(store->get(numbered(0))) == large(0));
  EXPECT_FALSE(was_told("made anew"));
}

// Its owner never flushed it; who makes the index anew, and closes that cleanly, syncs it.
TEST(PackLargeOnDisk, WhenABitOfItsRecipeIsFlipped) {
  testing::MemoryFileSystem disk;
  const std::string recipe(200, 'r'), payload = payload_of(500'000, 7);
  const auto open_in = [](FileSystem& on) {
    return open_pack_store(
               {.directory = "/store", .budget = {.max_bytes = 64 * mib}, .file_system = &on})
        .value();
  };
  ASSERT_TRUE(open_in(disk)->put(numbered(0), bytes_of(payload), {.recipe = recipe}));
  std::string folder, name;
  const auto large = disk.open_directory("/store/large").value();
  ASSERT_TRUE(large->list([&](std::string_view each) {
    if (each.size() == 2) folder = each;
    return true;
  }));
  const auto inside = large->open_directory(folder).value();
  ASSERT_TRUE(inside->list([&](std::string_view each) {
    name = each;
    return true;
  }));
  const auto file = inside->open_file(name, OpenMode::read_write).value();
  std::string bytes(file->info()->size_bytes, '\0');
  ASSERT_TRUE(file->read_at(std::as_writable_bytes(std::span(bytes)), 0));
  const std::size_t at = bytes.find(recipe.substr(0, 100));
  ASSERT_NE(at, std::string::npos);
  const std::array flipped{std::byte{'q'}};
  ASSERT_TRUE(file->write_at(std::array{std::span<const std::byte>(flipped)}, at));
  {
    const auto store = open_in(disk);
    ASSERT_TRUE(store->put(numbered(1), bytes_of("small")));
    ASSERT_TRUE(store->flush());
  }
  const auto after = disk.crash_clone(1, 0);
  EXPECT_TRUE(content(open_in(*after)->get(numbered(0))) == payload);
}

// The segment of what was put last cannot be read when the index is made anew, nor while the first
// one leaves.
TEST_F(PackLargeKept, WhenASegmentCannotBeReadForAWhile) {
  for (const bool is_removed : {true, false}) {
    fs::remove_all(root());
    std::string last_segment;
    {
      const auto store = open_soundly();
      ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
      fill(*store, 100, 400);
      if (is_removed) {
        ASSERT_EQ(store->remove(numbered(0)), true);
      } else {
        ASSERT_EQ(put(*store, numbered(0), large(1)), "ok");
      }
      fill(*store, 400, 700);
      ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
      ASSERT_EQ(put(*store, numbered(1), "beside it"), "ok");
      ASSERT_TRUE(store->flush());
      last_segment = segment_of(*store, numbered(1));
      fs::copy(root(), directory_ / "killed", fs::copy_options::recursive);
    }
    ASSERT_EQ(last_segment, "00000002.seg");
    fs::remove_all(root());
    fs::rename(directory_ / "killed", root());
    fail_reads_of(last_segment);
    {
      const auto store = open();
      EXPECT_TRUE(store->prune({.max_bytes = 5 * mib / 2}));
      EXPECT_FALSE(fs::exists(segments() / "00000000.seg"));
    }
    spoilt_.clear_faults();
    const auto store = open();
    EXPECT_EQ(content(store->get(numbered(1))), "beside it");
    EXPECT_TRUE(content(store->get(numbered(0))) == large(0)) << is_removed;
  }
}

// Else the value before it would be back after a crash.
TEST_F(PackLargeKept, WhenItsRemovalIsNotOnTheDisk) {
  {
    const auto store = open_soundly();
    ASSERT_EQ(put(*store, numbered(0), large(0)), "ok");
    ASSERT_EQ(put(*store, numbered(0), large(1)), "ok");
    ASSERT_TRUE(store->flush());
  }
  const auto store = open();
  const std::size_t before = large_files();
  spoilt_.inject({.only = Op::sync_data, .path_contains = ".seg"});
  EXPECT_FALSE(store->remove(numbered(0)));
  EXPECT_EQ(spoilt_.injected().size(), 1u);
  EXPECT_EQ(large_files(), before);
}

// What is put by then is newer than anything there.
TEST_F(PackLargeKept, ButNotForASegmentThatCannotBeReadWhenItIsReplacedNow) {
  std::string unread;
  {
    const auto store = open_soundly();
    fill(*store, 100, 400);
    ASSERT_TRUE(store->flush());
    unread = segment_of(*store, numbered(100));
    fs::copy(root(), directory_ / "killed", fs::copy_options::recursive);
  }
  fs::remove_all(root());
  fs::rename(directory_ / "killed", root());
  fail_reads_of(unread);
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(9)), "ok");  // may have to leave
  for (std::uint32_t i = 0; i < 4; ++i) {
    ASSERT_EQ(put(*store, numbered(0), large(i)), "ok");
    ASSERT_TRUE(store->flush());
  }
  EXPECT_TRUE(store->prune({.max_bytes = disk_bytes() - 300'000}));
  EXPECT_TRUE(fs::exists(segments() / unread));
  const bool has_left = content(store->get(numbered(1))) == "absent";
  EXPECT_EQ(large_files(), has_left ? 1u : 2u);
  EXPECT_TRUE(content(store->get(numbered(0))) == large(3));
}

}  // namespace
}  // namespace larder
