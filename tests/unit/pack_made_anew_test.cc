// An index that is made anew beside others: it leads to copies that an eviction has not synced yet,
// back to what one has taken for dead, or not to all that is there.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "larder/testing/memory_file_system.h"
#include "tests/unit/pack_upkeep_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::CrashChoice;
using testing::FaultFileSystem;
using testing::MemoryFileSystem;
using testing::Op;
using testing::Operation;
using testing::Repeat;

class PackMadeAnew : public PackUpkeep {
 protected:
  static constexpr std::int64_t max_age_s = 10'000;

  PackMadeAnew() { options_.budget = {.max_bytes = 64 * mib}; }

  // The first entry of a segment is 1,500 s older than the others, of which the last 50 are hidden.
  // Then the first one is too old.
  void leave_an_aged_segment() {
    clock_.later_s = 0;
    std::string before;
    {
      const auto store = open();
      fill(*store, 0, 1);
      clock_.later_s = max_age_s - 1'000;
      fill(*store, 1, 100);
      before = index_bytes();
      fill(*store, 100, 150);
      ASSERT_TRUE(store->flush());
    }
    ASSERT_EQ(zero_slots_changed_since(before), 50u);
    clock_.later_s = max_age_s + 500;
  }

  void make_the_index_anew() const {
    fs::remove(index_path());
    EXPECT_TRUE(open());
  }
};

// Whenever that is between two steps of the eviction, of a segment that has no summary.
TEST_F(PackMadeAnew, NothingLeavesThatItLeadsBackTo) {
  int moments = 0;
  for (int moment = 1; moment <= 8; ++moment) {
    fs::remove_all(root());
    options_.budget.max_age_s = std::nullopt;
    leave_an_aged_segment();
    auto holder = open();
    ASSERT_EQ(put(*holder, numbered(7'000), "adopts the segment"), "ok");
    ASSERT_TRUE(holder->flush());
    FaultFileSystem seen(clock_);
    PackStoreOptions evicting = options_;
    evicting.file_system = &seen;
    evicting.budget.max_age_s = max_age_s;
    const auto store = open_pack_store(evicting).value();
    ASSERT_EQ(put(*store, numbered(900), "in one of its own"), "ok");
    holder.reset();
    int turns = 0;
    bool is_there = false;
    seen.observe([&](const Operation& operation) {
      const bool is_turn =
          operation.op == Op::try_lock && operation.path.ends_with("store/.larder-lock");
      if (!is_turn || ++turns != moment) return;
      is_there = fs::exists(segments() / "00000000.seg");
      make_the_index_anew();
    });
    for (std::uint32_t i = 0; i < 12; ++i) {
      clock_.later_s += 700;
      ASSERT_EQ(put(*store, numbered(2'000 + i), payload_of(4096, i)), "ok");
    }
    seen.observe({});
    ASSERT_GE(turns, moment);
    if (!is_there) continue;
    EXPECT_EQ(count_present(*store, 100, 150), 50u) << moment;
    ++moments;
  }
  EXPECT_GE(moments, 4);
}

// A comparison that failed says nothing of what is in there.
TEST_F(PackMadeAnew, NothingAgedIsTakenForDeadThatWasNotCompared) {
  leave_an_aged_segment();
  options_.budget.max_age_s = max_age_s;
  const auto store = open();
  spoilt_.inject({.only = Op::read_at, .path_contains = ".seg", .os_error = EIO});
  (void)store->maintain();
  EXPECT_EQ(spoilt_.injected().size(), 1u);
  spoilt_.clear_faults();
  EXPECT_TRUE(store->maintain());
  EXPECT_EQ(count_present(*store, 100, 150), 50u);
}

// Another process has read all but one segment, for a passing reason, and knows it.
TEST_F(PackMadeAnew, OthersCompareWhatSomebodyElseCouldNotRead) {
  {
    const auto store = open();
    fill(*store, 0, 600);
    ASSERT_TRUE(store->flush());
  }
  PackStoreOptions sound = options_;
  sound.file_system = nullptr;
  const auto other = open_pack_store(sound).value();
  EXPECT_TRUE(other->maintain());
  const std::string before = index_bytes();
  ASSERT_EQ(put(*open(), numbered(7'000), "hidden"), "ok");
  ASSERT_EQ(zero_slots_changed_since(before), 1u);
  const fs::path old_index = index_path();
  const auto store = open();
  bool is_failed = false;
  spoilt_.observe([&](const Operation& operation) {
    const bool is_first = operation.op == Op::open_file && operation.path.ends_with("00000000.seg");
    if (!is_first || index_path() == old_index || std::exchange(is_failed, true)) return;
    spoilt_.inject({.only = Op::read_at, .path_contains = "00000000.seg", .os_error = EIO});
  });
  (void)store->maintain();
  spoilt_.observe({});
  ASSERT_TRUE(is_failed);
  ASSERT_LT(count_present(*other, 0, 600), 600u);
  // Who only looks compares them too, and mends nothing.
  EXPECT_TRUE(other->visit_strays([](const Stray&) { return Visit::go_on; }, Repair::no));
  EXPECT_TRUE(other->maintain());
  EXPECT_EQ(count_present(*other, 0, 600), 600u);
}

// Its sync fails when the new index is being filled, and grows: it has been read by then.
TEST_F(PackMadeAnew, NobodyServesWhatTheDiskNeverGot) {
  constexpr std::uint32_t that_grow = 4'000;
  {
    const auto store = open();
    for (std::uint32_t i = 0; i < that_grow; ++i)
      ASSERT_EQ(put(*store, numbered(i), payload_of(100, i)), "ok");
    ASSERT_TRUE(store->flush());
  }
  const std::string lost = payload_of(5'000, 1);
  const auto failing = open();
  const auto other = open();
  ASSERT_EQ(put(*failing, numbered(7'000), "flushed"), "ok");
  ASSERT_TRUE(failing->flush());
  ASSERT_EQ(put(*failing, numbered(7'001), lost), "ok");
  ASSERT_EQ(content(other->get(numbered(7'001))), lost) << "has the segment open";
  fs::remove(index_path());
  FaultFileSystem seen(clock_);
  int indexes = 0;
  seen.observe([&](const Operation& operation) {
    const bool is_index = operation.op == Op::create_file && operation.path.contains("/index.");
    if (!is_index || ++indexes != 2) return;
    spoilt_.inject({.only = Op::sync_data, .path_contains = ".seg"});
    EXPECT_FALSE(failing->flush());
  });
  PackStoreOptions making = options_;
  making.file_system = &seen;
  const auto maker = open_pack_store(making);
  seen.observe({});
  ASSERT_GE(indexes, 2);
  for (const auto& store : {failing, other, maker.value()}) {
    EXPECT_EQ(content(store->get(numbered(7'001))), "absent");
    EXPECT_EQ(content(store->get(numbered(7'000))), "flushed");
  }
}

// The new value does not say that there is an older one, since the index lacked that.
TEST_F(PackMadeAnew, AnOlderValueThatWasHiddenDoesNotComeBack) {
  std::string before;
  {
    const auto store = open();
    fill(*store, 1, 300);
    before = index_bytes();
    ASSERT_EQ(put(*store, numbered(0), "old"), "ok");
    ASSERT_TRUE(store->flush());
  }
  ASSERT_EQ(zero_slots_changed_since(before), 1u);
  {
    const auto holder = open();
    ASSERT_EQ(put(*holder, numbered(7'000), "adopts the segment"), "ok");
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(0), "new"), "ok");
    fill(*store, 1'000, 1'300);
    ASSERT_TRUE(store->flush());
    EXPECT_TRUE(store->maintain());
    count_present(*store, 1, 300);
    count_present(*store, 1'000, 1'300);
    (void)store->get(numbered(7'000));
    EXPECT_EQ(store->prune({.max_entries = 600})->evicted_entries, 1u);
    ASSERT_EQ(content(store->get(numbered(0))), "absent");
    ASSERT_TRUE(store->flush());
  }
  const auto next = open();
  EXPECT_TRUE(next->maintain());
  EXPECT_EQ(content(next->get(numbered(0))), "absent");
}

// Who may not write sees it as well, and notes nothing.
TEST_F(PackMadeAnew, AReaderMayCompareAValueThatHidesAnOlderOne) {
  std::string before;
  {
    const auto store = open();
    before = index_bytes();
    ASSERT_EQ(put(*store, numbered(0), "old"), "ok");
    ASSERT_TRUE(store->flush());
  }
  ASSERT_EQ(zero_slots_changed_since(before), 1u);
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(0), "new"), "ok");
    ASSERT_TRUE(store->flush());
  }
  options_.access = Access::read_only;
  const auto reader = open();
  std::uint64_t hidden = 0;
  EXPECT_TRUE(reader->visit_strays(
      [&](const Stray& stray) {
        hidden += stray.entries;
        return Visit::go_on;
      },
      Repair::no));
  EXPECT_EQ(hidden, 0u);
  EXPECT_EQ(content(reader->get(numbered(0))), "new");
}

// Copies that an eviction made and gave up before it had synced them, and to which the new index
// leads.
class PackUnsyncedCopies : public ::testing::Test {
 protected:
  static constexpr std::uint32_t living = 44, dead_until = 248, all = 600;

  // Most of the segment is dead, and a removal in it has to go on.
  void leave_a_hollow_segment() {
    const auto holder = open_in(disk_);
    ASSERT_TRUE(holder->put(numbered(5'000), bytes_of("older, in another segment")));
    ASSERT_TRUE(holder->flush());
    const auto store = open_in(disk_);
    put_each(*store, 0, living);
    ASSERT_EQ(store->remove(numbered(5'000)), true);
    put_each(*store, living, all);
    for (std::uint32_t i = living; i < dead_until; ++i) {
      ASSERT_EQ(store->remove(numbered(i)), true);
    }
    ASSERT_TRUE(store->flush());
  }

  // When all that lives was copied.
  void give_up_a_compaction() {
    evictor_ = open_in(faults_);
    std::string copies;
    std::uint32_t copied = 0;
    faults_.observe([&](const Operation& operation) {
      const bool is_new = operation.op == Op::create_file && operation.path.ends_with(".seg");
      if (is_new) copies = operation.path;
      const bool copies_one = operation.op == Op::write_at && operation.path == copies;
      if (copies_one && ++copied == living + 1) {
        faults_.inject({.only = Op::list, .path_contains = "segments", .os_error = ENOMEM});
      }
    });
    (void)evictor_->maintain();
    faults_.observe({});
    ASSERT_EQ(faults_.injected().size(), 1u);
  }

  void make_the_index_anew() {
    const auto root = disk_.open_directory("/store").value();
    std::string index;
    ASSERT_TRUE(root->list([&](std::string_view name) {
      if (name.starts_with("index.")) index = name;
      return true;
    }));
    const std::string before = evictor_->inspect(numbered(1)).value()->location;
    ASSERT_TRUE(root->remove_file(index));
    ASSERT_TRUE(open_in(disk_));
    ASSERT_NE(evictor_->inspect(numbered(1)).value()->location, before) << "of a copy";
  }

  static void put_each(Store& store, std::uint32_t from, std::uint32_t until) {
    for (std::uint32_t i = from; i < until; ++i) {
      ASSERT_TRUE(store.put(numbered(i), bytes_of(payload_of(4096, i))));
    }
  }

  static std::shared_ptr<PackStore> open_in(FileSystem& disk) {
    return open_pack_store(
               {.directory = "/store", .budget = {.max_bytes = 64 * mib}, .file_system = &disk})
        .value();
  }

  // When all that was not synced is lost, but for names.
  std::uint32_t count_after_a_power_cut(std::uint32_t from, std::uint32_t until) {
    const auto after = disk_.crash_point().open([](const CrashChoice& choice) -> std::uint32_t {
      return choice.kind == CrashChoice::Kind::name ? 1 : 0;
    });
    const auto store = open_in(*after);
    std::uint32_t present = 0;
    for (std::uint32_t i = from; i < until; ++i) {
      present += content(store->get(numbered(i))) == payload_of(4096, i);
    }
    return present;
  }

  MemoryFileSystem disk_;
  FaultFileSystem faults_{disk_};
  std::shared_ptr<PackStore> evictor_;
};

TEST_F(PackUnsyncedCopies, AreSyncedBeforeTheirSourceLeaves) {
  leave_a_hollow_segment();
  give_up_a_compaction();
  make_the_index_anew();
  EXPECT_TRUE(evictor_->maintain());
  EXPECT_TRUE(evictor_->flush());
  EXPECT_EQ(count_after_a_power_cut(0, living), living);
}

TEST_F(PackUnsyncedCopies, AreSyncedWhenTheStoreIsClosed) {
  leave_a_hollow_segment();
  give_up_a_compaction();
  make_the_index_anew();
  EXPECT_TRUE(evictor_->flush());
  evictor_.reset();
  EXPECT_EQ(count_after_a_power_cut(0, living), living);
}

// Their owner never flushed; the disk was too full for more of them.
TEST_F(PackUnsyncedCopies, AreNotVouchedForByAFlush) {
  constexpr std::uint32_t entries = 100, copied = 28;
  evictor_ = open_in(faults_);
  ASSERT_TRUE(evictor_->put(numbered(7'000), bytes_of("in one of its own")));
  ASSERT_TRUE(evictor_->flush());
  put_each(*open_in(disk_), 0, entries);
  for (std::uint32_t i = 0; i < entries - 1; ++i) (void)evictor_->get(numbered(i));
  faults_.inject({.only = Op::write_at,
                  .path_contains = ".seg",
                  .at = copied + 4,
                  .repeat = Repeat::for_ever,
                  .os_error = ENOSPC});
  (void)evictor_->prune({.max_entries = entries - 1});
  ASSERT_FALSE(faults_.injected().empty());
  faults_.clear_faults();
  make_the_index_anew();
  put_each(*evictor_, 1, copied);
  EXPECT_TRUE(evictor_->flush());
  EXPECT_EQ(count_after_a_power_cut(1, copied), copied - 1);
}

}  // namespace
}  // namespace larder
