// What flush says, when the disk, or somebody with a shell, comes between: every entry that is not
// durable is named, is not served any more, and does not come back by a rebuild.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "larder/testing/fault_file_system.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::FaultFileSystem;
using testing::Op;
using testing::Operation;
using testing::Repeat;

class PackFlush : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_.options.file_system = &faults_;
    store_ = directory_.open();
    put(1, "flushed");
    ASSERT_TRUE(store_->flush());
    put(2, "two");
    put(3, "three");
  }

  void put(std::uint32_t number, std::string_view payload) {
    const auto done = store_->put(numbered(number), bytes_of(payload));
    ASSERT_TRUE(done) << done.error().message;
  }

  // Those that the flush names.
  std::set<Fingerprint> lost_by_flush() {
    const auto flushed = store_->flush();
    if (flushed) return {};
    EXPECT_EQ(flushed.error().code, Errc::not_durable) << flushed.error().message;
    return {flushed.error().fingerprints.begin(), flushed.error().fingerprints.end()};
  }

  static std::set<Fingerprint> two_and_three() { return {numbered(2), numbered(3)}; }

  std::string text(std::uint32_t number) { return text_of(*store_, numbered(number)); }

  // In this store, in another one, and after a rebuild by others.
  void expect_everywhere(std::uint32_t number, const std::string& expected) {
    EXPECT_EQ(text(number), expected);
    EXPECT_EQ(text_of(*directory_.open(), numbered(number)), expected) << "in another store";
    PackDirectory copy;
    fs::create_directory(copy.root());
    fs::copy(directory_.root(), copy.root(), fs::copy_options::recursive);
    fs::permissions(copy.root(), fs::perms::owner_all);
    copy.forget_index();
    copy.forget_state();
    EXPECT_EQ(text_of(*copy.open(), numbered(number)), expected) << "after a rebuild";
  }

  // Named until it is put again; then all is well.
  void expect_healed_by_puts() {
    EXPECT_EQ(lost_by_flush(), two_and_three());
    EXPECT_EQ(store_->durability().lost, 2u);
    put(2, "two again");
    EXPECT_EQ(lost_by_flush(), (std::set<Fingerprint>{numbered(3)}));
    put(3, "three");
    EXPECT_TRUE(store_->flush());
    EXPECT_TRUE(store_->durability().durable);
    expect_everywhere(2, "two again");
    expect_everywhere(3, "three");
  }

  FaultFileSystem faults_{posix_file_system()};
  PackDirectory directory_;
  std::shared_ptr<PackStore> store_;
};

TEST_F(PackFlush, ADeletedSegmentIsTold) {
  fs::remove(directory_.segment(0));
  EXPECT_EQ(lost_by_flush(), two_and_three());
  expect_everywhere(2, "absent");
  expect_healed_by_puts();
}

TEST_F(PackFlush, ASegmentThatWasMovedAwayIsTold) {
  fs::rename(directory_.segment(0), directory_.root() / "segments/away");
  EXPECT_EQ(lost_by_flush(), two_and_three());
  expect_everywhere(2, "absent");
  expect_healed_by_puts();
}

TEST_F(PackFlush, AFailedSyncIsNeverMended) {
  faults_.inject({.only = Op::sync_data, .path_contains = ".seg"});
  EXPECT_EQ(lost_by_flush(), two_and_three());
  expect_everywhere(1, "flushed");
  expect_everywhere(2, "absent");
  EXPECT_FALSE(fs::exists(directory_.segment(0)));
  expect_healed_by_puts();
  expect_everywhere(1, "flushed");
}

// Who reads it already would find the bytes there, whatever its name is.
TEST_F(PackFlush, AFailedSyncIsHeardOfByThoseWhoHaveTheSegmentOpen) {
  const auto beside = directory_.open();
  ASSERT_EQ(text_of(*beside, numbered(2)), "two");
  faults_.inject({.only = Op::sync_data, .path_contains = ".seg"});
  EXPECT_EQ(lost_by_flush(), two_and_three());
  EXPECT_EQ(text_of(*beside, numbered(1)), "flushed");
  EXPECT_EQ(text_of(*beside, numbered(2)), "absent");
}

TEST_F(PackFlush, AFailedSyncOfTheNamesTakesANewSegment) {
  store_ = directory_.open();  // the first one is not adopted: its owner is still here
  store_.reset();
  std::error_code ignored;
  for (const auto& path : directory_.segments()) fs::remove(path, ignored);
  directory_.forget_index();
  store_ = directory_.open();
  put(2, "two");
  put(3, "three");
  faults_.inject({.only = Op::sync_directory, .path_contains = "segments"});
  EXPECT_EQ(lost_by_flush(), two_and_three());
  expect_everywhere(2, "absent");
  expect_healed_by_puts();
}

// When the disk refuses the new name, too, at least this store and those beside it forget.
TEST_F(PackFlush, AFailedSyncOnADiskThatRefusesEverything) {
  for (const Op op : {Op::sync_data, Op::sync_directory, Op::rename_no_replace}) {
    faults_.inject({.only = op, .repeat = Repeat::for_ever});
  }
  EXPECT_EQ(lost_by_flush(), two_and_three());
  EXPECT_EQ(text(1), "flushed");
  EXPECT_EQ(text(2), "absent");
}

TEST_F(PackFlush, ARootThatWasMovedAwayIsTold) {
  const fs::path away = directory_.root().string() + ".away";
  fs::rename(directory_.root(), away);
  EXPECT_EQ(lost_by_flush(), two_and_three());
  EXPECT_EQ(text(1), "absent");
  expect_healed_by_puts();
  fs::remove_all(away);
}

TEST_F(PackFlush, ADeletedRootIsTold) {
  fs::remove_all(directory_.root());
  EXPECT_EQ(lost_by_flush(), two_and_three());
  expect_healed_by_puts();
}

TEST_F(PackFlush, SegmentsThatWereReplacedAreTold) {
  fs::rename(directory_.root() / "segments", directory_.root() / "away");
  EXPECT_EQ(lost_by_flush(), two_and_three());
  expect_healed_by_puts();
}

// Others make a new one, and share it with others than us.
TEST_F(PackFlush, ADeletedStateIsTold) {
  directory_.forget_state();
  const auto other = directory_.open();
  ASSERT_TRUE(other->put(numbered(3), bytes_of("by another")));
  ASSERT_TRUE(other->flush());
  EXPECT_EQ(lost_by_flush(), two_and_three());
  expect_everywhere(1, "flushed");
  expect_everywhere(2, "absent");
  expect_everywhere(3, "by another");
  put(2, "two again");
  put(3, "three");
  EXPECT_TRUE(store_->flush());
  expect_everywhere(2, "two again");
  expect_everywhere(3, "three");
  EXPECT_EQ(text_of(*other, numbered(3)), "three");
}

// Without descriptors nobody can say where the store is: nothing is lost, and nothing promised.
TEST_F(PackFlush, WhatCannotBeDecidedIsTriedAgain) {
  faults_.inject({.only = Op::open_directory, .os_error = EMFILE});
  const auto flushed = store_->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, Errc::io_error);
  EXPECT_EQ(store_->durability().pending, 2u);
  EXPECT_EQ(text(2), "two");
  EXPECT_TRUE(store_->flush());
  EXPECT_TRUE(store_->durability().durable);
  expect_everywhere(2, "two");
}

// Who is told of some must be told of all.
TEST_F(PackFlush, AFailedSyncNamesWhatCannotBeDecidedToo) {
  for (std::uint32_t i = 10; i < 16; ++i) put(i, payload_of(250'000, i));
  ASSERT_EQ(directory_.segments().size(), 2u);
  faults_.inject({.only = Op::sync_data, .path_contains = "00000000.seg"});
  faults_.inject({.only = Op::open_directory, .os_error = EMFILE});
  std::set<Fingerprint> all = two_and_three();
  for (std::uint32_t i = 10; i < 16; ++i) all.insert(numbered(i));
  EXPECT_EQ(lost_by_flush(), all);
  EXPECT_EQ(text(1), "flushed");
  EXPECT_TRUE(text(15) == "absent");
}

// So many full segments wait for a sync that a put syncs them, after it was published itself.
TEST_F(PackFlush, APutWhoseOwnSyncLostItIsTold) {
  faults_.inject({.only = Op::sync_data, .path_contains = ".seg", .repeat = Repeat::for_ever});
  std::uint32_t last = 10;
  while (faults_.injected().empty() && last < 100) {
    ++last;
    put(last, payload_of(250'000, last));
  }
  ASSERT_FALSE(faults_.injected().empty());
  faults_.clear_faults();
  EXPECT_TRUE(lost_by_flush().contains(numbered(last)));
  EXPECT_TRUE(text(last) == "absent");
  put(last, "again");
  EXPECT_FALSE(lost_by_flush().contains(numbered(last)));
}

// A flush vouches for what its own store put, also when another one had put the same.
TEST_F(PackFlush, TheSameBytesOfAnotherStoreAreWrittenAgain) {
  const auto other = directory_.open();
  ASSERT_TRUE(other->put(numbered(2), bytes_of("two")));
  ASSERT_TRUE(other->flush());
  faults_.inject({.only = Op::sync_data, .path_contains = "00000000.seg"});
  EXPECT_EQ(lost_by_flush(), two_and_three());
  EXPECT_EQ(text_of(*other, numbered(2)), "two");
  expect_everywhere(3, "absent");
  expect_everywhere(2, "two");
}

TEST_F(PackFlush, ARemovalThatIsNotDurableIsAnError) {
  faults_.inject({.only = Op::sync_data, .path_contains = ".seg"});
  const auto removed = store_->remove(numbered(1));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Errc::io_error);
}

TEST_F(PackFlush, ALargeArtifactWhoseSyncFailedIsTold) {
  put(4, payload_of(300'000, 4));
  faults_.inject({.only = Op::sync_data, .path_contains = "/large"});
  EXPECT_EQ(lost_by_flush(), (std::set<Fingerprint>{numbered(4)}));
  EXPECT_EQ(text(2), "two");
  EXPECT_EQ(text(4), "absent");
  put(4, payload_of(300'000, 4));
  EXPECT_TRUE(store_->flush());
  EXPECT_EQ(text(4), payload_of(300'000, 4));
}

// A sealed segment gets its proof only when all of it was synced.
TEST_F(PackFlush, NoTrailerWithoutASync) {
  for (std::uint32_t i = 10; i < 16; ++i) put(i, payload_of(250'000, i));
  EXPECT_EQ(directory_.segments().size(), 2u);
  const auto has_trailer = [&] {
    const std::string segment = read_bytes(directory_.segment(0));
    return segment.substr(segment.size() - format::trailer_bytes).starts_with("LARDdur");
  };
  EXPECT_FALSE(has_trailer());
  int synced = 0;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::sync_data || !operation.path.ends_with("00000000.seg")) return;
    ++synced;
    EXPECT_FALSE(has_trailer());
  });
  ASSERT_TRUE(store_->flush());
  EXPECT_EQ(synced, 1);
  EXPECT_TRUE(has_trailer());
}

}  // namespace
}  // namespace larder
