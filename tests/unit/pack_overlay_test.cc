// A pack on overlayfs, where a mapping does not keep its lock when the descriptors are closed, and
// one of a lower layer is not kept up. On ext4 as well, so that the difference is seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "larder/pack_store.h"
#include "larder/testing/fault_file_system.h"
#include "larder/testing/memory_file_system.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::FaultFileSystem;
using testing::MemoryFileSystem;
using testing::Op;
using testing::Operation;

std::shared_ptr<PackStore> open_in(FileSystem& disk, Access access = Access::read_write) {
  return open_pack_store({.directory = "/store", .access = access, .file_system = &disk}).value();
}

// How often a clear cuts what it has unlinked.
int count_cuts(const std::string& type) {
  MemoryFileSystem disk({.type = type});
  FaultFileSystem seen(disk);
  const auto store = open_in(seen);
  EXPECT_TRUE(store->put(numbered(1), bytes_of("payload")));
  EXPECT_TRUE(store->flush());
  bool is_gone = false;
  int cuts = 0;
  seen.observe([&](const Operation& operation) {
    if (!operation.path.ends_with(".seg")) return;
    if (operation.op == Op::remove_file) is_gone = true;
    if (operation.op == Op::trim && is_gone) ++cuts;
  });
  EXPECT_EQ(store->clear()->evicted_entries, 1u);
  seen.observe({});
  EXPECT_TRUE(is_gone);
  return cuts;
}

TEST(PackOnOverlay, NothingIsCut) {
  EXPECT_EQ(count_cuts("ext4"), 1);
  EXPECT_EQ(count_cuts("overlay"), 0);
}

// What is removed later it may go on finding; what is put, it does not find.
TEST(PackOnOverlay, AReaderHasWhatWasThereWhenItOpened) {
  MemoryFileSystem disk({.type = "overlay"});
  const auto writer = open_in(disk);
  ASSERT_TRUE(writer->put(numbered(1), bytes_of("payload")));
  const auto reader = open_in(disk, Access::read_only);
  EXPECT_EQ(content(reader->get(numbered(1))), "payload");
  ASSERT_EQ(writer->remove(numbered(1)), true);
  ASSERT_TRUE(writer->put(numbered(2), bytes_of("later")));
  EXPECT_EQ(content(reader->get(numbered(2))), "absent");
  const auto next = open_in(disk, Access::read_only);
  EXPECT_EQ(content(next->get(numbered(1))), "absent");
  EXPECT_EQ(content(next->get(numbered(2))), "later");
}

// While it reads the segments, one that it has not come to yet leaves, and the removal in it moves
// to one that it has read.
TEST(PackOnOverlay, AReaderMissesNoRemovalThatMovesMeanwhile) {
  MemoryFileSystem disk({.type = "overlay"});
  const auto holder = open_in(disk);
  ASSERT_TRUE(holder->put(numbered(1), bytes_of("payload")));
  ASSERT_TRUE(holder->put(numbered(2), bytes_of("payload")));
  const auto mover = open_in(disk);
  const auto remove_by_another = [&](std::uint32_t number) {
    EXPECT_EQ(open_in(disk)->remove(numbered(number)), true);
  };
  remove_by_another(2);
  EXPECT_TRUE(mover->maintain());
  remove_by_another(1);
  const auto segments = disk.open_directory("/store/segments").value();
  std::string last;
  ASSERT_TRUE(segments->list([&](std::string_view name) {
    last = std::max(last, std::string(name));
    return true;
  }));
  FaultFileSystem seen(disk);
  bool has_moved = false;
  seen.observe([&](const Operation& operation) {
    const bool comes_to_it = operation.op == Op::open_file && operation.path.ends_with(last);
    if (!comes_to_it || std::exchange(has_moved, true)) return;
    EXPECT_TRUE(mover->maintain());
  });
  const auto reader = open_in(seen, Access::read_only);
  seen.observe({});
  ASSERT_TRUE(has_moved);
  ASSERT_FALSE(segments->info_at(last));
  EXPECT_EQ(content(reader->get(numbered(1))), "absent");
  EXPECT_EQ(content(reader->get(numbered(2))), "absent");
}

// Removals that reach segments which a reader has read, each time that he reads the entry's.
class PackReaderBesideRemovals : public ::testing::Test {
 protected:
  static constexpr std::uint32_t entries = 10;
  static constexpr std::uint32_t times_it_is_read = 4;  // before a reader takes it as it is

  // The removals go to the first segment, and the entries are in the last one.
  void SetUp() override {
    remover_ = open_in(disk_);
    ASSERT_TRUE(remover_->put(numbered(1000), bytes_of("payload")));
    const auto holder = open_in(disk_);
    for (std::uint32_t i = 0; i < entries; ++i) {
      ASSERT_TRUE(holder->put(numbered(i), bytes_of("payload")));
    }
  }

  // `after_each` is called when one was.
  template <class Each>
  Result<std::shared_ptr<PackStore>> open_beside_removals(const Each& after_each) {
    seen_.observe([&](const Operation& operation) {
      const bool comes_to_it =
          operation.op == Op::open_file && operation.path.ends_with("00000001.seg");
      if (!comes_to_it || removed_ == times_it_is_read) return;
      EXPECT_EQ(remover_->remove(numbered(removed_++)), true);
      after_each();
    });
    auto opened = open_pack_store(
        {.directory = "/store", .access = Access::read_only, .file_system = &seen_});
    seen_.observe({});
    EXPECT_EQ(removed_, times_it_is_read);
    return opened;
  }

  MemoryFileSystem disk_{{.type = "overlay"}};
  FaultFileSystem seen_{disk_};
  std::shared_ptr<PackStore> remover_;
  std::uint32_t removed_ = 0;
};

TEST_F(PackReaderBesideRemovals, MissesNoneOfThem) {
  const auto reader = open_beside_removals([] {});
  ASSERT_TRUE(reader);
  for (std::uint32_t i = 0; i < entries; ++i) {
    EXPECT_EQ(content((*reader)->get(numbered(i))), i < removed_ ? "absent" : "payload") << i;
  }
}

// It would have what was removed, and does not open.
TEST_F(PackReaderBesideRemovals, DoesNotOpenWhenItCannotLookForThem) {
  const auto reader = open_beside_removals([&] {
    if (removed_ < times_it_is_read) return;
    seen_.inject({.only = Op::list, .path_contains = "segments", .at = 2, .os_error = ENOMEM});
  });
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, Errc::out_of_memory);
}

}  // namespace
}  // namespace larder
