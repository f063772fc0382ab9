// What a pack cannot show by fingerprint is told by its place, and a repair takes out what is
// damaged, that alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "format/entry_name.h"
#include "format/pack_name.h"
#include "larder/file_system.h"
#include "larder/testing/fault_file_system.h"
#include "store/directory/lock_file.h"
#include "store/pack/segment_writer.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Repeat;

class PackStrays : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto store = directory_.open();
    for (const std::uint32_t i : {1u, 2u, 3u}) {
      ASSERT_TRUE(store->put(numbered(i), bytes_of("payload")));
    }
    ASSERT_TRUE(store->flush());
  }

  static std::vector<Stray> strays_of(Store& store, Repair repair = Repair::no) {
    std::vector<Stray> strays;
    const auto visited = store.visit_strays(
        [&](const Stray& stray) {
          strays.push_back(stray);
          return Visit::go_on;
        },
        repair);
    EXPECT_TRUE(visited) << visited.error().message;
    return strays;
  }
  std::vector<Stray> strays(Repair repair = Repair::no) const {
    return strays_of(*directory_.open(), repair);
  }

  std::vector<fs::path> large_files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.root() / "large")) {
      if (entry.path().extension() == ".art") files.push_back(entry.path());
    }
    return files;
  }

  std::string segment_path() const { return directory_.segment(0).string(); }

  // Of the first and the third record.
  void damage_two_records() const {
    const auto records = records_of(directory_.segment(0));
    for (const std::size_t i : {0u, 2u}) flip_bit(directory_.segment(0), 8 * records[i].offset);
  }

  void damage_both_headers() const {
    flip_bit(directory_.segment(0), 8 * 20);
    flip_bit(directory_.segment(0), 8 * (format::segment_header_bytes + 20));
  }

  static void expect_one(const std::vector<Stray>& strays, Errc code, std::uint64_t entries,
                         std::string_view message) {
    ASSERT_EQ(strays.size(), 1u);
    EXPECT_EQ(strays[0].code, code);
    EXPECT_EQ(strays[0].entries, entries);
    EXPECT_NE(strays[0].message.find(message), std::string::npos) << strays[0].message;
  }

  PackDirectory directory_;
};

TEST_F(PackStrays, ASoundStoreHasNone) {
  write_bytes(directory_.root() / "segments" / "0000abcd.seg", "");  // is being made
  write_bytes(directory_.root() / "segments" / "notes.txt", std::string(100, 'x'));
  EXPECT_TRUE(strays(Repair::yes).empty());
  EXPECT_EQ(text_of(*directory_.open(), numbered(2)), "payload");
}

TEST_F(PackStrays, ADamagedHeaderIsNamedByItsPlace) {
  const auto at = records_of(directory_.segment(0))[2].offset;
  damage_two_records();
  const auto found = strays();
  ASSERT_EQ(found.size(), 2u);
  std::set<std::string> locations;
  for (const Stray& stray : found) {
    EXPECT_EQ(stray.code, Errc::corrupt);
    EXPECT_EQ(stray.entries, 1u);
    EXPECT_FALSE(stray.removed);
    locations.insert(stray.location);
  }
  EXPECT_TRUE(locations.contains(segment_path() + " at " + std::to_string(at)));
  EXPECT_EQ(strays().size(), 2u);
}

TEST_F(PackStrays, ARepairTakesThemOutOfTheIndexForEverybody) {
  damage_two_records();
  const auto beside = directory_.open();
  const auto store = directory_.open();
  for (const Stray& stray : strays_of(*store, Repair::yes)) EXPECT_TRUE(stray.removed);
  EXPECT_EQ(store->metrics().entries, 1u);
  EXPECT_EQ(store->metrics().removals, 2u);
  EXPECT_TRUE(strays_of(*beside).empty());
  EXPECT_EQ(text_of(*beside, numbered(1)), "absent");
  EXPECT_EQ(text_of(*beside, numbered(2)), "payload");
}

TEST_F(PackStrays, WhatWasPutInTheirPlaceMeanwhileStays) {
  damage_two_records();
  const auto store = directory_.open();
  ASSERT_TRUE(store->put(numbered(1), bytes_of("again")));
  ASSERT_EQ(strays_of(*store, Repair::yes).size(), 1u);
  EXPECT_EQ(text_of(*store, numbered(1)), "again");
}

TEST_F(PackStrays, ARepairNeedsAStoreThatMayBeWritten) {
  damage_two_records();
  directory_.options.access = Access::read_only;
  const auto store = directory_.open();
  EXPECT_EQ(strays_of(*store).size(), 2u);
  const auto refused = store->visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::read_only);
}

TEST_F(PackStrays, ADamagedPayloadIsNoStray) {
  const auto at = records_of(directory_.segment(0))[0].offset + format::record_header_bytes;
  flip_bit(directory_.segment(0), 8 * at);
  EXPECT_TRUE(strays(Repair::yes).empty());
  EXPECT_EQ(text_of(*directory_.open(), numbered(1)), "error: corrupt");
}

// An error of the disk proves nothing of what is on it.
TEST_F(PackStrays, WhatCannotBeReadIsToldAndStays) {
  testing::FaultFileSystem faults(posix_file_system());
  directory_.options.file_system = &faults;
  const auto store = directory_.open();
  ASSERT_EQ(text_of(*store, numbered(1)), "payload");
  faults.inject({.only = Op::read_at, .path_contains = "segments/", .repeat = Repeat::for_ever});
  const auto found = strays_of(*store, Repair::yes);
  expect_one(found, Errc::io_error, 3, "injected");
  EXPECT_FALSE(found[0].removed);
  faults.clear_faults();
  EXPECT_EQ(text_of(*store, numbered(1)), "payload");
  EXPECT_TRUE(strays_of(*store).empty());
}

TEST_F(PackStrays, AnUnreadableSegmentIsToldWithItsEntries) {
  damage_both_headers();
  const auto found = strays();
  expect_one(found, Errc::corrupt, 3, "nothing in it can be read");
  EXPECT_EQ(found[0].location, segment_path());
}

TEST_F(PackStrays, ARepairRemovesAnUnreadableSegment) {
  damage_both_headers();
  const auto found = strays(Repair::yes);
  expect_one(found, Errc::corrupt, 3, "nothing in it can be read");
  EXPECT_TRUE(found[0].removed);
  EXPECT_FALSE(fs::exists(directory_.segment(0)));
  const auto store = directory_.open();
  EXPECT_TRUE(strays_of(*store).empty());
  EXPECT_EQ(text_of(*store, numbered(1)), "absent");
  ASSERT_TRUE(store->put(numbered(1), bytes_of("again")));
  EXPECT_EQ(text_of(*store, numbered(1)), "again");
}

TEST_F(PackStrays, ARepairRemovesAnUnreadableSegmentThatNothingLeadsTo) {
  for (const std::uint32_t i : {1u, 2u, 3u})
    ASSERT_EQ(directory_.open()->remove(numbered(i)), true);
  damage_both_headers();
  expect_one(strays(Repair::yes), Errc::corrupt, 0, "nothing in it can be read");
  EXPECT_FALSE(fs::exists(directory_.segment(0)));
}

TEST_F(PackStrays, WhatHasANumberThatWasNeverGivenOutIsSomebodysFile) {
  write_bytes(directory_.segment(0xabcd), std::string(200, 'x'));
  expect_one(strays(Repair::yes), Errc::not_ours, 0, "yet to be made");
  EXPECT_TRUE(fs::exists(directory_.segment(0xabcd)));
}

TEST_F(PackStrays, AnUnreadableSegmentStaysWhileAProcessHoldsIt) {
  damage_both_headers();
  auto folder = posix_file_system().open_directory((directory_.root() / "segments").string());
  ASSERT_TRUE(folder);
  auto held = (*folder)->open_file(format::segment_name(0), OpenMode::read_write);
  ASSERT_EQ((*held)->try_lock(LockMode::exclusive, pack_store::owner_lock_at, 1), true);
  const auto found = strays(Repair::yes);
  expect_one(found, Errc::corrupt, 3, "try again");
  EXPECT_FALSE(found[0].removed);
  EXPECT_TRUE(fs::exists(directory_.segment(0)));
}

TEST_F(PackStrays, WhoHasASegmentOpenSinceItWasGoodGoesOnReadingIt) {
  const auto store = directory_.open();
  ASSERT_EQ(text_of(*store, numbered(1)), "payload");
  damage_both_headers();
  EXPECT_TRUE(strays_of(*store, Repair::yes).empty());
  EXPECT_TRUE(fs::exists(directory_.segment(0)));
  EXPECT_EQ(text_of(*store, numbered(1)), "payload");
}

TEST_F(PackStrays, EntriesOfAMissingSegmentAreLost) {
  fs::remove(directory_.segment(0));
  for (const Repair repair : {Repair::no, Repair::yes}) {
    const auto found = strays(repair);
    expect_one(found, Errc::corrupt, 3, "missing");
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].location, segment_path());
    EXPECT_EQ(found[0].removed, repair == Repair::yes);
  }
  EXPECT_TRUE(strays().empty());
  EXPECT_EQ(directory_.open()->metrics().entries, 0u);
}

// One of its entries could not be looked for: that it is missing is not known then.
TEST_F(PackStrays, ASegmentThatCannotBeLookedForIsNotMissing) {
  fs::remove(directory_.segment(0));
  testing::FaultFileSystem faults(posix_file_system());
  directory_.options.file_system = &faults;
  const auto store = directory_.open();
  faults.inject({.only = Op::open_file, .path_contains = format::segment_name(0)});
  EXPECT_TRUE(strays_of(*store, Repair::yes).empty());
  EXPECT_EQ(faults.injected().size(), 1u);
  expect_one(strays_of(*store), Errc::corrupt, 3, "missing");
}

TEST_F(PackStrays, OfAStoreWithoutSegmentsThereIsNothingToTell) {
  fs::remove_all(directory_.root() / "segments");
  directory_.options.access = Access::read_only;
  const auto store = directory_.open();
  EXPECT_TRUE(strays_of(*store).empty());
  const auto foreseen = store->prune({.max_entries = 0}, DryRun::yes);
  ASSERT_TRUE(foreseen) << foreseen.error().message;
  EXPECT_EQ(foreseen->evicted_entries, 0u);
  EXPECT_EQ(foreseen->kept_bytes, 0u);
}

TEST_F(PackStrays, AnArtifactWhoseFileIsMissingIsLost) {
  {
    const auto store = directory_.open();
    ASSERT_TRUE(store->put(numbered(5), bytes_of(payload_of(1u << 20, 5))));
    ASSERT_TRUE(store->flush());
  }
  const auto in_use = large_files();
  ASSERT_EQ(in_use.size(), 1u);
  fs::remove(in_use[0]);
  expect_one(strays(Repair::no), Errc::corrupt, 1, "file of this artifact is missing");
  const auto found = strays(Repair::yes);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].removed);
  EXPECT_TRUE(strays().empty());
  EXPECT_EQ(text_of(*directory_.open(), numbered(2)), "payload");
}

// Whoever stores the same payload just now leads to the file again.
TEST_F(PackStrays, AMissingArtifactStaysWhileSomebodyStoresThePayload) {
  {
    const auto store = directory_.open();
    ASSERT_TRUE(store->put(numbered(5), bytes_of(payload_of(1u << 20, 5))));
    ASSERT_TRUE(store->flush());
  }
  fs::remove(large_files().front());
  const Fingerprint key = format::large_file_key(records_of(directory_.segment(0)).back().record);
  const std::uint64_t lock = store_directory::LockOffset::change_of(key).value;
  auto folder = posix_file_system().open_directory(directory_.root().string());
  const auto locks = (*folder)->open_or_create_file(format::lock_name);
  ASSERT_EQ((*locks)->try_lock(LockMode::exclusive, lock, 1), true);
  auto found = strays(Repair::yes);
  expect_one(found, Errc::corrupt, 1, "a process is at work on it");
  EXPECT_FALSE(found[0].removed);
  ASSERT_TRUE((*locks)->unlock(lock, 1));
  found = strays(Repair::yes);
  expect_one(found, Errc::corrupt, 1, "file of this artifact is missing");
  EXPECT_TRUE(found[0].removed);
}

class PackStraysOfTwoWriters : public PackStrays {
 protected:
  void SetUp() override {
    PackStrays::SetUp();
    ASSERT_TRUE(beside_->put(numbered(4), bytes_of("payload")));
    ASSERT_TRUE(beside_->flush());
    ASSERT_EQ(directory_.segments().size(), 2u);
  }

  // Each in a segment of its own: 5 in segment 0, 6 in segment 1.
  void put_large_ones() {
    ASSERT_TRUE(first_->put(numbered(5), bytes_of(payload_of(1u << 20, 5))));
    ASSERT_TRUE(beside_->put(numbered(6), bytes_of(payload_of(1u << 20, 6))));
    ASSERT_TRUE(first_->flush());
    ASSERT_TRUE(beside_->flush());
  }

  std::shared_ptr<PackStore> first_ = held(directory_);
  std::shared_ptr<PackStore> beside_ = directory_.open();

 private:
  // Holds segment 0, so that another writer makes one.
  static std::shared_ptr<PackStore> held(const PackDirectory& directory) {
    auto store = directory.open();
    EXPECT_TRUE(store->put(numbered(9), bytes_of("payload")));
    return store;
  }
};

// Nor what the walk could not read.
TEST_F(PackStraysOfTwoWriters, WhoStopsTakesNothingOutThatHeWasNotToldOf) {
  testing::FaultFileSystem faults(posix_file_system());
  directory_.options.file_system = &faults;
  const auto store = directory_.open();
  faults.inject({.only = Op::read_at, .path_contains = "segments/", .repeat = Repeat::for_ever});
  int told = 0;
  const auto stop = [&](const Stray&) {
    ++told;
    return Visit::stop;
  };
  EXPECT_TRUE(store->visit_strays(stop, Repair::yes));
  EXPECT_EQ(told, 1);
  faults.clear_faults();
  for (const std::uint32_t i : {1u, 2u, 3u, 4u, 9u}) {
    EXPECT_EQ(text_of(*store, numbered(i)), "payload") << i;
  }
}

TEST_F(PackStraysOfTwoWriters, WhoStopsAtOneMissingSegmentKeepsTheOther) {
  for (const std::uint32_t number : {0u, 1u}) fs::remove(directory_.segment(number));
  std::vector<Stray> told;
  const auto stop = [&](const Stray& stray) {
    told.push_back(stray);
    return Visit::stop;
  };
  const auto store = directory_.open();
  EXPECT_TRUE(store->visit_strays(stop, Repair::yes));
  ASSERT_EQ(told.size(), 1u);
  expect_one(strays_of(*store), Errc::corrupt, 5 - told[0].entries, "missing");
}

// The walk has seen that both are missing.
TEST_F(PackStraysOfTwoWriters, AnArtifactThatIsPutAgainMeanwhileStaysAndIsNotTold) {
  put_large_ones();
  for (const fs::path& file : large_files()) fs::remove(file);
  const auto repairer = directory_.open();
  std::uint32_t again = 0;
  int told = 0;
  EXPECT_TRUE(repairer->visit_strays(
      [&](const Stray& stray) {
        EXPECT_TRUE(stray.removed);
        if (told++ != 0) return Visit::go_on;
        again = stray.location.starts_with(segment_path()) ? 6 : 5;
        EXPECT_TRUE(beside_->put(numbered(again), bytes_of(payload_of(1u << 20, again))));
        EXPECT_TRUE(beside_->flush());
        return Visit::go_on;
      },
      Repair::yes));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(text_of(*beside_, numbered(again)), payload_of(1u << 20, again));
}

// The entries behind it are lost; what stands there is somebody's.
TEST_F(PackStrays, AForeignThingInPlaceOfASegmentIsNeverTouched) {
  const fs::path elsewhere = directory_.root() / "elsewhere.seg";
  fs::rename(directory_.segment(0), elsewhere);
  fs::create_symlink("../elsewhere.seg", directory_.segment(0));
  for (const Repair repair : {Repair::no, Repair::yes}) {
    const auto found = strays(repair);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].code, Errc::not_ours);
    EXPECT_FALSE(found[0].removed);
    EXPECT_EQ(found[1].code, Errc::corrupt);
    EXPECT_EQ(found[1].entries, 3u);
    EXPECT_EQ(found[1].removed, repair == Repair::yes);
  }
  EXPECT_TRUE(fs::is_symlink(directory_.segment(0)));
  expect_one(strays(Repair::yes), Errc::not_ours, 0, "no regular file");
}

TEST_F(PackStrays, ASegmentOfAnotherStoreOrVersionIsNeverTouched) {
  const PackDirectory other;
  ASSERT_TRUE(other.open()->put(numbered(9), bytes_of("theirs")));
  fs::copy_file(other.segment(0), directory_.segment(7));
  expect_one(strays(Repair::yes), Errc::not_ours, 0, "another store");
  fs::copy_file(directory_.segment(0), directory_.segment(7), fs::copy_options::overwrite_existing);
  for (const std::uint64_t at : {0u, 64u}) flip_bit(directory_.segment(7), 8 * (at + 8) + 1);
  expect_one(strays(Repair::yes), Errc::not_ours, 0, "another version");
  EXPECT_TRUE(fs::exists(directory_.segment(7)));
}

TEST_F(PackStrays, ForeignThingsAmongTheLargeFilesAreTold) {
  ASSERT_TRUE(directory_.open()->put(numbered(5), bytes_of(payload_of(1u << 20, 5))));
  for (const fs::path& file : large_files()) {
    fs::remove(file);
    fs::create_directory(file);
  }
  const auto found = strays(Repair::yes);
  expect_one(found, Errc::not_ours, 0, "a folder under the name of an entry");
  EXPECT_TRUE(fs::is_directory(found[0].location));
}

}  // namespace
}  // namespace larder
