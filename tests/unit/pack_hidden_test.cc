// An index whose slots were damaged while nobody had it open: what it lacks is in the segments.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "format/pack_index.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class PackHidden : public PackStoreFixture {
 protected:
  PackHidden() {
    options_.log = [this](LogLevel, std::string_view line) { log_.emplace_back(line); };
  }

  void fill_and_close() {
    const auto store = open();
    fill(*store, 0, 100);
    ASSERT_EQ(put(*store, numbered(5000), large_), "ok");
    ASSERT_TRUE(store->flush());
  }

  void fill_small_and_close() {
    const auto store = open();
    fill(*store, 0, 100);
    ASSERT_TRUE(store->flush());
  }

  fs::path index() const {
    for (const auto& entry : fs::directory_iterator(root())) {
      if (entry.path().filename().string().starts_with("index.")) return entry.path();
    }
    return {};
  }

  fs::path large_file() const {
    for (const auto& entry : fs::recursive_directory_iterator(root() / "large")) {
      if (entry.path().extension() == ".art") return entry.path();
    }
    return {};
  }

  void zero_all_slots() const {
    std::fstream file(index(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(format::index_header_bytes);
    file << std::string(fs::file_size(index()) - format::index_header_bytes, '\0');
  }

  void flip_in_all_places(std::uint64_t bit) const {
    std::fstream file(index(), std::ios::in | std::ios::out | std::ios::binary);
    for (std::uint64_t at = format::index_header_bytes; at < fs::file_size(index());
         at += format::slot_bytes) {
      std::uint64_t word = 0;
      const auto place_at = static_cast<std::streamoff>(at + 8);
      file.seekg(place_at);
      file.read(reinterpret_cast<char*>(&word), sizeof word);
      if (word == 0) continue;
      word ^= bit;
      file.seekp(place_at);
      file.write(reinterpret_cast<const char*>(&word), sizeof word);
    }
  }

  // The tag of the first slot in use.
  void flip_a_bit() const {
    std::fstream file(index(), std::ios::in | std::ios::out | std::ios::binary);
    for (std::uint64_t at = format::index_header_bytes; file; at += format::slot_bytes) {
      file.seekg(static_cast<std::streamoff>(at));
      const int byte = file.get();
      if (byte <= 0) continue;
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(byte ^ 1));
      return;
    }
  }

  struct Told {
    std::uint64_t entries = 0;
    bool mended = false;
  };
  static Told tell(Store& store, Repair repair) {
    Told told;
    EXPECT_TRUE(store.visit_strays(
        [&](const Stray& stray) {
          told = {.entries = told.entries + stray.entries, .mended = stray.removed};
          return Visit::go_on;
        },
        repair));
    return told;
  }

  void expect_all(Store& store) const {
    EXPECT_EQ(count_present(store, 0, 100), 100u);
    EXPECT_EQ(content(store.get(numbered(5000))), large_);
  }

  const std::string large_ = payload_of(17 * mib, 5);
  std::vector<std::string> log_;
};

TEST_F(PackHidden, ARepairBringsAllBack) {
  fill_and_close();
  zero_all_slots();
  const auto store = open();
  EXPECT_EQ(count_present(*store, 0, 100), 0u);
  EXPECT_EQ(tell(*store, Repair::no).entries, 101u);
  EXPECT_TRUE(tell(*store, Repair::yes).mended);
  expect_all(*store);
  EXPECT_EQ(tell(*store, Repair::no).entries, 0u);
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(count_present(*open(), 0, 100), 100u);
}

TEST_F(PackHidden, ABitCostsNoEntry) {
  fill_small_and_close();
  flip_a_bit();
  const auto store = open();
  // A tag of 1 becomes 0, as in a slot that was never used, and hides what comes behind it, too.
  EXPECT_GE(tell(*store, Repair::yes).entries, 1u);
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

TEST_F(PackHidden, NothingGoesBecauseTheIndexLacksIt) {
  for (const bool is_pruned : {true, false}) {
    fs::remove_all(root());
    fill_and_close();
    zero_all_slots();
    const auto store = open();
    if (is_pruned) {
      EXPECT_TRUE(store->prune({.max_bytes = 64 * mib}));
    } else {
      EXPECT_TRUE(store->maintain());
    }
    expect_all(*store);
    EXPECT_FALSE(log_.empty());
  }
}

// A link, garbage, and one that goes away when it is about to be looked into.
TEST_F(PackHidden, AClearLooksForNothingInWhatIsNoSegment) {
  options_.file_system = &faults_;
  const auto store = open();
  fill(*store, 0, 10);
  ASSERT_TRUE(store->flush());
  const fs::path leaving = segments() / "0000000c.seg";
  fs::create_symlink("../LARDER", segments() / "0000000a.seg");
  for (const fs::path& path : {segments() / "0000000b.seg", leaving}) {
    std::ofstream(path) << std::string(200, 'x');
  }
  int opened = 0;
  faults_.observe([&](const testing::Operation& operation) {
    const bool looks = operation.op == testing::Op::open_file && operation.path == leaving.string();
    if (looks && ++opened == 4) fs::remove(leaving);  // after three rounds of evictions
  });
  const auto report = store->clear();
  faults_.observe({});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(fs::exists(leaving));
  EXPECT_EQ(report->evicted_entries, 10u);
  EXPECT_EQ(report->kept_entries, 0u);
  EXPECT_TRUE(fs::is_symlink(segments() / "0000000a.seg"));
  EXPECT_TRUE(fs::exists(segments() / "0000000b.seg"));
}

// It would bury what the index lacks; others put the same just then, and theirs stays.
TEST_F(PackHidden, AClearBuriesNothingThatIsPutMeanwhile) {
  const auto other = open();
  fill(*other, 0, 10);
  ASSERT_TRUE(other->flush());
  zero_all_slots();
  options_.file_system = &faults_;
  const auto store = open();
  bool is_put = false;
  faults_.observe([&](const testing::Operation& operation) {
    const bool buries =
        operation.op == testing::Op::create_file && operation.path.ends_with(".seg");
    if (!buries || std::exchange(is_put, true)) return;
    fill(*other, 0, 10);
  });
  EXPECT_TRUE(store->clear());
  faults_.observe({});
  ASSERT_TRUE(is_put);
  EXPECT_EQ(count_present(*store, 0, 10), 10u);
  EXPECT_TRUE(tell(*store, Repair::yes).entries == 0);
  lose_the_index();
  EXPECT_EQ(count_present(*open(), 0, 10), 10u);
}

// Nor because the two could not be compared just now: the next call finds all of it again.
TEST_F(PackHidden, NothingGoesBecauseTheyCouldNotBeCompared) {
  for (const bool is_pruned : {true, false}) {
    fs::remove_all(root());
    options_.file_system = nullptr;
    fill_and_close();
    zero_all_slots();
    options_.file_system = &faults_;
    {
      const auto store = open();
      faults_.inject({.only = testing::Op::is_locked, .path_contains = ".seg", .os_error = ENOMEM});
      if (is_pruned) {
        (void)store->prune({.max_bytes = 1024 * mib});
      } else {
        (void)store->maintain();
      }
      EXPECT_FALSE(faults_.injected().empty());
      faults_.clear_faults();
    }
    const auto store = open();
    EXPECT_TRUE(store->visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes));
    EXPECT_EQ(count_present(*store, 0, 100), 100u) << is_pruned;
    EXPECT_TRUE(content(store->get(numbered(5000))) == large_) << is_pruned;
  }
}

TEST_F(PackHidden, AReaderIsToldOfIt) {
  fill_and_close();
  zero_all_slots();
  options_.access = Access::read_only;
  EXPECT_EQ(tell(*open(), Repair::no).entries, 101u);
}

// It has made its own of what was there, and hears of nothing that comes later: a backup, say.
TEST_F(PackHidden, AReaderWithAnIndexOfItsOwnComparesNothing) {
  fill_and_close();
  fs::remove(root() / "state");
  const fs::path segment = segments() / segment_names().front();
  fs::rename(segment, directory_ / "aside");
  options_.access = Access::read_only;
  const auto store = open();
  EXPECT_EQ(count_present(*store, 0, 100), 0u);
  fs::rename(directory_ / "aside", segment);
  EXPECT_EQ(tell(*store, Repair::no).entries, 0u);
  EXPECT_EQ(tell(*open(), Repair::no).entries, 0u);
  EXPECT_EQ(count_present(*open(), 0, 100), 100u);
}

TEST_F(PackHidden, WhatIsLargerThanAnyFileOfAnArtifactIsNotHidden) {
  fill_and_close();
  zero_all_slots();
  fs::resize_file(large_file(), 1ull << 40);
  const auto store = open();
  EXPECT_EQ(tell(*store, Repair::no).entries, 100u);
  EXPECT_TRUE(tell(*store, Repair::yes).mended);
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

// It tells of no error either: the others are found again.
TEST_F(PackHidden, WhatIsNoFileOfAnArtifactIsNotHidden) {
  fill_and_close();
  zero_all_slots();
  const fs::path file = large_file();
  fs::remove(file);
  fs::create_directory(file);
  const auto store = open();
  EXPECT_TRUE(store->maintain());
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

// The index is as it was, and so are the segments.
TEST_F(PackHidden, WhoStopsAtTheIndexIsToldOfNoMore) {
  fill_and_close();
  zero_all_slots();
  fs::create_directories(root() / "large" / "00" / (std::string(64, '0') + ".art"));
  const auto store = open();
  int told = 0;
  EXPECT_TRUE(store->visit_strays(
      [&](const Stray&) {
        ++told;
        return Visit::stop;
      },
      Repair::no));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(tell(*store, Repair::no).entries, 101u);
}

// It may be evicting from it: then the index lacks what has just left.
TEST_F(PackHidden, OfASegmentThatSomebodyHoldsNothingIsSaid) {
  fill_and_close();
  zero_all_slots();
  const auto held = hold(segment_names().front());
  const auto store = open();
  EXPECT_EQ(tell(*store, Repair::no).entries, 0u);
  ASSERT_TRUE(held->unlock(pack_store::owner_lock_at, 1));
  EXPECT_EQ(tell(*store, Repair::no).entries, 101u);
}

// Beside those who have the store open, who find all of it again.
TEST_F(PackHidden, OthersFindAllOfItAgain) {
  fill_and_close();
  zero_all_slots();
  const auto other = open();
  EXPECT_EQ(count_present(*other, 0, 100), 0u);
  EXPECT_TRUE(tell(*open(), Repair::yes).mended);
  expect_all(*other);
}

TEST_F(PackHidden, WhatWasRemovedReplacedOrDamagedIsNotHidden) {
  options_.budget = {.max_bytes = 64 * mib};
  auto store = open();
  fill(*store, 0, 600);  // the first segments are sealed, and tell of their entries unread
  ASSERT_EQ(put(*store, numbered(1), "replaced"), "ok");
  ASSERT_EQ(store->remove(numbered(2)), true);
  ASSERT_TRUE(store->flush());
  store.reset();
  EXPECT_EQ(tell(*open(), Repair::no).entries, 0u);
  // Found to be damaged by a look-up, it has left the index.
  const std::string location = open()->inspect(numbered(5)).value()->location;
  const std::size_t at = std::stoul(location.substr(location.rfind(' ') + 1));
  {
    std::fstream file(location.substr(0, location.find(" at ")),
                      std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file) << location;
    file.seekp(static_cast<std::streamoff>(at + 300));
    file.put('?');
  }
  EXPECT_EQ(content(open()->get(numbered(5))), "error: corrupt");
  store = open();
  EXPECT_EQ(tell(*store, Repair::no).entries, 0u);
  EXPECT_TRUE(store->prune({.max_bytes = 64 * mib}));
  EXPECT_EQ(content(store->get(numbered(5))), "absent");
  EXPECT_EQ(content(store->get(numbered(2))), "absent");
  EXPECT_EQ(content(store->get(numbered(1))), "replaced");
}

// Others write the segments: nobody can tell what is hidden there. But a file is not swept because
// the index lacks it.
TEST_F(PackHidden, NoFileIsSweptThatASegmentLeadsTo) {
  fill_and_close();
  zero_all_slots();
  const auto held = hold(segment_names().front());
  const auto store = open();
  EXPECT_TRUE(store->prune({.max_bytes = 1024 * mib}));
  EXPECT_TRUE(store->maintain());
  EXPECT_TRUE(fs::exists(large_file()));
  ASSERT_TRUE(held->unlock(pack_store::owner_lock_at, 1));
  EXPECT_TRUE(store->maintain());
  expect_all(*store);
}

// Of a segment that this process goes on writing.
TEST_F(PackHidden, WhatIsInASegmentOfItsOwnIsComparedByUpkeep) {
  fill_and_close();
  zero_all_slots();
  const auto store = open();
  fill(*store, 6'000, 6'001);
  ASSERT_EQ(segment_names().size(), 1u) << "it is another one";
  EXPECT_TRUE(store->prune({.max_bytes = 1024 * mib}));
  expect_all(*store);
}

// Somebody is at work there when it is first looked at, and is not any more when it is compacted.
TEST_F(PackHidden, WhatCouldNotBeComparedAtFirstIsComparedLater) {
  fill_small_and_close();
  zero_all_slots();
  const auto held = hold(segment_names().front());
  const auto store = open();
  EXPECT_TRUE(store->maintain());
  EXPECT_EQ(count_present(*store, 0, 100), 0u);
  ASSERT_TRUE(held->unlock(pack_store::owner_lock_at, 1));
  EXPECT_TRUE(store->maintain());
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

// While others remove all the time.
TEST_F(PackHidden, IsFoundBesideWhoRemoves) {
  fill_and_close();
  zero_all_slots();
  options_.file_system = &faults_;
  const auto store = open();
  const auto other = open();
  {
    const auto held = hold(segment_names().front());
    ASSERT_EQ(put(*other, numbered(9'000), "there for a while"), "ok");  // in one of its own
  }
  bool is_removing = false;
  faults_.observe([&](const testing::Operation& operation) {
    if (operation.op != testing::Op::is_locked || std::exchange(is_removing, true)) return;
    EXPECT_EQ(put(*other, numbered(9'000), "there for a while"), "ok");
    EXPECT_EQ(other->remove(numbered(9'000)), true);
    is_removing = false;
  });
  EXPECT_TRUE(store->prune({.max_bytes = 1024 * mib}));
  faults_.observe({});
  EXPECT_EQ(content(store->get(numbered(9'000))), "absent");
  expect_all(*store);
}

// It leads to segments that are not there, or to other places in those that are.
TEST_F(PackHidden, ASlotThatLeadsElsewhereHidesNothingForLong) {
  constexpr std::uint64_t of_segment = 1u << 16, of_place = 1u << 28;
  for (const std::uint64_t bit : {of_segment, of_place}) {
    fs::remove_all(root());
    fill_and_close();
    flip_in_all_places(bit);
    const auto store = open();
    EXPECT_GE(tell(*store, Repair::no).entries, 101u);
    EXPECT_TRUE(store->maintain());
    expect_all(*store);
  }
}

// A slot of its own may have led it there, and the entry stands elsewhere.
TEST_F(PackHidden, WhatALookUpFoundDamagedIsComparedOnceMore) {
  fill_small_and_close();
  const auto store = open();
  EXPECT_TRUE(store->maintain());
  flip_in_all_places(1u << 28);
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_NE(content(store->get(numbered(i))), "ok");
  EXPECT_TRUE(store->maintain());
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

// It has another name since a sync of it failed, all of what stood there before being good.
TEST_F(PackHidden, WhatIsInABadSegmentIsComparedToo) {
  fill_small_and_close();
  zero_all_slots();
  const std::string name = segment_names().front();
  fs::rename(segments() / name, segments() / (name.substr(0, 8) + ".00008000.bad"));
  const auto store = open();
  EXPECT_TRUE(store->maintain());
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

// The others end when this process has compared what it can, and is about to take its turn.
TEST_F(PackHidden, NothingGoesThatOthersHadWhenItWasCompared) {
  for (const bool is_pruned : {true, false}) {
    fs::remove_all(root());
    options_.file_system = nullptr;
    fill_small_and_close();
    zero_all_slots();
    const auto held = hold(segment_names().front());
    options_.file_system = &faults_;
    const auto store = open();
    bool has_compared = false, has_ended = false;
    faults_.observe([&](const testing::Operation& operation) {
      if (operation.op == testing::Op::is_locked) has_compared = true;
      const bool is_turn =
          operation.op == testing::Op::try_lock && operation.path.ends_with(".larder-lock");
      if (!is_turn || !has_compared || std::exchange(has_ended, true)) return;
      EXPECT_TRUE(held->unlock(pack_store::owner_lock_at, 1));
    });
    if (is_pruned) {
      EXPECT_TRUE(store->prune({.max_bytes = 1}));
    } else {
      EXPECT_TRUE(store->maintain());
    }
    faults_.observe({});
    ASSERT_TRUE(has_ended);
    EXPECT_TRUE(store->maintain());
    EXPECT_EQ(count_present(*store, 0, 100), 100u) << is_pruned;
  }
}

// So many that the new index, which begins small, grows several times while it is filled.
TEST_F(PackHidden, AreFoundAmongManyBesideOthers) {
  constexpr std::uint32_t many = 250'000;
  {
    const auto store = open();
    for (std::uint32_t i = 0; i < many; ++i) ASSERT_EQ(put(*store, numbered(i), "small"), "ok");
    ASSERT_TRUE(store->flush());
  }
  flip_a_bit();
  const auto store = open();
  ASSERT_TRUE(store->maintain());
  EXPECT_TRUE(std::ranges::any_of(
      log_, [](const std::string& line) { return line.contains("was made anew"); }));
  std::uint32_t present = 0;
  for (std::uint32_t i = 0; i < many; ++i) present += store->contains(numbered(i)) == true;
  EXPECT_EQ(present, many);
}

}  // namespace
}  // namespace larder
