// Zeros behind the records of a segment that is being written: they go at the end, and whoever
// adopts a segment whose owner was killed finds among them where writing stopped.
//
// A copy of the directory of an open store is what its death would leave.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "format/pack_segment.h"
#include "store/pack/segment.h"
#include "store/pack/segment_scan.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using pack_store::zero_step_bytes;
using testing::Op;
using testing::Operation;

class PackTail : public PackStoreFixture {
 protected:
  fs::path only_segment() const {
    EXPECT_EQ(segment_names().size(), 1u);
    return segments() / segment_names().front();
  }

  // From here on all is done to what the killed process left.
  void kill_the_owner() {
    const std::string left = (directory_ / "left").string();
    fs::copy(root(), left, fs::copy_options::recursive);
    options_.directory = left;
  }

  // Where a trailer would be.
  std::string magic_at_the_end(const std::string& name) const {
    const auto folder = posix_file_system().open_directory(segments().string());
    const auto file = (*folder)->open_file(name, OpenMode::read);
    std::array<std::byte, 7> magic = {};
    const std::uint64_t size = (*file)->info()->size_bytes;
    EXPECT_TRUE((*file)->read_at(magic, size - format::trailer_bytes));
    return {reinterpret_cast<const char*>(magic.data()), magic.size()};
  }

  void cut(std::uint64_t bytes) const { fs::resize_file(only_segment(), bytes); }
};

TEST_F(PackTail, ZerosStandAheadWhileSomebodyWritesAndGoAtTheEnd) {
  auto store = open();
  ASSERT_EQ(put(*store, numbered(1), payload_of(1000, 1)), "ok");
  EXPECT_EQ(fs::file_size(only_segment()), zero_step_bytes);
  ASSERT_EQ(put(*store, numbered(2), payload_of(zero_step_bytes - 1000, 2)), "ok");
  EXPECT_EQ(fs::file_size(only_segment()), 2 * zero_step_bytes);
  store.reset();
  EXPECT_LT(fs::file_size(only_segment()), zero_step_bytes + 1000);
}

TEST_F(PackTail, ALargeRecordPutsNoZerosBehindItself) {
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), payload_of(zero_step_bytes + 1, 1)), "ok");
  EXPECT_LT(fs::file_size(only_segment()), zero_step_bytes + 1000);
}

TEST_F(PackTail, ASealedSegmentEndsWithItsSummary) {
  options_.budget.max_bytes = 64u << 20;  // so that segments are small
  const auto store = open();
  for (std::uint32_t i = 0; i == 0 || segment_names().size() < 2; ++i) {
    ASSERT_LT(i, 1000u);
    ASSERT_EQ(put(*store, numbered(i), payload_of(50'000, i)), "ok");
  }
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(magic_at_the_end(segment_names().front()), "LARDdur");
}

TEST_F(PackTail, AnAdopterGoesOnRightBehindTheLastRecord) {
  const auto killed = open();
  ASSERT_EQ(put(*killed, numbered(1), payload_of(1000, 1)), "ok");
  kill_the_owner();
  auto store = open();
  ASSERT_EQ(put(*store, numbered(2), payload_of(1000, 2)), "ok");
  store.reset();
  EXPECT_LT(fs::file_size(only_segment()), 4000u);
  lose_the_index();
  store = open();
  EXPECT_EQ(content(store->get(numbered(1))), payload_of(1000, 1));
  EXPECT_EQ(content(store->get(numbered(2))), payload_of(1000, 2));
}

// What a power cut left in its last block, behind its end, would be back after another one.
TEST_F(PackTail, AnAdopterCutsTheFileOffWhereItEndsBeforeHeWrites) {
  ASSERT_EQ(put(*open(), numbered(1), "one"), "ok");
  std::vector<Op> done;
  faults_.observe([&](const Operation& operation) {
    const bool counts = operation.op == Op::trim || operation.op == Op::write_at;
    if (counts && operation.path.ends_with(".seg")) done.push_back(operation.op);
  });
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(2), "two"), "ok");
  ASSERT_EQ(segment_names().size(), 1u);
  ASSERT_GE(done.size(), 2u);
  EXPECT_EQ(done[0], Op::trim);
  EXPECT_EQ(done[1], Op::write_at);
}

TEST_F(PackTail, AnAdopterKeepsZerosThatBelongToARecord) {
  for (const std::size_t length : {1u, 64u, 1000u, 100'000u, 1'000'000u}) {
    options_.directory = (directory_ / std::to_string(length)).string();
    const auto killed = open();
    ASSERT_EQ(put(*killed, numbered(1), std::string(length, '\0')), "ok");
    fs::remove_all(directory_ / "left");
    kill_the_owner();
    auto store = open();
    ASSERT_EQ(put(*store, numbered(2), payload_of(1000, 2)), "ok");
    EXPECT_EQ(segment_names().size(), 1u);
    EXPECT_EQ(content(store->get(numbered(1))), std::string(length, '\0')) << length;
    EXPECT_EQ(content(store->get(numbered(2))), payload_of(1000, 2)) << length;
  }
}

// Zeros behind the footer would hide it: the segment would never be proven.
TEST_F(PackTail, AnAdopterThatSealsAtOnceCutsTheZerosOff) {
  options_.budget.max_bytes = 64u << 20;  // segments of 1 MiB
  const auto killed = open();
  fill(*killed, 0, 200);
  ASSERT_EQ(fs::file_size(only_segment()), 7 * zero_step_bytes);
  kill_the_owner();
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(200), payload_of(250'000, 200)), "ok");
  ASSERT_EQ(segment_names().size(), 2u);
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(magic_at_the_end(segment_names().front()), "LARDdur");
  EXPECT_EQ(count_present(*store, 0, 200), 200u);
}

// However the last record was torn, nothing that is there is written over.
TEST_F(PackTail, AnAdopterGoesOnBehindATornRecord) {
  const auto killed = open();
  ASSERT_EQ(put(*killed, numbered(1), payload_of(1000, 1)), "ok");
  ASSERT_EQ(put(*killed, numbered(2), std::string(1000, '\0')), "ok");
  const fs::path original = options_.directory;
  for (std::uint64_t length = 1; length < 3000; length += 37) {
    options_.directory = original.string();
    fs::remove_all(directory_ / "left");
    kill_the_owner();
    cut(length);
    cut(zero_step_bytes);  // zeros, where a power cut kept the size and lost the bytes
    auto store = open();
    ASSERT_EQ(put(*store, numbered(3), payload_of(500, 3)), "ok") << length;
    store.reset();
    lose_the_index();
    store = open();
    EXPECT_EQ(content(store->get(numbered(3))), payload_of(500, 3)) << length;
    if (length > 1400) {
      EXPECT_EQ(content(store->get(numbered(1))), payload_of(1000, 1)) << length;
    }
    if (HasFailure()) return;
  }
}

// As a program does that is called once for each entry: it vouches for what stands there already.
TEST_F(PackTail, TheSameBytesInAnAbandonedSegmentAreNotWrittenAgain) {
  ASSERT_EQ(put(*open(), numbered(1), payload_of(1000, 1)), "ok");
  const auto size = fs::file_size(only_segment());
  options_.file_system = &faults_;
  auto store = open();
  ASSERT_EQ(put(*store, numbered(1), payload_of(1000, 1)), "ok");
  EXPECT_EQ(store->metrics().puts_unchanged, 1u);
  bool is_synced = false;
  faults_.observe([&](const testing::Operation& operation) {
    is_synced = is_synced || (operation.op == testing::Op::sync_data &&
                              operation.path.ends_with(segment_names().front()));
  });
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(is_synced);
  faults_.observe({});
  store.reset();
  EXPECT_EQ(fs::file_size(only_segment()), size);
}

TEST_F(PackTail, PagesOfZerosThatWereCutOffAreNotTouched) {
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), payload_of(1000, 1)), "ok");
  const auto folder = posix_file_system().open_directory(segments().string());
  const auto marker = format::decode_segment_header([&] {
    static std::array<std::byte, format::segment_header_bytes> header;
    const auto file = (*folder)->open_file(segment_names().front(), OpenMode::read);
    EXPECT_TRUE((*file)->read_at(header, 0));
    return std::span<const std::byte>(header);
  }());
  ASSERT_TRUE(marker);
  const auto segment =
      pack_store::Segment::open(**folder, {marker->identity.store, posix_file_system()},
                                {.number = marker->identity.number}, OpenMode::read);
  ASSERT_TRUE(segment);
  (*segment)->note_record_end(2000);
  ASSERT_TRUE((*segment)->mapped(format::records_at, 1000));
  ASSERT_TRUE((*segment)->mapped(40'000, 1000));
  cut(2000);
  EXPECT_TRUE((*segment)->mapped(format::records_at, 1000));
  EXPECT_FALSE((*segment)->mapped(40'000, 1000));
}

}  // namespace
}  // namespace larder
