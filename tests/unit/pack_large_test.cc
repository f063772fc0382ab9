// Artifacts in files of their own: a flush that says OK has synced the file, whoever stored it, and
// no segment is proven to be on the disk before the files that its records lead to.
//
// A copy of the directory of an open store is what its death would leave.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

constexpr std::size_t large_bytes = 300'000;  // above a quarter of a segment of 1 MiB

class PackLarge : public PackStoreFixture {
 protected:
  PackLarge() { options_.budget.max_bytes = 64 * mib; }

  static std::string large(std::uint32_t seed) { return payload_of(large_bytes, seed); }

  // The store that a process leaves which is killed after `puts`.
  template <class Puts>
  void kill_after(const Puts& puts) {
    const auto killed = open();
    puts(*killed);
    const std::string left = (directory_ / "left").string();
    fs::copy(root(), left, fs::copy_options::recursive);
    options_.directory = left;
    options_.file_system = &faults_;
  }

  // Puts until all segments but the last are full.
  void fill_segment(Store& store, std::size_t segments = 2) const {
    for (std::uint32_t i = 100; segment_names().size() < segments; ++i) {
      ASSERT_LT(i, 130u);
      ASSERT_EQ(put(store, numbered(i), payload_of(100'000, i)), "ok");
    }
  }

  bool is_proven(std::size_t number = 0) const {
    const fs::path segment = segments() / segment_names().at(number);
    auto folder = posix_file_system().open_directory(segments().string()).value();
    const auto file = folder->open_file(segment.filename().string(), OpenMode::read).value();
    std::array<std::byte, 7> magic = {};
    (void)file->read_at(magic, fs::file_size(segment) - format::trailer_bytes);
    return std::string_view(reinterpret_cast<const char*>(magic.data()), 7) == "LARDdur";
  }

  void fail_syncs_of_files() {
    faults_.inject({.only = Op::sync_data, .path_contains = "/large", .repeat = Repeat::for_ever});
  }

  // Those that the flush names.
  static std::set<Fingerprint> lost_by_flush(Store& store) {
    const auto flushed = store.flush();
    if (flushed) return {};
    EXPECT_EQ(flushed.error().code, Errc::not_durable) << flushed.error().message;
    return {flushed.error().fingerprints.begin(), flushed.error().fingerprints.end()};
  }
};

TEST_F(PackLarge, OfASegmentThatWasAdoptedIsSynced) {
  kill_after([](Store& killed) { ASSERT_EQ(put(killed, numbered(1), large(1)), "ok"); });
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(2), "adopts the segment"), "ok");
  ASSERT_EQ(segment_names().size(), 1u);
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  EXPECT_EQ(store->metrics().puts_unchanged, 1u);
  EXPECT_EQ(store->durability().pending, 2u);
  fail_syncs_of_files();
  EXPECT_EQ(lost_by_flush(*store), (std::set<Fingerprint>{numbered(1)}));
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  faults_.clear_faults();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(store->durability().durable);
  EXPECT_EQ(content(store->get(numbered(1))), large(1));
}

TEST_F(PackLarge, OfASegmentThatIsProvenIsSyncedAgain) {
  kill_after([this](Store& killed) {
    ASSERT_EQ(put(killed, numbered(1), large(1)), "ok");
    fill_segment(killed);
    ASSERT_TRUE(killed.flush());
  });
  ASSERT_TRUE(is_proven());
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  EXPECT_EQ(store->metrics().puts_unchanged, 1u);
  EXPECT_EQ(store->durability().pending, 1u);
  EXPECT_FALSE(store->durability().durable);
  fail_syncs_of_files();
  EXPECT_EQ(lost_by_flush(*store), (std::set<Fingerprint>{numbered(1)}));
}

// What the flush before had lost was no removal.
TEST_F(PackLarge, ARemovalAfterALossIsNoneItself) {
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  faults_.inject({.only = Op::directory_info, .path_contains = "/large"});
  EXPECT_EQ(lost_by_flush(*store), (std::set<Fingerprint>{numbered(1)}));
  EXPECT_EQ(content(store->get(numbered(1))), large(1)) << "it could not be told";
  EXPECT_EQ(store->remove(numbered(1)), true);
  EXPECT_EQ(lost_by_flush(*store), (std::set<Fingerprint>{numbered(1)})) << "until it is put";
  ASSERT_EQ(put(*store, numbered(1), large(2)), "ok");
  EXPECT_EQ(lost_by_flush(*store), std::set<Fingerprint>());
}

TEST_F(PackLarge, AFileThatIsGoneIsStoredAgain) {
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  ASSERT_TRUE(store->flush());
  fs::remove_all(root() / "large");
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(content(store->get(numbered(1))), large(1));
}

// That is named until somebody puts it again.
TEST_F(PackLarge, AnEarlierLossOfAnotherFileWithholdsNoProof) {
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  faults_.inject({.only = Op::sync_data, .path_contains = "/large"});
  EXPECT_EQ(lost_by_flush(*store), (std::set<Fingerprint>{numbered(1)}));
  fill_segment(*store);
  ASSERT_EQ(put(*store, numbered(2), large(2)), "ok");
  fill_segment(*store, 3);
  EXPECT_EQ(lost_by_flush(*store), (std::set<Fingerprint>{numbered(1)}));
  EXPECT_TRUE(is_proven(1));
}

TEST_F(PackLarge, MaintainProvesASegmentAfterItsFiles) {
  kill_after([this](Store& killed) {
    ASSERT_EQ(put(killed, numbered(1), large(1)), "ok");
    fill_segment(killed);
  });
  ASSERT_FALSE(is_proven());
  fail_syncs_of_files();
  ASSERT_TRUE(open()->maintain());
  EXPECT_FALSE(is_proven());
}

TEST_F(PackLarge, MaintainSyncsTheFilesOfASegment) {
  kill_after([this](Store& killed) {
    ASSERT_EQ(put(killed, numbered(1), large(1)), "ok");
    fill_segment(killed);
  });
  std::atomic<bool> is_synced = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::sync_data && operation.path.contains("/large")) is_synced = true;
  });
  ASSERT_TRUE(open()->maintain());
  EXPECT_TRUE(is_proven());
  EXPECT_TRUE(is_synced);
}

TEST_F(PackLarge, AnAdopterDoesNotProveTheFilesOfOthers) {
  kill_after([](Store& killed) { ASSERT_EQ(put(killed, numbered(1), large(1)), "ok"); });
  const auto store = open();
  fill_segment(*store);
  ASSERT_TRUE(store->flush());
  EXPECT_FALSE(is_proven());
  EXPECT_EQ(content(store->get(numbered(1))), large(1));
}

// What is put while the files are synced is not among them.
TEST_F(PackLarge, WhatComesDuringAFlushIsNotProvenByIt) {
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  std::atomic<bool> has_put = false;
  faults_.observe([&](const Operation& operation) {
    const bool is_file = operation.op == Op::sync_data && operation.path.contains("/large");
    if (!is_file || has_put.exchange(true)) return;
    ASSERT_EQ(put(*store, numbered(2), large(2)), "ok");
    fill_segment(*store);
  });
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(has_put);
  EXPECT_FALSE(is_proven());
  ASSERT_TRUE(store->flush());
  EXPECT_TRUE(is_proven());
}

TEST_F(PackLarge, ASegmentWhoseFilesAreLostIsNotProven) {
  options_.file_system = &faults_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  fill_segment(*store);
  fail_syncs_of_files();
  EXPECT_EQ(lost_by_flush(*store), (std::set<Fingerprint>{numbered(1)}));
  EXPECT_FALSE(is_proven());
}

// A link there would lead every large artifact out of the store.
TEST_F(PackLarge, NoLinkIsFollowedToTheirDirectory) {
  ASSERT_EQ(put(*open(), numbered(1), "one"), "ok");
  const fs::path outside = directory_ / "outside";
  fs::create_directory(outside);
  fs::permissions(outside, fs::perms::owner_all);
  fs::create_directory_symlink(outside, root() / "large");
  const auto store = open();
  EXPECT_NE(put(*store, numbered(2), large(2)), "ok");
  EXPECT_TRUE(fs::is_empty(outside));
  EXPECT_EQ(content(store->get(numbered(1))), "one");
}

// What stands at the store's path meanwhile is somebody else's.
TEST_F(PackLarge, TheyStayInTheStoreWhenItsPathLeadsElsewhere) {
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "one"), "ok");
  const fs::path outside = directory_ / "outside";
  fs::create_directory(outside);
  fs::permissions(outside, fs::perms::owner_all);
  std::ofstream(outside / "foreign") << "kept";
  fs::rename(root(), directory_ / "moved");
  fs::create_directory_symlink(outside, root());
  (void)put(*store, numbered(2), large(2));
  (void)store->flush();
  EXPECT_EQ(std::distance(fs::directory_iterator(outside), fs::directory_iterator()), 1);
}

// Whoever may write there can put a longer one under its name.
TEST_F(PackLarge, AFileOfAnotherLengthIsDamage) {
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  ASSERT_TRUE(store->flush());
  std::string name;
  for (const auto& entry : fs::recursive_directory_iterator(root() / "large")) {
    if (entry.path().extension() == ".art") name = entry.path().stem();
  }
  {
    const auto files = open_file_store({.directory = (root() / "large").string()}).value();
    ASSERT_TRUE(files->put(*Fingerprint::from_hex(name), bytes_of(payload_of(2 * large_bytes, 2))));
  }
  std::string buffer(3 * large_bytes, '.');
  const auto room = std::as_writable_bytes(std::span(buffer)).first(large_bytes);
  EXPECT_FALSE(store->get_into(numbered(1), room));
  EXPECT_EQ(buffer.substr(large_bytes), std::string(2 * large_bytes, '.'));
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  EXPECT_EQ(content(store->get(numbered(1))), large(1));
}

}  // namespace
}  // namespace larder
