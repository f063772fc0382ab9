// What a pack store may cost its host at most: descriptors, the time of a put beside its own
// upkeep, entries on a full disk, and a count that has gone wrong.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>
#include <vector>

#include "format/pack_index.h"
#include "tests/unit/pack_store_fixture.h"
#include "tests/unit/small_disk.h"

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

class PackBesideUpkeep : public PackStoreFixture {
 protected:
  PackBesideUpkeep() {
    options_.budget = {.max_bytes = 6 * mib};
    options_.file_system = &paused_;
  }

  // Whether `use` comes to an end while a prune of the same store is under way.
  bool ends_beside_a_prune(PackStore& store, const std::function<void()>& use) {
    std::promise<void> begun;
    std::promise<void> may_end;
    std::atomic<bool> is_paused = false;
    paused_.observe([&](const Operation& operation) {
      if (operation.op != Op::list || is_paused.exchange(true)) return;
      begun.set_value();
      may_end.get_future().wait();
    });
    auto pruned = std::async(std::launch::async, [&] { (void)store.prune({}, DryRun::no); });
    begun.get_future().wait();
    auto used = std::async(std::launch::async, use);
    const bool ends = used.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
    may_end.set_value();
    used.wait();
    pruned.wait();
    paused_.observe({});
    return ends;
  }

  testing::FaultFileSystem paused_{posix_file_system()};
};

TEST_F(PackBesideUpkeep, APutOfAFullStoreGoesOnBesideAPrune) {
  const auto store = open();
  fill(*store, 0, 1300);
  EXPECT_TRUE(ends_beside_a_prune(*store, [&] { fill(*store, 2000, 2700); }));
  EXPECT_EQ(count_present(*store, 2690, 2700), 10u);
}

TEST_F(PackBesideUpkeep, APutOnAFullDiskGoesOnBesideAPrune) {
  const auto store = open();
  fill(*store, 0, 300);
  std::string said;
  EXPECT_TRUE(ends_beside_a_prune(*store, [&] {
    paused_.inject({.only = Op::write_at,
                    .path_contains = ".seg",
                    .repeat = testing::Repeat::for_ever,
                    .os_error = ENOSPC});
    said = put(*store, numbered(5000), payload_of(4096, 5000));
    paused_.clear_faults();
  }));
  EXPECT_NE(said.find("the disk is full"), std::string::npos) << said;
}

// It leads to a file of its own, which may take most of the budget.
TEST_F(PackBesideUpkeep, ALargePutMakesWayBeforeItIsWritten) {
  options_.budget = {.max_bytes = 64 * mib};
  const auto store = open();
  for (std::uint32_t i = 0; i < 600; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(100'000, i)), "ok");
  }
  ASSERT_TRUE(store->flush());
  std::uint64_t most = 0;
  paused_.observe([&](const Operation&) { most = std::max(most, disk_bytes()); });
  const std::string large = payload_of(50 * mib, 1);
  EXPECT_EQ(put(*store, numbered(1'000'000), large), "ok");
  // The same once more needs no room.
  const auto evictions = store->metrics().evictions;
  EXPECT_EQ(put(*store, numbered(1'000'000), large), "ok");
  paused_.observe({});
  EXPECT_LE(most, 67 * mib);
  EXPECT_EQ(store->metrics().evictions, evictions);
  EXPECT_EQ(content(store->get(numbered(1'000'000))), large);
}

// It would cost all others, and then leave: the index and the rest need room, too.
TEST_F(PackBesideUpkeep, APutThatOnlyJustFitsTheBudgetIsRefused) {
  options_.budget = {.max_bytes = 4 * mib};
  const auto store = open();
  fill(*store, 0, 100);
  const std::string fits_alone = payload_of(4 * mib - 4000, 1);
  EXPECT_NE(put(*store, numbered(1000), fits_alone), "ok");
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
  const std::string fits = payload_of(4 * mib - 200'000, 1);
  EXPECT_EQ(put(*store, numbered(1000), fits), "ok");
  EXPECT_EQ(content(store->get(numbered(1000))), fits);
}

class PackCount : public PackStoreFixture {
 protected:
  void say(std::uint64_t entries) {
    const int file = ::open((root() / "state").c_str(), O_RDWR | O_CLOEXEC);
    const std::uint64_t at =
        format::state_words_at + 8 * static_cast<std::uint64_t>(format::StateWord::entries);
    ASSERT_EQ(::pwrite(file, &entries, sizeof(entries), static_cast<off_t>(at)), 8);
    ::close(file);
  }
};

TEST_F(PackCount, OneBelowZeroCostsNoEntry) {
  options_.budget = {.max_bytes = 60 * mib, .max_entries = 1000};
  const auto store = open();
  fill(*store, 0, 10);
  say(~std::uint64_t{0} - 9);
  fill(*store, 10, 16);
  EXPECT_EQ(count_present(*store, 0, 16), 16u);
  EXPECT_EQ(store->metrics().entries, 16u);
}

// On a disk of its own, with as many entries of 100 kB as it holds.
class CrowdedDisk {
 public:
  CrowdedDisk(std::string path, Budget budget) : path_(std::move(path)) {
    options_ = {.directory = path_ + "/store",
                .budget = budget,
                .on_evict = [this](const Eviction&) { ++evicted_; }};
    store_ = open_pack_store(options_).value();
  }

  void fill(std::uint32_t until) {
    while (stored_ < until && put(stored_)) ++stored_;
    (void)store_->flush();
  }

  void fill_with_ballast() const {
    std::ofstream file(path_ + "/ballast", std::ios::binary);
    const std::string block(4096, 'b');
    while (file << block << std::flush) {
    }
  }

  bool put(std::uint32_t number, std::size_t size = 100'000) {
    return store_->put(numbered(number), bytes_of(payload_of(size, number))).has_value();
  }

  // A process that has read all of it, or keeps a view of each, and does nothing more.
  enum class Keeps { files, views };
  pid_t start_idle(Keeps keeps) {
    store_.reset();
    int ends[2] = {};
    if (::pipe(ends) != 0) return -1;
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = open_pack_store({.directory = options_.directory}).value();
      std::vector<Result<std::optional<MappedView>>> views;
      for (std::uint32_t i = 0; i < stored_; ++i) {
        if (keeps == Keeps::views) views.push_back(store->view(numbered(i)));
        if (keeps == Keeps::files) (void)store->get(numbered(i));
      }
      (void)!::write(ends[1], "x", 1);
      for (;;) ::pause();
    }
    char said = 0;
    (void)!::read(ends[0], &said, 1);
    store_ = open_pack_store(options_).value();
    return child;
  }

  static void end(pid_t child) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }

  PackStore& store() { return *store_; }
  std::uint32_t stored() const { return stored_; }
  std::size_t evicted() const { return evicted_; }

 private:
  std::string path_;
  PackStoreOptions options_;
  std::shared_ptr<PackStore> store_;
  std::uint32_t stored_ = 0;
  std::size_t evicted_ = 0;
};

std::string put_all(CrowdedDisk& disk, std::uint32_t first, std::uint32_t count) {
  for (std::uint32_t i = first; i < first + count; ++i) {
    if (!disk.put(i)) return "no room for put " + std::to_string(i);
  }
  return "";
}

// A segment holds ten of them.
std::string put_beside_an_idle_reader(const std::string& path) {
  CrowdedDisk disk(path, {});
  disk.fill(590);
  disk.fill_with_ballast();
  const pid_t reader = disk.start_idle(CrowdedDisk::Keeps::files);
  const std::string wrong = put_all(disk, 9000, 100);
  CrowdedDisk::end(reader);
  if (disk.evicted() > 130) return std::to_string(disk.evicted()) + " left";
  return wrong;
}

TEST(PackCrowdedDisk, WhatAnIdleReaderHasOpenGivesWay) {
  EXPECT_EQ(on_small_disk(64 * mib, put_beside_an_idle_reader), "");
}

std::string put_beside_an_idle_viewer(const std::string& path) {
  CrowdedDisk disk(path, {});
  disk.fill(590);
  disk.fill_with_ballast();
  const pid_t viewer = disk.start_idle(CrowdedDisk::Keeps::views);
  for (std::uint32_t i = 0; i < 100; ++i) (void)disk.put(9000 + i);
  const std::size_t evicted = disk.evicted();
  CrowdedDisk::end(viewer);
  if (evicted > 30) return std::to_string(evicted) + " left for nothing";
  // What has left is free now.
  const std::string wrong = put_all(disk, 20'000, 300);
  if (!wrong.empty()) return wrong;
  return disk.evicted() > evicted ? "" : "never full again";
}

TEST(PackCrowdedDisk, WhatAnIdleViewerKeepsIsNotEvictedForNothing) {
  EXPECT_EQ(on_small_disk(64 * mib, put_beside_an_idle_viewer), "");
}

std::string put_in_a_visit(const std::string& path) {
  CrowdedDisk disk(path, {});
  disk.fill(590);
  disk.fill_with_ballast();
  std::string wrong;
  bool is_first = true;
  const auto visited = disk.store().visit([&](const EntryInfo&) {
    if (is_first) wrong = put_all(disk, 9000, 30);
    is_first = false;
    return Visit::go_on;
  });
  if (!visited) return visited.error().message;
  return disk.evicted() > 60 ? std::to_string(disk.evicted()) + " left" : wrong;
}

TEST(PackCrowdedDisk, WhatAVisitHasOpenGivesWay) {
  EXPECT_EQ(on_small_disk(64 * mib, put_in_a_visit), "");
}

std::string keep_free_beside_an_idle_viewer(const std::string& path) {
  CrowdedDisk disk(path, {.min_free_bytes = 16 * mib});
  disk.fill(460);
  const pid_t viewer = disk.start_idle(CrowdedDisk::Keeps::views);
  const std::string wrong = put_all(disk, 9000, 100);
  const std::uint64_t free = std::filesystem::space(path).available;
  CrowdedDisk::end(viewer);
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < 460; ++i) kept += *disk.store().contains(numbered(i)) ? 1 : 0;
  if (kept < 430) return std::to_string(kept) + " are left";
  return free < 13 * mib ? std::to_string(free) + " are free" : wrong;
}

TEST(PackCrowdedDisk, FreeSpaceThatAnIdleViewerKeepsCostsFewEntries) {
  EXPECT_EQ(on_small_disk(64 * mib, keep_free_beside_an_idle_viewer), "");
}

// Each has a file of its own.
std::string fill_with_large_ones(const std::string& path, std::size_t size, std::uint32_t puts) {
  CrowdedDisk disk(path, {});
  for (std::uint32_t i = 0; i < puts; ++i) {
    const std::size_t before = disk.evicted();
    if (!disk.put(i, size)) return "put " + std::to_string(i);
    const std::size_t evicted = disk.evicted() - before;
    if (evicted > 12) return std::to_string(evicted) + " left for one put";
  }
  return disk.evicted() > 0 ? "" : "never full";
}

TEST(PackCrowdedDisk, LargeOnesLeaveOneAfterAnother) {
  const auto fill_small = [](const auto& path) { return fill_with_large_ones(path, 300'000, 300); };
  EXPECT_EQ(on_small_disk(64 * mib, fill_small), "");
  const auto fill_big = [](const auto& path) { return fill_with_large_ones(path, 9'000'000, 30); };
  EXPECT_EQ(on_small_disk(64 * mib, fill_big), "");
}

}  // namespace
}  // namespace larder
