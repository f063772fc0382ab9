// What a pack store may cost its host at most: descriptors, the time of a put beside its own
// upkeep, entries on a full disk, and a count that has gone wrong.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& each : fs::directory_iterator("/proc/self/fd")) {
    if (each.is_symlink()) ++count;
  }
  return count - 1;  // that of the listing
}

// As most hosts have it, and less.
class LowDescriptorLimit {
 public:
  explicit LowDescriptorLimit(rlim_t limit) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit low{.rlim_cur = limit, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  }
  ~LowDescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  LowDescriptorLimit(const LowDescriptorLimit&) = delete;
  LowDescriptorLimit& operator=(const LowDescriptorLimit&) = delete;

 private:
  rlimit before_ = {};
};

class PackDescriptors : public PackStoreFixture {
 protected:
  static constexpr std::uint32_t entries = 9'000;
  static constexpr std::size_t allowance = 32;

  // 37 segments, which is more than the store may have open.
  void fill_segments() {
    options_.budget = {.max_bytes = 60 * mib};
    const auto store = open();
    fill(*store, 0, entries);
    ASSERT_TRUE(store->flush());
    ASSERT_GT(segment_names().size(), allowance);
  }

  // After every so many operations of the store from now on.
  void watch() {
    before_ = open_descriptors();
    watched_.observe([this](const Operation&) {
      if (++operations_ % 32 == 0) note();
    });
    options_.file_system = &watched_;
  }

  void note() { most_ = std::max(most_, open_descriptors() - before_); }

  std::size_t before_ = 0;
  std::size_t most_ = 0;
  std::uint64_t operations_ = 0;
  testing::FaultFileSystem watched_{clock_};
};

TEST_F(PackDescriptors, AVisitOfManySegmentsHasFewOpen) {
  fill_segments();
  const LowDescriptorLimit limit(8 * allowance);
  watch();
  const auto store = open();
  std::size_t seen = 0;
  EXPECT_TRUE(store->visit([&](const EntryInfo&) {
    if (++seen % 16 == 0) note();
    return Visit::go_on;
  }));
  EXPECT_EQ(seen, entries);
  EXPECT_LE(most_, allowance);
}

TEST_F(PackDescriptors, NothingStaysOpenForAVisitThatHasEnded) {
  fill_segments();
  const LowDescriptorLimit limit(8 * allowance);
  before_ = open_descriptors();
  const auto store = open();
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(store->visit([](const EntryInfo&) { return Visit::go_on; }));
    EXPECT_LE(open_descriptors() - before_, allowance) << round;
  }
}

TEST_F(PackDescriptors, ManyLookUpsInAnyOrderHaveFewOpen) {
  fill_segments();
  const LowDescriptorLimit limit(8 * allowance);
  watch();
  const auto store = open();
  std::vector<Fingerprint> asked;
  for (std::uint32_t i = 0; i < entries; ++i) asked.push_back(numbered(i * 7919 % entries));
  const auto answers = store->get_many(asked);
  ASSERT_TRUE(answers);
  for (std::uint32_t i = 0; i < entries; ++i) {
    ASSERT_EQ(content((*answers)[i]), payload_of(4096, i * 7919 % entries));
  }
  EXPECT_LE(most_, allowance);
}

// Of a reader that holds on to what it has found: the others still have their share.
TEST_F(PackDescriptors, LookUpsBesideALongVisitHaveFewOpen) {
  fill_segments();
  const LowDescriptorLimit limit(8 * allowance);
  watch();
  const auto store = open();
  std::uint32_t present = 0;
  EXPECT_TRUE(store->visit([&](const EntryInfo&) {
    present = count_present(*store, 0, entries);
    return Visit::stop;
  }));
  EXPECT_EQ(present, entries);
  EXPECT_LE(most_, allowance);
}

TEST_F(PackDescriptors, APruneOfManySegmentsHasFewOpen) {
  fill_segments();
  const LowDescriptorLimit limit(8 * allowance);
  watch();
  const auto store = open();
  const auto pruned = store->prune({.max_bytes = 20 * mib});
  ASSERT_TRUE(pruned) << pruned.error().message;
  EXPECT_LE(disk_bytes(), 20 * mib);
  EXPECT_LE(most_, allowance);
  EXPECT_TRUE(store->maintain());
  EXPECT_LE(most_, allowance);
}

TEST_F(PackDescriptors, WritingAnewWhatOthersHoldHasFewOpen) {
  fill_segments();
  std::vector<std::unique_ptr<File>> held;
  for (const std::string& name : segment_names()) held.push_back(hold(name));
  const LowDescriptorLimit limit(8 * allowance);
  watch();
  const auto store = open();
  EXPECT_EQ(count_present(*store, 0, entries), entries);
  clock_.later_s = 7200;
  const auto pruned = store->prune({.max_age_s = 600});
  ASSERT_TRUE(pruned) << pruned.error().message;
  EXPECT_EQ(pruned->kept_entries, entries);
  EXPECT_GT(segment_names().size(), held.size() + 30);
  EXPECT_LE(most_, allowance);
}

// Each look-up that finds its segment closed opens it for those that follow.
TEST_F(PackDescriptors, WhatIsReadMoreThanOnceStaysOpen) {
  fill_segments();
  const LowDescriptorLimit limit(8 * allowance);
  watch();
  const auto store = open();
  EXPECT_EQ(count_present(*store, 0, entries), entries);
  std::size_t opened = 0;
  watched_.observe([&](const Operation& operation) {
    if (operation.op == Op::open_file && operation.path.ends_with(".seg")) ++opened;
  });
  for (int round = 0; round < 100; ++round) EXPECT_NE(content(store->get(numbered(0))), "absent");
  EXPECT_LE(opened, 1u);
}

}  // namespace
}  // namespace larder
