// prune, clear and maintain beside others who change the same entries, over segments that the disk
// cannot read, and before what replaced an entry is durable.
#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

// An older value stands in a segment that somebody writes, so that what leaves needs a removal.
TEST_F(PackUpkeep, AnEvictionThatFailsTakesNothing) {
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), "the old value"), "ok");
  }
  const auto held = hold(segment_names().front());
  auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "the new value"), "ok");
  ASSERT_EQ(put(*store, numbered(2), "is carried"), "ok");
  ASSERT_TRUE(store->flush());
  ASSERT_EQ(content(store->get(numbered(2))), "is carried");
  std::atomic<bool> is_copying = false;
  spoilt_.observe([&](const Operation& operation) {
    const bool begins = operation.op == Op::create_file && operation.path.ends_with(".seg");
    if (!begins || is_copying.exchange(true)) return;
    spoilt_.inject({.only = Op::info_at, .path_contains = "/state"});
  });
  EXPECT_FALSE(store->prune({.max_entries = 1}));
  spoilt_.observe({});
  ASSERT_EQ(spoilt_.injected().size(), 1u);
  EXPECT_EQ(content(store->get(numbered(1))), "the new value");
  ASSERT_EQ(put(*store, numbered(1), "the new value"), "ok");
  ASSERT_TRUE(store->flush());
  rebuild(store);
  EXPECT_EQ(content(store->get(numbered(1))), "the new value");
}

// It puts back what it had taken out of the index, unless somebody has put another value there.
TEST_F(PackUpkeep, AnEvictionThatCannotWriteARemovalGivesWay) {
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), "the old value"), "ok");
  }
  const auto held = hold(segment_names().front());
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "the new value"), "ok");
  ASSERT_TRUE(store->flush());
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(2), "beside it"), "ok");
  std::atomic<bool> is_begun = false;
  spoilt_.observe([&](const Operation& operation) {
    const bool begins = operation.op == Op::create_file && operation.path.ends_with(".seg");
    if (!begins || is_begun.exchange(true)) return;
    ASSERT_EQ(put(*other, numbered(1), "the newest value"), "ok");
    spoilt_.inject({.only = Op::create_file, .path_contains = ".seg"});
  });
  EXPECT_FALSE(store->prune({.max_entries = 0}));
  spoilt_.observe({});
  ASSERT_EQ(spoilt_.injected().size(), 1u);
  EXPECT_EQ(content(store->get(numbered(1))), "the newest value");
  std::size_t seen = 0;
  ASSERT_TRUE(store->visit([&](const EntryInfo& entry) {
    seen += entry.fingerprint == numbered(1);
    return Visit::go_on;
  }));
  EXPECT_EQ(seen, 1u);
}

TEST_F(PackUpkeep, ARemovalThatIsHalfWrittenHolds) {
  auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "removed"), "ok");
  ASSERT_TRUE(store->flush());
  spoilt_.inject({.only = Op::write_at, .path_contains = ".seg", .at = 2, .os_error = ENOSPC});
  EXPECT_EQ(store->remove(numbered(1)), true);
  EXPECT_EQ(spoilt_.injected().size(), 1u);
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  rebuild(store);
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
}

// Else a kill in between leaves a record that is not whole before an older one that is.
TEST_F(PackUpkeep, ALargeFileGoesAfterItsSegment) {
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), "an older value"), "ok");
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  ASSERT_TRUE(store->flush());
  ASSERT_EQ(segment_names().size(), 1u);
  const std::string segment = segment_names().front();
  std::vector<std::string> steps;
  spoilt_.observe([&](const Operation& operation) {
    const bool is_large = operation.path.find("/large") != std::string::npos;
    if (operation.op == Op::remove_file && operation.path.ends_with(segment)) {
      steps.emplace_back("segment");
    }
    if (operation.op == Op::sync_directory && operation.path.ends_with("/segments")) {
      steps.emplace_back("names");
    }
    if (operation.op == Op::remove_file && is_large) steps.emplace_back("file");
  });
  ASSERT_TRUE(store->prune({.max_entries = 0}));
  spoilt_.observe({});
  const auto at = [&](std::string_view step) {
    return std::ranges::find(steps, step) - steps.begin();
  };
  ASSERT_TRUE(std::ranges::find(steps, "file") != steps.end());
  EXPECT_LT(at("segment"), at("file"));
  EXPECT_EQ(steps[static_cast<std::size_t>(at("segment")) + 1], "names");
}

// What its own store says of their size drifts with every process that is killed.
TEST_F(PackUpkeep, MaintainCountsLargeFilesOneByOne) {
  {
    const auto store = open();
    for (std::uint32_t i = 0; i < 40; ++i) ASSERT_EQ(put(*store, numbered(i), large(i)), "ok");
  }
  fs::remove(root() / "large" / ".larder-lock");
  options_.budget.max_bytes = 6 * mib;
  ASSERT_GT(disk_bytes(), 10 * mib);
  ASSERT_TRUE(open()->maintain());
  EXPECT_LE(disk_bytes(), 6 * mib);
}

// What leaves there is told by nobody.
TEST_F(PackUpkeep, TheStoreOfLargeFilesEvictsNothingOnAFullDisk) {
  std::size_t told = 0;
  options_.on_evict = [&](const Eviction&) { ++told; };
  const auto store = open();
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_EQ(put(*store, numbered(i), large(i)), "ok");
  ASSERT_TRUE(store->flush());
  for (const Op op : {Op::reserve, Op::write_at}) {
    spoilt_.inject({.only = op, .path_contains = "/large", .os_error = ENOSPC});
  }
  (void)put(*store, numbered(5), large(5));
  EXPECT_FALSE(spoilt_.injected().empty());
  std::size_t absent = 0;
  for (std::uint32_t i = 0; i < 5; ++i) absent += content(store->get(numbered(i))) == "absent";
  EXPECT_EQ(absent, told);
}

// The successor is in nobody's flush yet.
class PackLargeSweep : public PackUpkeep {
 protected:
  void SetUp() override {
    store_ = open();
    ASSERT_EQ(put(*store_, numbered(1), large(1)), "ok");
    ASSERT_TRUE(store_->flush());
  }

  // Whether the disk had got the successor's segment when the old value's file left.
  void expect_order(const std::string& segment) {
    clock_.later_s = two_hours_s;
    std::atomic<bool> is_synced = false, has_left = false;
    spoilt_.observe([&](const Operation& operation) {
      const bool is_large = operation.path.find("/large") != std::string::npos;
      if (operation.op == Op::sync_data && operation.path.ends_with(segment)) is_synced = true;
      if (operation.op != Op::remove_file || !is_large) return;
      has_left = true;
      EXPECT_TRUE(is_synced);
    });
    ASSERT_TRUE(store_->maintain());
    spoilt_.observe({});
    EXPECT_TRUE(has_left);
  }

  std::shared_ptr<PackStore> store_;
};

TEST_F(PackLargeSweep, WaitsForTheSuccessorOfThisProcess) {
  ASSERT_EQ(put(*store_, numbered(1), "small"), "ok");
  expect_order(segment_of(*store_, numbered(1)));
  EXPECT_EQ(large_files(), 0u);
}

TEST_F(PackLargeSweep, WaitsForTheSuccessorOfAnotherProcess) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(1), "small"), "ok");
  expect_order(segment_of(*other, numbered(1)));
}

TEST_F(PackLargeSweep, KeepsTheFileWhenTheSuccessorCannotBeMadeDurable) {
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(1), "small"), "ok");
  clock_.later_s = two_hours_s;
  spoilt_.inject({.only = Op::sync_data,
                  .path_contains = segment_of(*other, numbered(1)),
                  .repeat = Repeat::for_ever});
  EXPECT_TRUE(store_->maintain());
  EXPECT_TRUE(was_told("injected"));
  EXPECT_EQ(large_files(), 1u);
}

TEST_F(PackLargeSweep, KeepsTheFileOfARecordThatCannotBeRead) {
  clock_.later_s = two_hours_s;
  fail_reads_of(segment_names().front());
  (void)store_->maintain();
  spoilt_.clear_faults();
  EXPECT_TRUE(content(store_->get(numbered(1))) == large(1));
}

// Whenever somebody puts: what the index leads to is there.
TEST_F(PackLargeSweep, ClearTakesNoFileThatIsLedTo) {
  std::uint64_t moments = 0;
  for (std::uint64_t moment = 1; moment == 1 || moment <= moments; ++moment) {
    const auto other = open();
    std::atomic<std::uint64_t> looks = 0;
    spoilt_.observe([&](const Operation& operation) {
      const bool is_look =
          operation.op == Op::list && operation.path.find("/large") != std::string::npos;
      if (!is_look || ++looks != moment) return;
      EXPECT_EQ(put(*other, numbered(2), large(2)), "ok");
    });
    ASSERT_TRUE(store_->clear());
    spoilt_.observe({});
    moments = looks;
    bool is_led_to = false;
    ASSERT_TRUE(store_->visit([&](const EntryInfo&) {
      is_led_to = true;
      return Visit::stop;
    }));
    const bool is_whole = content(store_->get(numbered(2))) == large(2);
    EXPECT_EQ(is_whole, is_led_to) << moment;
  }
  EXPECT_GE(moments, 4u);
}

// What a flush could not make durable is named until it is put again. That must not be taken for
// a loss of what is synced later.
TEST_F(PackUpkeep, ALossOfALargeFileKeepsNothingElseFromLeaving) {
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(1), large(1)), "ok");
  spoilt_.inject({.only = Op::sync_data, .path_contains = "/large"});
  ASSERT_FALSE(store->flush());
  ASSERT_EQ(put(*store, numbered(2), "small"), "ok");
  const auto second = store->flush();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fingerprints, (std::vector<Fingerprint>{numbered(1)}));
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(2), large(2)), "ok");
  const auto report = store->prune({.max_entries = 1});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(content(store->get(numbered(2))) == large(2));
  EXPECT_TRUE(store->maintain());
}

class PackUnreadable : public PackUpkeep {
 protected:
  // Three segments of 1 MiB.
  void SetUp() override {
    const auto store = open();
    fill(*store, 0, 600);
    ASSERT_TRUE(store->flush());
    segment_ = segment_of(*store, numbered(0));
    ASSERT_GE(segment_names().size(), 3u);
  }

  std::string segment_;
};

TEST_F(PackUnreadable, PruneTakesTheOthersAndTellsOfIt) {
  const auto store = open();
  fail_reads_of(segment_);
  const auto report = store->prune({.max_bytes = 0});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_GT(report->evicted_entries, 300u);
  EXPECT_GE(report->held_bytes, mib / 2);
  EXPECT_TRUE(was_told(segment_));
  spoilt_.clear_faults();
  EXPECT_TRUE(fs::exists(segments() / segment_));
  EXPECT_EQ(count_present(*store, 250, 600), 0u);
  EXPECT_EQ(content(store->get(numbered(0))), payload_of(4096, 0));
  EXPECT_EQ(store->prune({.max_bytes = 0})->kept_entries, 0u);
  EXPECT_FALSE(fs::exists(segments() / segment_));
}

TEST_F(PackUnreadable, SomeEntriesLeaveForOthersAllTheSame) {
  options_.budget.max_entries = 600;
  const auto store = open();
  fail_reads_of(segment_);
  fill(*store, 600, 1'200);
  EXPECT_LE(store->metrics().entries, 610u);
  EXPECT_EQ(count_present(*store, 1'190, 1'200), 10u);
}

// Somebody is just putting the file of the large artifact that replaced an entry.
TEST_F(PackUnreadable, WhatCannotLeaveYetKeepsNoOtherOne) {
  const auto store = open();
  const auto other = open();
  ASSERT_EQ(put(*other, numbered(0), large(0)), "ok");
  Result<PruneReport> report;
  bool is_putting = false;
  spoilt_.observe([&](const Operation& operation) {
    if (!operation.path.contains("/large/") || std::exchange(is_putting, true)) return;
    report = store->prune({.max_entries = 10});
  });
  ASSERT_EQ(put(*other, numbered(0), large(0)), "ok");
  spoilt_.observe({});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(was_told("could not be synced"));
  EXPECT_TRUE(fs::exists(segments() / segment_));
  EXPECT_LE(report->kept_entries, 10u);
}

// Nobody gets anything from a damaged file, and there is nothing to wait for. One that is gone may
// have left because its sync failed.
TEST_F(PackUnreadable, WhatReplacedAnEntryKeepsItWhenItIsGoneAndNotWhenItIsDamaged) {
  for (const bool is_gone : {true, false}) {
    const auto store = open();
    const auto other = open();
    ASSERT_EQ(put(*other, numbered(0), large(0)), "ok");
    ASSERT_TRUE(other->flush());
    for (const auto& entry : fs::recursive_directory_iterator(root() / "large")) {
      if (!entry.is_regular_file() || fs::file_size(entry) <= large_bytes) continue;
      if (is_gone) {
        fs::remove(entry);
      } else {
        std::fstream(entry.path(), std::ios::in | std::ios::out).seekp(1000) << "damaged";
      }
    }
    const auto report = store->prune({.max_entries = 10});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(fs::exists(segments() / segment_), is_gone);
    EXPECT_LE(report->kept_entries, 10u);
    ASSERT_TRUE(store->clear());
    SetUp();
  }
}

TEST_F(PackUnreadable, ClearTakesTheOthersAndTellsOfIt) {
  const auto store = open();
  fail_reads_of(segment_);
  const auto report = store->clear();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(was_told(segment_));
  EXPECT_GT(report->kept_entries, 0u) << "nobody knows what is in there";
  spoilt_.clear_faults();
  EXPECT_EQ(count_present(*store, 250, 600), 0u);
}

// A sector that the disk cannot give just now may hold a removal: the segment stays. Each read
// fails in turn, and the one after it, which asks for the first sector alone.
TEST_F(PackUpkeep, WhatIsInALostSectorIsNotDropped) {
  std::size_t injected = 1;
  std::uint64_t at = 0;
  for (; injected > 0; ++at) {
    ASSERT_LT(at, 60u);
    fs::remove_all(root());
    fill(*open(), 0, 10);
    const auto store = open();
    ASSERT_EQ(count_present(*store, 0, 1), 1u);  // the first one is not what shall leave
    const std::size_t before = spoilt_.injected().size();
    for (const std::uint64_t read : {at + 1, at + 2}) {
      spoilt_.inject({.only = Op::read_at, .path_contains = ".seg", .at = read});
    }
    (void)store->prune({.max_entries = 9});
    injected = spoilt_.injected().size() - before;
    spoilt_.clear_faults();
    EXPECT_GE(count_present(*store, 0, 10), 9u) << at;
  }
  EXPECT_GT(at, 14u);
}

// An older value stands behind an entry that a repair took out of the index, and that the index has
// forgotten since.
class PackForgotten : public PackUpkeep {
 protected:
  void SetUp() override {
    store_ = open();
    ASSERT_EQ(put(*store_, numbered(9'000), "the old value"), "ok");
    ASSERT_EQ(put(*store_, numbered(9'000), "the new value"), "ok");
    ASSERT_TRUE(store_->flush());
    segment_ = segment_names().front();
    spoil_record_of("the new value");
    ASSERT_TRUE(store_->visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes));
    fill(*store_, 0, 6'000);  // the index grows, and copies no empty slots
    ASSERT_EQ(content(store_->get(numbered(9'000))), "absent");
  }

  std::shared_ptr<PackStore> store_;
  std::string segment_;
};

TEST_F(PackForgotten, ARemovalIsWrittenAllTheSame) {
  EXPECT_EQ(store_->remove(numbered(9'000)), false);
  rebuild(store_);
  EXPECT_EQ(content(store_->get(numbered(9'000))), "absent");
}

TEST_F(PackForgotten, WhatIsPutAgainLeavesARemovalWhenItGoes) {
  ASSERT_TRUE(store_->flush());
  store_.reset();
  const auto held = hold(segment_);
  store_ = open();
  ASSERT_EQ(content(store_->get(numbered(9'000))), "absent");
  ASSERT_EQ(put(*store_, numbered(9'000), "the third value"), "ok");
  ASSERT_TRUE(store_->prune({.max_entries = 0}));
  ASSERT_TRUE(fs::exists(segments() / segment_));
  rebuild(store_);
  EXPECT_EQ(content(store_->get(numbered(9'000))), "absent");
}

}  // namespace
}  // namespace larder
