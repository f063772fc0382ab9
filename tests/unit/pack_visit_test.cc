// What a visit cannot show, it tells: entries whose header is damaged, segments that nobody can
// read any more.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class PackVisit : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_.options.log = [this](LogLevel level, std::string_view line) {
      if (level == LogLevel::warning) warnings_.emplace_back(line);
    };
    const auto store = directory_.open();
    for (const std::uint32_t i : {1u, 2u, 3u}) {
      ASSERT_TRUE(store->put(numbered(i), bytes_of("payload")));
    }
    ASSERT_TRUE(store->flush());
  }

  std::set<Fingerprint> visited() {
    std::set<Fingerprint> fingerprints;
    EXPECT_TRUE(directory_.open()->visit([&](const EntryInfo& entry) {
      fingerprints.insert(entry.fingerprint);
      return Visit::go_on;
    }));
    return fingerprints;
  }

  // The second of the two writers; neither has flushed.
  std::shared_ptr<PackStore> put_into_two_segments() const {
    const auto first = directory_.open();
    auto second = directory_.open();
    EXPECT_TRUE(first->put(numbered(4), bytes_of("payload")));
    EXPECT_TRUE(second->put(numbered(5), bytes_of("payload")));
    EXPECT_EQ(directory_.segments().size(), 2u);
    return second;
  }

  void expect_one_warning(std::string_view with) {
    ASSERT_EQ(warnings_.size(), 1u);
    EXPECT_NE(warnings_[0].find(with), std::string::npos) << warnings_[0];
    EXPECT_NE(warnings_[0].find(format::segment_name(0)), std::string::npos) << warnings_[0];
  }

  void damage_both_headers() const {
    flip_bit(directory_.segment(0), 8 * 20);
    flip_bit(directory_.segment(0), 8 * (format::segment_header_bytes + 20));
  }

  PackDirectory directory_;
  std::vector<std::string> warnings_;
};

TEST_F(PackVisit, ASoundStoreGivesNoWarning) {
  write_bytes(directory_.root() / "segments" / "0000abcd.seg", "");  // is being made
  write_bytes(directory_.root() / "segments" / "notes.txt", std::string(100, 'x'));
  EXPECT_EQ(visited().size(), 3u);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(PackVisit, EntriesWithDamagedHeadersAreCounted) {
  const auto records = records_of(directory_.segment(0));
  for (const std::size_t i : {0u, 2u}) flip_bit(directory_.segment(0), 8 * records[i].offset);
  EXPECT_EQ(visited(), std::set{numbered(2)});
  expect_one_warning("2 damaged");
}

TEST_F(PackVisit, AnEntryWithADamagedPayloadIsShown) {
  const auto at = records_of(directory_.segment(0))[0].offset + format::record_header_bytes;
  flip_bit(directory_.segment(0), 8 * at);
  EXPECT_EQ(visited().size(), 3u);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(PackVisit, EntriesOfAnUnreadableSegmentAreCounted) {
  damage_both_headers();
  EXPECT_TRUE(visited().empty());
  expect_one_warning("3 damaged");
}

TEST_F(PackVisit, AnUnreadableSegmentIsToldAfterARebuild) {
  damage_both_headers();
  directory_.forget_index();
  EXPECT_TRUE(visited().empty());
  expect_one_warning("nothing in it can be read");
}

TEST_F(PackVisit, WhatWasEvictedOrRemovedIsNoDamage) {
  const auto store = directory_.open();
  EXPECT_TRUE(store->remove(numbered(1)).value());
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(visited().size(), 2u);
  EXPECT_TRUE(store->clear());
  EXPECT_TRUE(visited().empty());
  EXPECT_TRUE(warnings_.empty());
}

// The table that is walked over is replaced on the way, and still leads to what was evicted since.
TEST_F(PackVisit, WhatIsEvictedMeanwhileIsNoDamage) {
  const auto beside = put_into_two_segments();
  std::size_t seen = 0;
  const auto evict_once = [&](const EntryInfo&) {
    if (seen++ != 0) return Visit::go_on;
    for (std::uint32_t i = 10; i < 6'000; ++i) {
      EXPECT_TRUE(beside->put(numbered(i), bytes_of(payload_of(2'000, i))));
    }
    EXPECT_TRUE(beside->prune({.max_entries = 10}));
    return Visit::go_on;
  };
  EXPECT_TRUE(directory_.open()->visit(evict_once));
  EXPECT_FALSE(fs::exists(directory_.segment(1)));
  EXPECT_TRUE(warnings_.empty());
}

// A reader whose index is his own hears of nothing that leaves.
TEST_F(PackVisit, WhatIsEvictedBesideAnIndexOfItsOwnIsNoDamage) {
  put_into_two_segments().reset();  // uncleanly
  PackStoreOptions reading = directory_.options;
  reading.access = Access::read_only;
  const auto reader = open_pack_store(reading).value();
  std::size_t seen = 0;
  EXPECT_TRUE(reader->visit([&](const EntryInfo&) {
    if (seen++ == 0) {
      EXPECT_TRUE(directory_.open()->clear());
    }
    return Visit::go_on;
  }));
  EXPECT_GT(seen, 0u);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(PackVisit, EntriesOfAMissingSegmentAreCounted) {
  fs::remove(directory_.segment(0));
  EXPECT_TRUE(visited().empty());
  expect_one_warning("3 lost with a file that is missing");
}

}  // namespace
}  // namespace larder
