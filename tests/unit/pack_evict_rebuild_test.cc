// What an eviction must not bring back, and what it must not lose, when the index is made anew.
#include <array>
#include <atomic>
#include <cerrno>
#include <set>

#include "format/pack_record.h"
#include "store/pack/segment_scan.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

// Segments of 1 MiB, which hold 244 entries of 4 KiB.
class PackEvictRebuild : public PackStoreFixture {
 protected:
  PackEvictRebuild() { options_.budget = {.max_bytes = 4 * mib}; }

  // Fills what is being written, so that what comes next is in another segment.
  void begin_another_segment(Store& store) {
    const std::string before = segment_names().back();
    for (std::uint32_t i = 0; i < 300 && segment_names().back() == before; ++i) {
      fill(store, next_, next_ + 1);
      ++next_;
    }
    ASSERT_NE(segment_names().back(), before);
    ASSERT_TRUE(store.flush());
  }

  // Until all segments that nobody holds are others.
  void push_out(Store& store, std::uint32_t entries = 2'500) {
    fill(store, next_, next_ + entries);
    next_ += entries;
  }

  // The old segment may go when the new one is on the disk.
  void push_out_in_order(Store& store, const std::string& old_segment,
                         const std::string& new_segment) {
    std::atomic<bool> is_synced = false;
    std::atomic<bool> has_left = false;
    faults_.observe([&](const testing::Operation& operation) {
      const bool is_new = operation.path.ends_with(new_segment);
      if (operation.op == testing::Op::sync_data && is_new) is_synced = true;
      if (operation.op == testing::Op::remove_file && operation.path.ends_with(old_segment)) {
        has_left = true;
        EXPECT_TRUE(is_synced);
      }
    });
    push_out(store);
    EXPECT_TRUE(has_left);
    faults_.observe({});
  }

  void rebuild(std::shared_ptr<PackStore>& store) {
    ASSERT_TRUE(store->flush());
    store.reset();
    lose_the_index();
    store = open();
  }

  // In all segments.
  std::uint64_t count_tombstones() const {
    const auto directory = posix_file_system().open_directory(segments().string());
    std::uint64_t count = 0;
    for (const std::string& name : segment_names()) {
      const auto file = (*directory)->open_file(name, OpenMode::read);
      std::array<std::byte, format::segment_header_bytes> head;
      EXPECT_EQ((*file)->read_at(head, 0), head.size());
      const auto header = format::decode_segment_header(head);
      const auto segment =
          pack_store::Segment::open(**directory, {header->identity.store, posix_file_system()},
                                    {.number = header->identity.number}, OpenMode::read);
      EXPECT_TRUE(
          pack_store::scan_records(**segment, {}, [&](const format::Record& record, std::uint32_t) {
            count += record.kind == format::RecordKind::removed;
          }));
    }
    return count;
  }

  std::uint32_t next_ = 1'000'000;
};

TEST_F(PackEvictRebuild, CarriedEntriesAreThereAfterwards) {
  auto store = open();
  fill(*store, 0, 50);
  for (int round = 0; round < 10; ++round) {
    EXPECT_EQ(count_present(*store, 0, 50), 50u);
    push_out(*store, 300);
  }
  EXPECT_EQ(count_present(*store, 0, 50), 50u);
  rebuild(store);
  EXPECT_EQ(count_present(*store, 0, 50), 50u);
}

// The value stays in a segment that somebody holds; the removal's segment leaves.
TEST_F(PackEvictRebuild, ARemovedEntryStaysAwayWhenItsRemovalIsEvicted) {
  auto store = open();
  fill(*store, 0, 1);
  begin_another_segment(*store);
  auto held = hold(segment_names().front());
  EXPECT_EQ(store->remove(numbered(0)), true);
  begin_another_segment(*store);
  const std::string with_removal = segment_names()[1];
  push_out(*store);
  EXPECT_FALSE(std::filesystem::exists(segments() / with_removal));
  held.reset();
  rebuild(store);
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
}

TEST_F(PackEvictRebuild, AnOldValueStaysAwayWhenTheNewOneIsEvicted) {
  auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "the old value"), "ok");
  begin_another_segment(*store);
  auto held = hold(segment_names().front());
  ASSERT_EQ(put(*store, numbered(0), "the new value"), "ok");
  begin_another_segment(*store);
  push_out(*store);
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
  held.reset();
  rebuild(store);
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
}

// The tombstone goes with the last record that it keeps away.
TEST_F(PackEvictRebuild, RemovalsDoNotPileUp) {
  auto store = open();
  for (std::uint32_t round = 0; round < 20; ++round) {
    for (std::uint32_t i = 0; i < 100; ++i) {
      ASSERT_EQ(put(*store, numbered(i), payload_of(500, i + round)), "ok");
      if (i % 2 == 0) {
        ASSERT_EQ(store->remove(numbered(i)), true);
      }
    }
    // Some old entries are always in use, so that there are old sequences in every segment.
    fill(*store, 500'000, 500'001);
    EXPECT_EQ(count_present(*store, 500'000, 500'001), 1u);
    push_out(*store, 300);
  }
  EXPECT_LE(count_tombstones(), 100u * 5);
  push_out(*store);
  EXPECT_EQ(count_tombstones(), 0u);
}

// An older value may stand in a younger segment, when it was carried there.
TEST_F(PackEvictRebuild, ClearTakesItsOwnRemovalsAwayToo) {
  auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "the old value"), "ok");
  const std::string put_to = segment_of(*store, numbered(0));
  for (int i = 0; i < 3'000 && segment_of(*store, numbered(0)) == put_to; ++i) {
    ASSERT_TRUE(*store->contains(numbered(0)));
    push_out(*store, 1);
  }
  // The first segment of carried records is made while one that is older takes the puts.
  const std::string carried_to = segment_of(*store, numbered(0));
  ASSERT_EQ(put(*store, numbered(0), "the new value"), "ok");
  ASSERT_LT(segment_of(*store, numbered(0)), carried_to);
  ASSERT_TRUE(store->clear());
  EXPECT_TRUE(segment_names().empty());
}

// A put that follows an eviction of the same entry supersedes nothing any more.
TEST_F(PackEvictRebuild, PuttingAgainWhatWasEvictedLeavesNoTombstones) {
  auto store = open();
  for (std::uint32_t round = 0; round < 5; ++round) {
    fill(*store, 0, 2'000);
    fill(*store, 500'000, 500'001);
    EXPECT_EQ(count_present(*store, 500'000, 500'001), 1u);
  }
  EXPECT_GT(store->metrics().evictions, 7'000u);
  EXPECT_EQ(count_tombstones(), 0u);
}

// The new value is in nobody's flush yet: the old one must not go before the disk has it.
TEST_F(PackEvictRebuild, ADeadRecordLeavesOnlyAfterItsSuccessorIsDurable) {
  options_.file_system = &faults_;
  auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "the old value"), "ok");
  begin_another_segment(*store);
  const std::string old_segment = segment_names().front();
  ASSERT_EQ(put(*store, numbered(0), "the new value"), "ok");
  const std::string new_segment = segment_of(*store, numbered(0));
  push_out_in_order(*store, old_segment, new_segment);
}

// The same in the hands of another process, which has not flushed it either.
TEST_F(PackEvictRebuild, ASuccessorOfAnotherProcessIsSyncedToo) {
  auto other = open();
  options_.file_system = &faults_;
  auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "the old value"), "ok");
  begin_another_segment(*store);
  const std::string old_segment = segment_of(*store, numbered(0));
  ASSERT_EQ(put(*other, numbered(0), "the new value"), "ok");
  const std::string new_segment = segment_of(*other, numbered(0));
  push_out_in_order(*store, old_segment, new_segment);
}

// Whoever cannot make the copies durable keeps the originals.
TEST_F(PackEvictRebuild, ASourceStaysWhenItsCopiesAreNotDurable) {
  options_.file_system = &faults_;
  auto store = open();
  fill(*store, 0, 50);
  ASSERT_TRUE(store->flush());
  const std::string source = segment_of(*store, numbered(0));
  faults_.observe([&](const testing::Operation& operation) {
    if (operation.op != testing::Op::create_file) return;
    faults_.inject({.only = testing::Op::sync_data, .path_contains = operation.path});
  });
  EXPECT_FALSE(store->prune({.max_entries = 49}));
  faults_.observe({});
  EXPECT_EQ(faults_.injected().size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(segments() / source));
  EXPECT_EQ(count_present(*store, 0, 50), 50u);
  EXPECT_TRUE(store->flush());  // nothing that anybody put is lost
  rebuild(store);
  EXPECT_EQ(count_present(*store, 0, 50), 50u);
}

// Their records still stand in segments that stay.
TEST_F(PackEvictRebuild, WhatLeftAloneStaysAway) {
  options_.budget = {.max_entries = 100};
  auto store = open();
  fill(*store, 0, 300);
  EXPECT_EQ(count_present(*store, 0, 300), 100u);
  options_.budget = {};
  rebuild(store);
  EXPECT_EQ(count_present(*store, 0, 200), 0u);
  EXPECT_EQ(count_present(*store, 200, 300), 100u);
}

// Without its file a record is passed over: it keeps an older one down no more.
TEST_F(PackEvictRebuild, AnOldValueStaysAwayWhenALargeOneLeftAlone) {
  options_.budget = {.max_entries = 100};
  auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "the old value"), "ok");
  ASSERT_EQ(put(*store, numbered(0), payload_of(5 * mib, 0)), "ok");
  fill(*store, 1, 200);
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
  options_.budget = {};
  rebuild(store);
  EXPECT_EQ(content(store->get(numbered(0))), "absent");
}

TEST_F(PackEvictRebuild, TheFileOfWhatLeftAloneGoesAfterItsRemovalIsDurable) {
  options_.budget = {.max_entries = 100};
  options_.file_system = &faults_;
  auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "the old value"), "ok");
  ASSERT_EQ(put(*store, numbered(0), payload_of(5 * mib, 0)), "ok");
  std::uint64_t unsynced = 0, removed = 0;
  faults_.observe([&](const testing::Operation& operation) {
    const bool is_segment = operation.path.ends_with(".seg");
    if (is_segment && operation.op == testing::Op::write_at) ++unsynced;
    if (is_segment && operation.op == testing::Op::sync_data) unsynced = 0;
    if (!operation.path.ends_with(".art") || operation.op != testing::Op::remove_file) return;
    EXPECT_EQ(unsynced, 0u);
    ++removed;
  });
  fill(*store, 1, 200);
  faults_.observe({});
  EXPECT_EQ(removed, 1u);
}

// The removal of what left alone may not be durable, and the index forgets that it was ever there.
TEST_F(PackEvictRebuild, ARemovalIsWrittenForWhatTheIndexHasForgotten) {
  auto store = open();
  EXPECT_EQ(store->remove(numbered(0)), false);
  EXPECT_TRUE(segment_names().empty()) << "nobody has forgotten anything yet";
  const auto index_names = [&] {
    std::string names;
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("index.")) names += name;
    }
    return names;
  };
  const std::string first_index = index_names();
  store.reset();
  options_.budget = {.max_entries = 100};
  store = open();
  fill(*store, 0, 4'000);
  ASSERT_NE(index_names(), first_index);
  const std::uint64_t before = count_tombstones();
  EXPECT_EQ(store->remove(numbered(0)), false);
  EXPECT_EQ(count_tombstones(), before + 2);
}

// A damaged record is not carried, and does not keep its segment from leaving.
TEST_F(PackEvictRebuild, DamagedRecordsAreLeftBehind) {
  auto store = open();
  fill(*store, 0, 3);
  begin_another_segment(*store);
  EXPECT_EQ(count_present(*store, 0, 3), 3u);  // so that they stay
  const std::string name = segment_names().front();
  {
    const auto directory = posix_file_system().open_directory(segments().string());
    const auto file = (*directory)->open_file(name, OpenMode::read_write);
    const std::array<std::byte, 1> other{std::byte{0x55}};
    const std::array pieces{std::span<const std::byte>(other)};
    ASSERT_TRUE((*file)->write_at(pieces, format::records_at + 4'352 + 1'000));  // of the second
  }
  EXPECT_TRUE(store->prune({.max_entries = store->prune({}, DryRun::yes)->kept_entries - 10}));
  EXPECT_FALSE(std::filesystem::exists(segments() / name));
  ASSERT_TRUE(store->visit([](const EntryInfo& entry) {
    EXPECT_NE(entry.fingerprint, numbered(1));
    return Visit::go_on;
  }));
  rebuild(store);
  EXPECT_EQ(count_present(*store, 0, 1), 1u);
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  EXPECT_EQ(count_present(*store, 2, 3), 1u);
}

// A process has it in its own segment; what its sweep cannot read now, another one's clear takes.
TEST_F(PackEvictRebuild, WhatASweepCouldNotReadDoesNotOutliveAClear) {
  options_.budget = {.max_entries = 3};
  const auto other = open();
  options_.file_system = &faults_;
  auto store = open();
  fill(*store, 0, 3);
  faults_.inject({.only = testing::Op::read_at,
                  .path_contains = ".seg",
                  .repeat = testing::Repeat::for_ever,
                  .os_error = EIO});
  fill(*store, 3, 4);
  faults_.clear_faults();
  EXPECT_EQ(count_present(*other, 0, 4), 4u) << "nor lets go of it";
  ASSERT_TRUE(other->clear());
  EXPECT_EQ(count_present(*store, 0, 4), 0u);
  rebuild(store);
  EXPECT_EQ(count_present(*store, 0, 4), 0u);
}

}  // namespace
}  // namespace larder
