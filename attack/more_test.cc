#include <gtest/gtest.h>
#include <sys/wait.h>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <thread>
#include "larder/testing/memory_file_system.h"
#include "tests/unit/pack_store_fixture.h"
#include "tests/unit/small_disk.h"
namespace larder {
namespace {
namespace fs = std::filesystem;
using testing::Op; using testing::Operation; using testing::Repeat; using testing::Effect;

class More : public PackStoreFixture {
 protected:
  More() {
    options_.budget = {.max_bytes = 6 * mib};
    options_.file_system = &spoilt_;
    options_.log = [this](LogLevel, std::string_view line) { log_.emplace_back(line); };
    options_.on_evict = [this](const Eviction& e) { evicted_.insert(e.fingerprint); };
  }
  std::string after_index_loss(const Fingerprint& fp) {
    const fs::path copy = directory_ / "copy";
    fs::remove_all(copy);
    fs::copy(root(), copy, fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(copy)) {
      const std::string name = entry.path().filename().string();
      if (name == "state" || name.starts_with("index.")) fs::remove(entry.path());
    }
    std::string what;
    { auto s = open_pack_store({.directory = copy.string()});
      what = s ? content((*s)->get(fp)) : "open: " + s.error().message; }
    fs::remove_all(copy);
    return what;
  }
  testing::FaultFileSystem spoilt_{clock_};
  std::vector<std::string> log_;
  std::set<Fingerprint> evicted_;
  const Fingerprint e_ = numbered(1'000'000);
};

// 12b: the same after a power cut: `state` is as it was last synced.
TEST_F(More, T12b_SequenceAfterAPowerCut) {
  testing::MemoryFileSystem disk;
  { auto a = open_pack_store({.directory = "/store", .budget = {.max_bytes = 60 * mib}, .file_system = &disk}).value();
    ASSERT_EQ(put(*a, e_, "v1"), "ok"); fill(*a, 0, 400);
    EXPECT_EQ(a->remove(e_), true); ASSERT_TRUE(a->flush());
    auto cut = disk.crash_clone(1, 0);
    testing::FaultFileSystem faults(*cut);
    faults.inject({.only = Op::read_at, .path_contains = "00000001.seg", .repeat = Repeat::for_ever, .os_error = EIO});
    { auto b = open_pack_store({.directory = "/store", .file_system = &faults}).value();
      std::cout << "after the cut, one segment unreadable for a while: " << content(b->get(e_)) << "\n";
      std::cout << "put v3: " << put(*b, e_, "v3");
      auto f = b->flush(); std::cout << ", flush " << (f ? "OK" : f.error().message) << ", durable " << b->durability().durable << "\n"; }
    faults.clear_faults();
    auto c = open_pack_store({.directory = "/store", .file_system = &faults}).value();
    EXPECT_EQ(content(c->get(e_)), "v3"); }
}

// 5b: processes killed between storing a large file and publishing it.
TEST_F(More, T05b_KilledInALargePut) {
  options_.budget = {.max_bytes = 20 * mib};
  options_.file_system = nullptr;
  { auto a = open(); fill(*a, 0, 50); ASSERT_TRUE(a->flush()); }
  for (std::uint32_t i = 0; i < 12; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      testing::FaultFileSystem f(posix_file_system());
      auto o = options_; o.file_system = &f;
      auto s = open_pack_store(o).value();
      f.observe([&](const Operation& op) { if (op.op == Op::write_at && op.path.ends_with(".seg")) ::_exit(0); });
      (void)s->put(numbered(9000 + i), bytes_of(payload_of(5 * mib, i)));
      ::_exit(1);
    }
    int status = 0; ::waitpid(child, &status, 0);
    ASSERT_EQ(WEXITSTATUS(status), 0);
  }
  std::cout << "du after 12 kills: " << disk_bytes() / mib << " MiB of 20\n";
  auto a = open();
  for (std::uint32_t i = 100; i < 300; ++i) EXPECT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
  EXPECT_TRUE(a->flush());
  const auto present = count_present(*a, 0, 50) + count_present(*a, 100, 300);
  std::cout << "du after 200 puts of 4 KiB: " << disk_bytes() / mib << " MiB, present: " << present << " of 250\n";
  auto r = a->prune({.max_bytes = 20 * mib});
  std::cout << "prune: kept_bytes " << (r ? r->kept_bytes / mib : 0) << " MiB, held " << (r ? r->held_bytes / mib : 0) << ", entries kept " << (r ? r->kept_entries : 0) << "\n";
  EXPECT_LE(disk_bytes(), 22 * mib);
  EXPECT_GE(present, 240u);
}

// 16b: an old value that was evicted, in place of a newer one that was evicted too.
TEST_F(More, T16b_StaleValueFromAnAbandonedCopy) {
  auto a = open(); auto other = open();
  ASSERT_EQ(put(*a, e_, "v1"), "ok"); ASSERT_TRUE(a->flush());
  bool settled = false;
  for (std::uint32_t i = 0; i < 4000 && !settled; ++i) {
    EXPECT_EQ(content(other->get(e_)), "v1");
    std::atomic<int> syncs = 0;
    spoilt_.observe([&](const Operation& o) { if (o.op == Op::sync_data && o.path.ends_with(".seg")) ++syncs; });
    ASSERT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
    spoilt_.observe({});
    settled = syncs > 0 && segment_of(*other, e_) == "00000000.seg" && i > 1000;
  }
  ASSERT_TRUE(settled);
  ASSERT_TRUE(a->flush()); a.reset();
  clock_.later_s = 7200; ASSERT_TRUE(other->prune({.max_age_s = 600}));
  clock_.later_s = 3 * 7200; ASSERT_TRUE(other->prune({.max_age_s = 600}));
  std::cout << "v1 after prunes: " << content(other->get(e_)) << ", told evicted " << evicted_.contains(e_) << "\n";
  // The index grows, and forgets the tag.
  for (std::uint32_t i = 0; i < 6000; ++i) ASSERT_EQ(put(*other, numbered(20'000 + i), "x"), "ok");
  ASSERT_EQ(put(*other, e_, "v2"), "ok"); ASSERT_TRUE(other->flush());
  clock_.later_s = 6 * 7200; evicted_.clear();
  ASSERT_TRUE(other->prune({.max_age_s = 600}));
  std::cout << "v2 after a prune: " << content(other->get(e_)) << ", told evicted " << evicted_.contains(e_) << "\n";
  ASSERT_TRUE(other->flush());
  EXPECT_EQ(after_index_loss(e_), "absent");
}

// 6c: how many leave for one put on a disk full of large artifacts.
TEST(MoreDisk, T06c_EvictionsOnADiskFullOfLarge) {
  const std::string said = on_small_disk(64 * mib, [](const std::string& path) -> std::string {
    int evicted = 0;
    auto store = open_pack_store({.directory = path + "/store", .on_evict = [&](const Eviction&) { ++evicted; }});
    if (!store) return store.error().message;
    std::string out;
    for (std::uint32_t i = 0; i < 40; ++i) {
      const auto p = payload_of(3 * mib, i);
      const int before = evicted;
      const auto done = (*store)->put(numbered(i), bytes_of(p));
      if (!done) return out + " put " + std::to_string(i) + ": " + done.error().message + ", evicted " + std::to_string(evicted);
      (void)(*store)->flush();
      if (evicted != before) out += " put" + std::to_string(i) + ":-" + std::to_string(evicted - before);
    }
    return out;
  });
  std::cout << said << "\n";
}
TEST(MoreDisk, T06d_WithoutAFlushBetween) {
  for (const std::size_t size : {300'000ul, 1'000'000ul, 3'000'000ul, 5'000'000ul, 7'000'000ul}) {
  const std::string said = on_small_disk(64 * mib, [size](const std::string& path) -> std::string {
    int evicted = 0;
    auto store = open_pack_store({.directory = path + "/store", .on_evict = [&](const Eviction&) { ++evicted; }});
    if (!store) return store.error().message;
    std::string out; int failed = 0; std::string why;
    for (std::uint32_t i = 0; i < 400 && failed < 3; ++i) {
      const auto p = payload_of(size, i);
      const int before = evicted;
      const auto done = (*store)->put(numbered(i), bytes_of(p));
      if (!done) { ++failed; why = "put " + std::to_string(i) + ": " + done.error().message + ", evicted " + std::to_string(evicted); }
      if (evicted != before && out.size() < 200) out += " put" + std::to_string(i) + ":-" + std::to_string(evicted - before);
    }
    return out + " | " + why;
  });
  std::cout << size << ": " << said << "\n"; }
}

// 17: descriptors of a prune that renews much.
TEST_F(More, T17_DescriptorsOfARenewal) {
  options_.budget = {.max_bytes = 64 * mib}; options_.file_system = &spoilt_;
  { auto w = open(); for (std::uint32_t i = 0; i < 300; ++i) ASSERT_EQ(put(*w, numbered(i), payload_of(200'000, i)), "ok"); ASSERT_TRUE(w->flush()); }
  std::vector<std::unique_ptr<File>> held;
  for (const auto& n : segment_names()) held.push_back(hold(n));
  auto b = open();
  for (std::uint32_t i = 0; i < 300; ++i) (void)b->get(numbered(i));
  clock_.later_s = 7200;
  auto fds = [] { std::size_t n = 0; for (const auto& x : fs::directory_iterator("/proc/self/fd")) { (void)x; ++n; } return n; };
  const std::size_t before = fds(); std::size_t most = 0;
  const auto du = disk_bytes();
  spoilt_.observe([&](const Operation& o) { if (o.op == Op::write_at) most = std::max(most, fds()); });
  auto r = b->prune({.max_bytes = 64 * mib, .max_age_s = 600});
  spoilt_.observe({});
  std::cout << "segments held " << held.size() << ", descriptors before " << before << ", most " << most << ", du " << du / mib << " -> " << disk_bytes() / mib << " MiB of 64, " << (r ? "ok" : r.error().message) << "\n";
}

// 20: numbers of segments.
TEST_F(More, T20_NumbersOnAFullDisk) {
  auto a = open(); fill(*a, 0, 3); ASSERT_TRUE(a->flush()); a.reset();
  auto held = hold(segment_names().front());
  a = open();
  spoilt_.inject({.only = Op::write_at, .path_contains = ".seg", .repeat = Repeat::for_ever, .os_error = ENOSPC});
  for (std::uint32_t i = 0; i < 100; ++i) (void)put(*a, numbered(100 + i), "x");
  spoilt_.clear_faults();
  EXPECT_EQ(put(*a, e_, "x"), "ok");
  std::cout << "after 100 refused puts the next segment is " << segment_of(*a, e_) << "\n";
}
}  // namespace
}  // namespace larder
