// prune, clear and maintain of the pack store.
#include <array>
#include <map>
#include <set>

#include "format/pack_index.h"
#include "larder/testing/fault_file_system.h"
#include "store/pack/segment_scan.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

class PackPrune : public PackStoreFixture {
 protected:
  // With many segments of 1 MiB, and a budget that is never reached.
  PackPrune() { options_.budget = {.max_bytes = 60 * mib}; }

  std::multiset<Fingerprint> visited(Store& store) {
    std::multiset<Fingerprint> seen;
    EXPECT_TRUE(store.visit([&](const EntryInfo& entry) {
      seen.insert(entry.fingerprint);
      return Visit::go_on;
    }));
    return seen;
  }

  void rebuild(std::shared_ptr<PackStore>& store) {
    ASSERT_TRUE(store->flush());
    store.reset();
    lose_the_index();
    store = open();
  }
};

TEST_F(PackPrune, LeavesSoManyEntriesTheOldestUnreadFirst) {
  const auto store = open();
  fill(*store, 0, 1'000);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
  const auto report = store->prune({.max_entries = 600});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->evicted_entries, 400u);
  EXPECT_EQ(report->kept_entries, 600u);
  EXPECT_GE(report->evicted_bytes, 400u * 4096);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
  EXPECT_EQ(count_present(*store, 10, 410), 0u);
  EXPECT_EQ(count_present(*store, 410, 1'000), 590u);
  EXPECT_EQ(store->metrics().evictions, 400u);
  EXPECT_EQ(store->metrics().entries, 600u);
}

// What was read counts once: carried, it is as any other of that second.
TEST_F(PackPrune, CarryingTakesTheMarkAway) {
  options_.file_system = &clock_;
  clock_.stands_at_s = 1'800'000'000;
  const auto store = open();
  fill(*store, 0, 10);
  EXPECT_EQ(count_present(*store, 0, 1), 1u);
  ASSERT_EQ(store->prune({.max_entries = 9})->evicted_entries, 1u);
  ASSERT_EQ(store->prune({.max_entries = 8})->evicted_entries, 1u);
  EXPECT_EQ(count_present(*store, 0, 2), 0u);
  EXPECT_EQ(count_present(*store, 2, 10), 8u);
}

TEST_F(PackPrune, WhatWasReadIsAsNewAsTheStepThatSawIt) {
  options_.file_system = &clock_;
  clock_.stands_at_s = 1'800'000'000;
  const auto store = open();
  fill(*store, 0, 10);
  EXPECT_EQ(count_present(*store, 0, 1), 1u);
  clock_.later_s = 1;
  ASSERT_EQ(store->prune({.max_entries = 9})->evicted_entries, 1u);
  ASSERT_EQ(store->prune({.max_entries = 1})->evicted_entries, 8u);
  EXPECT_EQ(count_present(*store, 0, 1), 1u);
}

TEST_F(PackPrune, ReachesTheBytesThatDuCounts) {
  const auto store = open();
  fill(*store, 0, 5'000);
  for (const std::uint64_t limit : {15 * mib, 5 * mib, 1 * mib}) {
    const auto report = store->prune({.max_bytes = limit});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->kept_bytes, disk_bytes());
    EXPECT_LE(disk_bytes(), limit);
    EXPECT_GE(disk_bytes(), limit - limit / 8);
    EXPECT_EQ(visited(*store).size(), report->kept_entries);
    const auto first = static_cast<std::uint32_t>(5'000 - report->kept_entries);
    for (std::uint32_t i = 0; i < 5'000; i += 10) {
      EXPECT_EQ(store->inspect(numbered(i))->has_value(), i >= first) << i;  // leaves no mark
    }
  }
}

// Of a process whose segments are of 1 MiB.
TEST_F(PackPrune, CarriesRecordsThatAreLongerThanItsOwnSegments) {
  options_.budget = {};
  auto store = open();
  for (std::uint32_t i = 0; i < 20; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(3 * mib, i)), "ok");
  }
  ASSERT_TRUE(store->flush());
  store.reset();
  options_.budget = {.max_bytes = 64 * mib};
  store = open();
  const auto report = store->prune({.max_bytes = 40 * mib});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_LE(disk_bytes(), 40 * mib);
  EXPECT_GE(report->kept_entries, 11u);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const bool stays = i >= 20 - report->kept_entries;
    EXPECT_EQ(content(store->get(numbered(i))), stays ? payload_of(3 * mib, i) : "absent") << i;
  }
}

// What is dead goes before anything that lives.
TEST_F(PackPrune, DeadRecordsMakeRoomFirst) {
  const auto store = open();
  fill(*store, 0, 1'000);
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(2'000, i)), "ok");
  }
  const auto report = store->prune({.max_bytes = 4 * mib});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->evicted_entries, 0u);
  EXPECT_EQ(report->kept_entries, 1'000u);
  EXPECT_LE(disk_bytes(), 4 * mib);
}

// All were read; the large one, which was put last, must leave in any case.
TEST_F(PackPrune, SmallEntriesStayWhenALargeOneLeaves) {
  const auto store = open();
  fill(*store, 0, 20);
  ASSERT_EQ(put(*store, numbered(1'000), payload_of(20 * mib, 1)), "ok");
  EXPECT_EQ(count_present(*store, 0, 20), 20u);
  EXPECT_EQ(content(store->get(numbered(1'000))).size(), 20 * mib);
  const auto report = store->prune({.max_bytes = 4 * mib});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->evicted_entries, 1u);
  EXPECT_EQ(report->kept_entries, 20u);
  EXPECT_EQ(count_present(*store, 0, 20), 20u);
  EXPECT_LE(disk_bytes(), 4 * mib);
}

TEST_F(PackPrune, TakesWhatHasNotBeenUsedForSoLong) {
  options_.file_system = &clock_;
  const auto store = open();
  fill(*store, 0, 100);
  clock_.later_s = 1'000;
  fill(*store, 100, 200);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);  // used just now
  const auto report = store->prune({.max_age_s = 500});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->evicted_entries, 90u);
  EXPECT_EQ(count_present(*store, 0, 100), 10u);
  EXPECT_EQ(count_present(*store, 100, 200), 100u);
}

// A mark has no time: what was read counts as used when a prune finds the mark, and from then on.
TEST_F(PackPrune, WhatWasReadOnceIsTooOldInTheEnd) {
  options_.file_system = &clock_;
  const auto store = open();
  fill(*store, 0, 10);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
  clock_.later_s = 1'000;
  EXPECT_EQ(store->prune({.max_age_s = 500}, DryRun::yes)->evicted_entries, 0u);
  EXPECT_EQ(store->prune({.max_age_s = 500})->evicted_entries, 0u);
  clock_.later_s = 1'400;
  EXPECT_EQ(store->prune({.max_age_s = 500})->evicted_entries, 0u);
  EXPECT_EQ(count_present(*store, 0, 3), 3u);
  clock_.later_s = 1'600;
  EXPECT_EQ(store->prune({.max_age_s = 500}, DryRun::yes)->evicted_entries, 7u);
  EXPECT_EQ(store->prune({.max_age_s = 500})->evicted_entries, 7u);
  EXPECT_EQ(count_present(*store, 0, 10), 3u);
}

// What is young by its record is not written anew, whether it was read or not.
TEST_F(PackPrune, OnlyWhatIsTooOldGetsAnotherTime) {
  options_.file_system = &clock_;
  const auto store = open();
  fill(*store, 0, 10);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
  clock_.later_s = 400;
  const auto before = segment_names();
  EXPECT_EQ(store->prune({.max_age_s = 500})->evicted_entries, 0u);
  EXPECT_EQ(segment_names(), before);
}

TEST_F(PackPrune, WhatIsHeldAndWasReadOnceIsTooOldInTheEnd) {
  options_.file_system = &clock_;
  {
    const auto store = open();
    ASSERT_TRUE(store->put(numbered(10), bytes_of("read once"), {.recipe = "a recipe"}));
    fill(*store, 0, 10);
  }
  const std::string name = segment_names().front();
  auto held = hold(name);
  auto store = open();
  EXPECT_EQ(content(store->get(numbered(10))), "read once");
  EXPECT_EQ(count_present(*store, 0, 3), 3u);
  clock_.later_s = 1'000;
  const std::int64_t pruned_s = clock_.now_s();
  EXPECT_EQ(store->prune({.max_age_s = 500})->evicted_entries, 7u);
  const auto details = store->inspect(numbered(10));
  ASSERT_TRUE(details && *details);
  EXPECT_EQ((*details)->recipe, "a recipe");
  EXPECT_EQ((*details)->location.find(name), std::string::npos);
  EXPECT_GE((*details)->info.last_used_s, pruned_s);
  rebuild(store);
  EXPECT_EQ(visited(*store).size(), 4u);
  clock_.later_s = 1'600;
  EXPECT_EQ(store->prune({.max_age_s = 500})->evicted_entries, 4u);
  rebuild(store);
  EXPECT_TRUE(visited(*store).empty());
  EXPECT_TRUE(std::filesystem::exists(segments() / name));
}

TEST_F(PackPrune, ADryRunTellsWhatWouldHappen) {
  const auto store = open();
  fill(*store, 0, 1'000);
  ASSERT_TRUE(store->flush());
  const auto before = segment_names();
  for (const Budget& budget : {Budget{.max_bytes = 2 * mib}, Budget{.max_entries = 77}}) {
    const auto foreseen = store->prune(budget, DryRun::yes);
    ASSERT_TRUE(foreseen);
    EXPECT_EQ(segment_names(), before);
    EXPECT_EQ(visited(*store).size(), 1'000u);
    EXPECT_EQ(foreseen->evicted_entries + foreseen->kept_entries, 1'000u);
  }
  const auto foreseen = store->prune({.max_bytes = 2 * mib}, DryRun::yes);
  const auto done = store->prune({.max_bytes = 2 * mib});
  ASSERT_TRUE(done);
  EXPECT_NEAR(static_cast<double>(done->kept_entries), static_cast<double>(foreseen->kept_entries),
              20);
}

TEST_F(PackPrune, TheListenerHearsWhy) {
  std::map<EvictionReason, int> heard;
  options_.on_evict = [&](const Eviction& eviction) { ++heard[eviction.reason]; };
  const auto store = open();
  fill(*store, 0, 100);
  ASSERT_TRUE(store->prune({.max_entries = 90}));
  ASSERT_TRUE(store->prune({.max_bytes = 400u << 10}));
  ASSERT_TRUE(store->clear());
  EXPECT_EQ(heard[EvictionReason::entries], 10);
  EXPECT_GT(heard[EvictionReason::bytes], 0);
  EXPECT_EQ(heard[EvictionReason::entries] + heard[EvictionReason::bytes] +
                heard[EvictionReason::cleared],
            100);
}

// Of a segment that somebody else writes the entries leave, the file stays.
TEST_F(PackPrune, EntriesOfASegmentThatIsHeldLeaveForGood) {
  auto store = open();
  fill(*store, 0, 100);
  ASSERT_TRUE(store->flush());
  store.reset();
  const std::string name = segment_names().front();
  auto held = hold(name);
  store = open();
  ASSERT_EQ(store->prune({.max_entries = 60})->kept_entries, 60u);
  EXPECT_TRUE(std::filesystem::exists(segments() / name));
  EXPECT_EQ(count_present(*store, 40, 100), 60u);
  rebuild(store);
  EXPECT_EQ(count_present(*store, 0, 40), 0u);
  EXPECT_EQ(count_present(*store, 40, 100), 60u);
}

TEST_F(PackPrune, WhatIsHeldIsTold) {
  fill(*open(), 0, 100);
  const auto file = segments() / segment_names().front();
  auto held = hold(file.filename().string());
  const auto store = open();
  for (const DryRun dry_run : {DryRun::yes, DryRun::no}) {
    const auto report = store->prune({.max_bytes = 0}, dry_run);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_GE(report->held_bytes, std::filesystem::file_size(file));
    EXPECT_LT(report->held_bytes, report->kept_bytes);
  }
  held.reset();
  EXPECT_EQ(store->prune({.max_bytes = 0})->held_bytes, 0u);
}

// A removal that stood there first would outlive a put that the prune then makes way for.
TEST_F(PackPrune, ARemovalIsWrittenAfterItsSlotWasEmptied) {
  fill(*open(), 0, 10);
  const std::string name = segment_names().front();
  const auto held = hold(name);
  const auto reader = open();
  options_.file_system = &faults_;
  const auto store = open();
  fill(*store, 10, 20);
  int written = 0;
  faults_.observe([&](const testing::Operation& operation) {
    const bool is_record = operation.op == testing::Op::write_at &&
                           operation.path.ends_with(segment_of(*reader, numbered(19)));
    if (!is_record) return;
    EXPECT_EQ(reader->contains(numbered(0)), false);
    ++written;
  });
  EXPECT_EQ(store->prune({.max_entries = 19})->evicted_entries, 1u);
  faults_.observe({});
  EXPECT_GE(written, 1);
}

TEST_F(PackPrune, ClearLeavesNoSegmentAndNoLargeFile) {
  auto store = open();
  fill(*store, 0, 1'000);
  for (std::uint32_t i = 0; i < 500; i += 3) {
    ASSERT_EQ(put(*store, numbered(i), "replaced"), "ok");
    ASSERT_EQ(store->remove(numbered(i + 1)), true);
  }
  ASSERT_EQ(put(*store, numbered(5'000), payload_of(5 * mib, 1)), "ok");
  const auto report = store->clear();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->kept_entries, 0u);
  EXPECT_EQ(report->kept_bytes, disk_bytes());
  EXPECT_TRUE(segment_names().empty());
  EXPECT_LE(disk_bytes(), 2 * mib);  // folders and the index
  EXPECT_EQ(store->durability().pending, 0u);
  fill(*store, 0, 10);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
  rebuild(store);
  EXPECT_EQ(visited(*store).size(), 10u);
}

TEST_F(PackPrune, ClearReachesWhatAnotherProcessWrites) {
  auto store = open();
  fill(*store, 0, 100);
  ASSERT_TRUE(store->flush());
  store.reset();
  auto held = hold(segment_names().front());
  store = open();
  fill(*store, 100, 200);
  ASSERT_TRUE(store->clear());
  EXPECT_TRUE(visited(*store).empty());
  held.reset();
  rebuild(store);
  EXPECT_TRUE(visited(*store).empty());
}

TEST_F(PackPrune, OfAReadOnlyStoreOnlyADryRun) {
  fill(*open(), 0, 10);
  options_.access = Access::read_only;
  const auto store = open();
  EXPECT_EQ(store->prune({.max_entries = 0}, DryRun::yes)->evicted_entries, 10u);
  EXPECT_EQ(store->prune({.max_entries = 0}).error().code, Errc::read_only);
  EXPECT_EQ(store->clear().error().code, Errc::read_only);
  EXPECT_EQ(store->maintain().error().code, Errc::read_only);
}

TEST_F(PackPrune, OfAStoreThatIsNotThereNothing) {
  options_.create = Create::at_first_put;
  const auto store = open();
  EXPECT_EQ(store->prune({.max_entries = 0})->evicted_entries, 0u);
  EXPECT_EQ(store->clear()->evicted_entries, 0u);
  EXPECT_FALSE(std::filesystem::exists(root()));
}

TEST_F(PackPrune, MaintainWritesMostlyDeadSegmentsAnew) {
  const auto store = open();
  fill(*store, 0, 1'000);
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    if (i % 10 == 0) continue;
    ASSERT_EQ(put(*store, numbered(i), "small"), "ok");
  }
  ASSERT_TRUE(store->flush());
  EXPECT_GE(disk_bytes(), 4 * mib);
  ASSERT_TRUE(store->maintain());
  EXPECT_LE(disk_bytes(), 3 * mib);
  for (std::uint32_t i = 0; i < 1'000; i += 10) {
    EXPECT_EQ(count_present(*store, i, i + 1), 1u);
    EXPECT_EQ(content(store->get(numbered(i + 1))), "small");
  }
}

TEST_F(PackPrune, MaintainKeepsABudgetOfEntries) {
  fill(*open(), 0, 300);
  options_.budget.max_entries = 100;
  const auto store = open();
  EXPECT_EQ(count_present(*store, 0, 300), 300u);
  ASSERT_TRUE(store->maintain());
  EXPECT_EQ(store->metrics().entries, 100u);
  EXPECT_EQ(visited(*store).size(), 100u);
}

// An entry that only the index knows: the header of its record is damaged.
TEST_F(PackPrune, MaintainEndsWhenNoMoreEntriesCanBeFound) {
  auto store = open();
  fill(*store, 0, 10);
  ASSERT_TRUE(store->flush());
  store.reset();
  const auto directory = posix_file_system().open_directory(segments().string());
  const auto file = (*directory)->open_file(segment_names().front(), OpenMode::read_write);
  const std::array<std::byte, 64> other{};
  const std::array pieces{std::span<const std::byte>(other)};
  ASSERT_TRUE((*file)->write_at(pieces, format::records_at));
  options_.budget.max_entries = 0;
  store = open();
  EXPECT_EQ(store->metrics().entries, 10u);
  ASSERT_TRUE(store->maintain());
  EXPECT_TRUE(visited(*store).empty());
}

TEST_F(PackPrune, MaintainKeepsTheBudget) {
  fill(*open(), 0, 3'000);
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  ASSERT_TRUE(store->maintain());
  EXPECT_LE(disk_bytes(), 4 * mib);
  EXPECT_GE(disk_bytes(), 2 * mib);
}

// A large file whose record was never published: young, it may be somebody's put under way.
TEST_F(PackPrune, MaintainSweepsLargeFilesThatNothingLeadsTo) {
  options_.file_system = &clock_;
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), payload_of(5 * mib, 1)), "ok");
  ASSERT_EQ(put(*store, numbered(2), payload_of(5 * mib, 2)), "ok");
  ASSERT_TRUE(store->flush());
  const auto count_files = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root() / "large")) {
      count += entry.path().extension() == ".art";
    }
    return count;
  };
  const auto leftover = open_file_store({.directory = (root() / "large").string()});
  ASSERT_TRUE(leftover);
  ASSERT_EQ(put(**leftover, numbered(77), payload_of(5 * mib, 3)), "ok");
  EXPECT_EQ(count_files(), 3u);
  ASSERT_TRUE(store->maintain());
  EXPECT_EQ(count_files(), 2u);
  EXPECT_EQ(content(store->get(numbered(1))), payload_of(5 * mib, 1));
}

// Zeros and blocks of somebody who was killed, in a segment that nobody adopts.
TEST_F(PackPrune, MaintainGivesBackWhatIsAllocatedAhead) {
  fill(*open(), 0, 10);
  const std::filesystem::path path = segments() / segment_names().front();
  const auto size = std::filesystem::file_size(path);
  const std::uint64_t used = disk_bytes();
  std::filesystem::resize_file(path, size + 100'000);
  const auto directory = posix_file_system().open_directory(segments().string());
  ASSERT_TRUE(
      (*(*directory)->open_file(path.filename().string(), OpenMode::read_write))->reserve(3 * mib));
  ASSERT_GE(disk_bytes(), used + 2 * mib);
  const auto store = open();
  ASSERT_TRUE(store->maintain());
  EXPECT_LE(disk_bytes(), used + (64u << 10));
  EXPECT_EQ(std::filesystem::file_size(path), size);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
}

// Sealed by somebody who was killed before the sync.
TEST_F(PackPrune, MaintainProvesWhatWasAbandoned) {
  auto store = open();
  fill(*store, 0, 300);
  ASSERT_TRUE(store->flush());
  const std::string name = segment_of(*store, numbered(0));
  store.reset();
  const auto size = std::filesystem::file_size(segments() / name);
  std::filesystem::resize_file(segments() / name, size - format::trailer_bytes);
  store = open();
  ASSERT_TRUE(store->maintain());
  EXPECT_EQ(std::filesystem::file_size(segments() / name), size);
  EXPECT_EQ(count_present(*store, 0, 300), 300u);
  store.reset();
  const auto directory = posix_file_system().open_directory(segments().string());
  const auto file = (*directory)->open_file(name, OpenMode::read);
  std::array<std::byte, format::segment_header_bytes> head;
  ASSERT_EQ((*file)->read_at(head, 0), head.size());
  const auto header = format::decode_segment_header(head);
  const auto segment =
      pack_store::Segment::open(**directory, {header->identity.store, posix_file_system()},
                                {.number = header->identity.number}, OpenMode::read);
  EXPECT_TRUE((*segment)->is_known_durable());
}

TEST_F(PackPrune, MaintainSweepsIndexesOfOtherGenerations) {
  const auto store = open();
  fill(*store, 0, 1);
  const auto stray = root() / "index.00000000000000aa";
  std::filesystem::copy_file(root() / "state", stray);
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(std::filesystem::exists(stray));
  EXPECT_EQ(count_present(*store, 0, 1), 1u);
}

}  // namespace
}  // namespace larder
