// The segments that a process writes: each is counted and synced once, also while it is being
// sealed, and nobody relies on one whose sync failed.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "store/pack/writers.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using pack_store::ReadEpochs;
using pack_store::Segment;
using pack_store::SegmentTable;
using pack_store::SegmentWriter;
using pack_store::StateFile;
using pack_store::Writers;

constexpr std::uint64_t capacity = 4096;

class PackWriters : public PackStoreFixture {
 protected:
  PackWriters() { fs::create_directories(segments()); }

  Writers::Parts parts() {
    return {.file_system = posix_file_system(),
            .segments = *folder_,
            .state = *state_,
            .table = table_,
            .origin = {.store = {}, .file_system = posix_file_system()},
            .options = {.hash = hash_, .capacity_bytes = capacity},
            .adopt = Writers::Adopt::no};
  }

  static format::Location append(Writers::Claimed& claimed, std::uint32_t number) {
    const format::Record removal{.kind = format::RecordKind::removed,
                                 .fingerprint = numbered(number)};
    const auto location = claimed.writer->append(removal, {}, {});
    EXPECT_TRUE(location);
    return location.value_or(format::Location{});
  }

  const format::SlotHash hash_{format::StoreId{}};
  ReadEpochs epochs_;
  const std::unique_ptr<StateFile> state_ = StateFile::make_private();
  SegmentTable table_{epochs_, 8, [](std::uint32_t) -> Result<std::shared_ptr<Segment>> {
                        return std::unexpected(Error{.code = Errc::absent, .message = "none"});
                      }};
  std::unique_ptr<Directory> folder_ = [this] {
    fs::create_directories(segments());
    return posix_file_system().open_directory(segments().string()).value();
  }();
};

// The other thread sees the segment in its slot, and again among the sealed ones when it gets to
// them: it is kept waiting between the two.
TEST_F(PackWriters, OneThatIsBeingSealedIsCountedOnce) {
  for (std::uint32_t round = 0; round < 200; ++round) {
    Writers writers(parts());
    auto first = std::make_optional(writers.claim(128).value());
    // Holds the second segment, in a thread of its own: nobody holds two.
    std::atomic<bool> is_held = false;
    std::atomic<bool> may_end = false;
    std::thread holder([&] {
      const auto second = writers.claim(128);
      is_held = second.has_value();
      is_held.notify_one();
      may_end.wait(false);
    });
    is_held.wait(false);
    append(*first, round);
    first.reset();
    std::atomic<bool> has_begun = false;
    std::size_t pending = 0;
    std::thread counter([&] {
      has_begun = true;
      has_begun.notify_one();
      pending = writers.pending();
    });
    has_begun.wait(false);
    // Does not fit into what is there.
    {
      const auto sealed = writers.claim(capacity - format::records_at);
    }
    may_end = true;
    may_end.notify_one();
    holder.join();
    counter.join();
    ASSERT_EQ(pending, 1u) << round;
    writers.close_all();
  }
}

// Where the table is full, the caller keeps it.
TEST_F(PackWriters, WhatFoundNoRoomInTheTableIsOpenedOnce) {
  Writers writers(parts());
  const auto segment = writers.claim(128).value().writer->segment();
  int opened = 0;
  SegmentTable full(epochs_, 0, [&](std::uint32_t) -> Result<std::shared_ptr<Segment>> {
    ++opened;
    return segment;
  });
  std::shared_ptr<Segment> keep;
  for (int look = 0; look < 3; ++look) {
    EXPECT_EQ(full.find(segment->number(), keep), segment.get());
  }
  EXPECT_EQ(opened, 1);
  std::shared_ptr<Segment> other;
  EXPECT_EQ(full.find(segment->number(), other), segment.get());
  EXPECT_EQ(opened, 2);
  writers.close_all();
}

TEST_F(PackWriters, NobodyReliesOnWhatWasGivenUp) {
  faults_.inject({.only = testing::Op::sync_data, .path_contains = ".seg"});
  folder_ = faults_.open_directory(segments().string()).value();
  Writers writers(parts());
  auto claimed = std::make_optional(writers.claim(128).value());
  const format::Location location = append(*claimed, 1);
  const auto writer = claimed->writer;
  claimed.reset();
  EXPECT_TRUE(writers.rely_on(location, numbered(1)));
  const auto lost = writers.sync([] { return true; });
  EXPECT_EQ(lost.fingerprints, std::vector<Fingerprint>{numbered(1)});
  EXPECT_FALSE(writers.rely_on(location, numbered(1)));
  const std::lock_guard lock(writer->mutex());
  EXPECT_FALSE(writer->rely_on(location.place, numbered(1))) << "found before it was given up";
}

// Nothing is lost: it is not even tried.
TEST_F(PackWriters, WithoutRoomForAMarkNothingIsSynced) {
  pack_store::SyncMarks marks(*state_);
  for (std::uint32_t i = 0; i < format::state_marks; ++i) ASSERT_TRUE(marks.set(1'000 + i));
  Writers writers(parts());
  {
    auto claimed = writers.claim(128).value();
    append(claimed, 1);
  }
  const auto untried = writers.sync([] { return true; });
  EXPECT_TRUE(untried.undecided);
  EXPECT_FALSE(untried.error);
  EXPECT_EQ(writers.pending(), 1u);
  marks.forget(1'007);
  const auto synced = writers.sync([] { return true; });
  EXPECT_FALSE(synced.undecided || synced.error);
  EXPECT_EQ(writers.pending(), 0u);
  EXPECT_TRUE(marks.set(1)) << "taken back";
}

}  // namespace
}  // namespace larder
