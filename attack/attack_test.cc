#include <gtest/gtest.h>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <fstream>
#include <iostream>
#include <thread>
#include <set>
#include "tests/unit/pack_store_fixture.h"
#include "tests/unit/small_disk.h"
namespace larder {
namespace {
namespace fs = std::filesystem;
using testing::Op; using testing::Operation; using testing::Repeat; using testing::Effect;

class Attack : public PackStoreFixture {
 protected:
  Attack() {
    options_.budget = {.max_bytes = 6 * mib};
    options_.file_system = &spoilt_;
    options_.log = [this](LogLevel, std::string_view line) { log_.emplace_back(line); };
    options_.on_evict = [this](const Eviction& e) { evicted_.insert(e.fingerprint); };
  }
  // What a rebuild of a copy of the store, as it stands, says of E.
  std::string after_index_loss(const Fingerprint& fp) {
    const fs::path copy = directory_ / "copy";
    fs::remove_all(copy);
    fs::copy(root(), copy, fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(copy)) {
      const std::string name = entry.path().filename().string();
      if (name == "state" || name.starts_with("index.")) fs::remove(entry.path());
    }
    std::string what;
    {
      auto s = open_pack_store({.directory = copy.string()});
      what = s ? content((*s)->get(fp)) : "open: " + s.error().message;
    }
    fs::remove_all(copy);
    return what;
  }
  void print_log() { for (auto& l : log_) std::cout << "  log: " << l << "\n"; }
  testing::FaultFileSystem spoilt_{clock_};
  std::vector<std::string> log_;
  std::set<Fingerprint> evicted_;
  const Fingerprint e_ = numbered(1'000'000);

  // v0 in a segment that somebody else writes, v1 at the start of the next one.
  void two_values() {
    { const auto w = open(); ASSERT_EQ(put(*w, e_, "v0"), "ok"); ASSERT_TRUE(w->flush()); }
    held_ = hold(segment_names().front());
  }
  std::unique_ptr<File> held_;

  // Puts until an eviction has synced removals and not yet led the index away; false if never.
  bool until_settled(Store& store) {
    for (std::uint32_t i = 0; i < 4000; ++i) {
      std::atomic<int> syncs = 0;
      spoilt_.observe([&](const Operation& o) { if (o.op == Op::sync_data && o.path.ends_with(".seg")) ++syncs; });
      EXPECT_EQ(put(store, numbered(i), payload_of(4096, i)), "ok");
      spoilt_.observe({});
      if (syncs == 0) continue;
      EXPECT_FALSE(evicted_.contains(e_));
      if (evicted_.contains(e_)) return false;
      const bool there = content(std::as_const(other_)->get(e_)) == "v1" ;
      if (there && after_index_loss(e_) == "absent") { std::cout << "settled after put " << i << "\n"; return true; }
    }
    return false;
  }
  std::shared_ptr<PackStore> other_;
};

// 1: an eviction that a clean close cuts short leaves a durable removal of a live entry.
TEST_F(Attack, T01_AbandonedEvictionLeavesARemoval) {
  two_values();
  auto a = open(); other_ = open();
  ASSERT_EQ(put(*a, e_, "v1"), "ok"); ASSERT_TRUE(a->flush());
  ASSERT_TRUE(until_settled(*a));
  ASSERT_TRUE(a->flush());
  a.reset();                                      // clean close
  std::cout << "get after close: " << content(other_->get(e_)) << "\n";
  std::cout << "put again: " << put(*other_, e_, "v1") << ", unchanged: " << other_->metrics().puts_unchanged << "\n";
  auto f = other_->flush();
  std::cout << "flush: " << (f ? "OK" : f.error().message) << ", durable: " << other_->durability().durable << ", told evicted: " << evicted_.contains(e_) << "\n";
  other_.reset(); held_.reset();
  lose_the_index();
  EXPECT_EQ(content(open()->get(e_)), "v1");
}

// 2: a prune's copy beside an eviction's removal of equal sequence.
TEST_F(Attack, T02_RenewalBesideEviction) {
  two_values();
  auto a = open(); other_ = open();
  ASSERT_EQ(put(*a, e_, "v1"), "ok"); ASSERT_TRUE(a->flush());
  ASSERT_TRUE(until_settled(*a));
  EXPECT_EQ(content(other_->get(e_)), "v1");       // read: visited
  clock_.later_s = 7200;
  const auto report = other_->prune({.max_age_s = 600});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(content(other_->get(e_)), "v1");
  for (std::uint32_t i = 5000; i < 5020; ++i) EXPECT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
  EXPECT_TRUE(a->flush()); EXPECT_TRUE(other_->flush());
  std::cout << "live: " << content(other_->get(e_)) << " in " << segment_of(*other_, e_) << ", told evicted: " << evicted_.contains(e_) << "\n";
  std::cout << "put again by the pruner: " << put(*other_, e_, "v1") << ", unchanged: " << other_->metrics().puts_unchanged << ", flush ok: " << other_->flush().has_value() << "\n";
  a.reset(); other_.reset(); held_.reset();
  lose_the_index();
  EXPECT_EQ(content(open()->get(e_)), "v1");
}

// 3: an eviction that fails after its removals were written.
TEST_F(Attack, T03_FailedEvictionLeavesARemoval) {
  two_values();
  auto a = open(); other_ = open();
  ASSERT_EQ(put(*a, e_, "v1"), "ok"); ASSERT_TRUE(a->flush());
  bool hit = false;
  for (std::uint32_t i = 0; i < 4000 && !hit; ++i) {
    if (i % 100 == 0) EXPECT_TRUE(a->flush());
    std::atomic<bool> armed = false;
    spoilt_.observe([&](const Operation& o) {
      if (o.op == Op::sync_data && o.path.ends_with(".seg") && !armed.exchange(true))
        spoilt_.inject({.only = Op::info_at, .path_contains = "/state", .os_error = EIO});
    });
    EXPECT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
    spoilt_.observe({}); spoilt_.clear_faults();
    hit = armed && after_index_loss(e_) == "absent" && !evicted_.contains(e_);
  }
  ASSERT_TRUE(hit);
  print_log(); std::cout << "injected " << spoilt_.injected().size() << "\n";
  std::cout << "live: " << content(other_->get(e_)) << "\n";
  std::cout << "put again: " << put(*a, e_, "v1") << ", unchanged: " << a->metrics().puts_unchanged << ", flush ok: " << a->flush().has_value() << "\n";
  std::cout << "told evicted: " << evicted_.contains(e_) << "\n";
  EXPECT_EQ(after_index_loss(e_), "v1");
}

// 4: remove whose second copy cannot be written.
TEST_F(Attack, T04_RemoveThatFailsHalfWay) {
  auto a = open();
  ASSERT_EQ(put(*a, e_, "v1"), "ok"); ASSERT_TRUE(a->flush());
  spoilt_.inject({.only = Op::write_at, .path_contains = ".seg", .at = 2, .os_error = ENOSPC});
  const auto removed = a->remove(e_);
  ASSERT_EQ(spoilt_.injected().size(), 1u);
  std::cout << "remove: " << (removed ? "ok" : removed.error().message) << "\n";
  std::cout << "get: " << content(a->get(e_)) << "\n";
  std::cout << "put again: " << put(*a, e_, "v1") << ", unchanged: " << a->metrics().puts_unchanged << "\n";
  const auto f = a->flush();
  std::cout << "flush: " << (f ? "OK" : f.error().message) << " durable " << a->durability().durable << "\n";
  a.reset(); lose_the_index();
  EXPECT_EQ(content(open()->get(e_)), "v1");
}

// 5: failed puts of large artifacts.
TEST_F(Attack, T05_LargeOrphans) {
  options_.budget = {.max_bytes = 20 * mib};
  auto a = open();
  fill(*a, 0, 50); ASSERT_TRUE(a->flush());
  a.reset();
  spoilt_.inject({.only = Op::write_at, .path_contains = ".seg", .repeat = Repeat::for_ever, .os_error = EIO});
  for (std::uint32_t i = 0; i < 12; ++i) { auto s = open(); (void)put(*s, numbered(9000 + i), payload_of(5 * mib, i)); s.reset(); }
  spoilt_.clear_faults();
  std::cout << "du after 12 failed puts: " << disk_bytes() / mib << " MiB of 20\n";
  a = open();
  for (std::uint32_t i = 100; i < 300; ++i) EXPECT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
  EXPECT_TRUE(a->flush());
  std::cout << "du after 200 puts: " << disk_bytes() / mib << " MiB, present: " << count_present(*a, 0, 50) + count_present(*a, 100, 300) << " of 250\n";
  auto r = a->prune({.max_bytes = 20 * mib});
  std::cout << "prune kept_bytes " << (r ? r->kept_bytes / mib : 0) << " MiB, held " << (r ? r->held_bytes / mib : 0) << ", entries " << (r ? r->kept_entries : 0) << "\n";
  std::cout << "maintain now: " << a->maintain().has_value() << ", du " << disk_bytes() / mib << "\n";
  EXPECT_LE(disk_bytes(), 22 * mib);
}

// 6: a disk that is full of large artifacts.
TEST(AttackDisk, T06_FullOfLarge) {
  const std::string said = on_small_disk(64 * mib, [](const std::string& path) -> std::string {
    int evicted = 0;
    auto store = open_pack_store({.directory = path + "/store", .on_evict = [&](const Eviction&) { ++evicted; }});
    if (!store) return store.error().message;
    for (std::uint32_t i = 0; i < 60; ++i) {
      const auto p = payload_of(3 * mib, i);
      const auto done = (*store)->put(numbered(i), bytes_of(p));
      (void)(*store)->flush();
      if (!done) return "put " + std::to_string(i) + ": " + done.error().message + "; evicted " + std::to_string(evicted);
    }
    return "";
  });
  EXPECT_EQ(said, "");
}

// 6b: small entries' room on a disk full of large ones.
TEST(AttackDisk, T06b_SmallOnADiskFullOfLarge) {
  const std::string said = on_small_disk(64 * mib, [](const std::string& path) -> std::string {
    int evicted = 0;
    auto store = open_pack_store({.directory = path + "/store", .on_evict = [&](const Eviction&) { ++evicted; }});
    if (!store) return store.error().message;
    int large = 0;
    for (std::uint32_t i = 0; i < 60; ++i) {
      const auto p = payload_of(3 * mib, i);
      if (!(*store)->put(numbered(i), bytes_of(p))) break;
      (void)(*store)->flush(); ++large;
    }
    std::ofstream ballast(path + "/ballast", std::ios::binary);
    const std::string block(4096, 'b');
    while (ballast << block << std::flush) {}
    const int before = evicted;
    std::string out;
    for (std::uint32_t i = 100; i < 1000; ++i) {
      const auto p = payload_of(100'000, i);
      const auto done = (*store)->put(numbered(i), bytes_of(p));
      if (!done) { out = "put " + std::to_string(i) + ": " + done.error().message; break; }
      if (evicted != before) { out = "first eviction step took " + std::to_string(evicted - before) + " of " + std::to_string(large); break; }
    }
    return out;
  });
  std::cout << said << "\n";
}

// 7: a put behind another thread's prune that waits for its turn.
TEST_F(Attack, T07_PutBlockedByPruneOfAnotherThread) {
  auto a = open();
  for (std::uint32_t i = 0; i < 1300; ++i) ASSERT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
  testing::FaultFileSystem slow(clock_);
  auto o = options_; o.file_system = &slow; o.on_evict = {}; o.log = {};
  auto b = open_pack_store(o).value();
  std::atomic<bool> paused = false, go = false;
  slow.observe([&](const Operation& op) {
    if (op.op == Op::list && !paused.exchange(true)) while (!go) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  std::thread other([&] { (void)b->prune({}); });
  while (!paused) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  auto now = [] { return std::chrono::steady_clock::now(); };
  auto ms = [](auto d) { return std::chrono::duration_cast<std::chrono::milliseconds>(d).count(); };
  long worst = 0;
  for (std::uint32_t i = 2000; i < 2600; ++i) { auto t = now(); ASSERT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok"); worst = std::max<long>(worst, ms(now() - t)); }
  std::cout << "worst put while another process prunes: " << worst << " ms\n";
  std::thread mine([&] { auto t = now(); auto r = a->maintain(); std::cout << "maintain: " << (r ? "ok" : r.error().message) << " after " << ms(now() - t) << " ms\n"; });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  auto t = now();
  EXPECT_EQ(put(*a, numbered(3000), payload_of(4096, 1)), "ok");
  const long took = ms(now() - t);
  std::cout << "put while this process's maintain waits: " << took << " ms\n";
  go = true; other.join(); mine.join();
  EXPECT_LT(took, 600);
}

// 8: clear and maintain over an unreadable segment, with a large file that nothing leads to.
TEST_F(Attack, T08_ClearWithAnUnreadableSegmentAndAnOrphan) {
  options_.budget = {.max_bytes = 60 * mib};
  { auto a = open(); fill(*a, 0, 600); ASSERT_TRUE(a->flush());
    const auto large = payload_of(300'000, 1);
    spoilt_.inject({.only = Op::write_at, .path_contains = ".seg", .repeat = Repeat::once, .os_error = EIO});
    std::cout << "large: " << put(*a, numbered(9000), large) << "\n"; spoilt_.clear_faults(); ASSERT_TRUE(a->flush()); }
  const std::string bad = segment_names().front();
  auto a = open();
  spoilt_.inject({.only = Op::read_at, .path_contains = bad, .repeat = Repeat::for_ever, .os_error = EIO});
  clock_.later_s = 7200;
  const auto m = a->maintain();
  std::cout << "maintain: " << (m ? "ok" : m.error().message) << "\n";
  const auto r = a->clear();
  std::cout << "clear: " << (r ? "ok" : r.error().message) << "\n";
  EXPECT_TRUE(m); EXPECT_TRUE(r);
}

// 9: a put of a little less than the budget.
TEST_F(Attack, T09_PutOfAlmostTheBudget) {
  options_.budget = {.max_bytes = 8 * mib};
  auto a = open(); fill(*a, 0, 300); ASSERT_TRUE(a->flush());
  std::cout << "before: " << count_present(*a, 0, 300) << "\n";
  std::cout << "put: " << put(*a, e_, payload_of(8 * mib - 8192, 3)) << "\n";
  ASSERT_TRUE(a->flush());
  const auto there = content(a->get(e_)) != "absent";
  for (std::uint32_t i = 1000; i < 1003; ++i) { EXPECT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok"); }
  const auto still = content(a->get(e_)) != "absent";
  const auto left = count_present(*a, 0, 300);
  std::cout << "after: itself " << there << ", itself after three small puts " << still << ", others " << left << " of 300\n";
  EXPECT_TRUE(still || left > 0);
}

// 10: a foreign file under a number that was never given out, after a kill: `state` knows the numbers.
TEST_F(Attack, T10_ForeignFileNearby) {
  auto a = open(); fill(*a, 0, 3); ASSERT_TRUE(a->flush());
  { std::ofstream f(segments() / "00000005.seg"); f << std::string(4096, 'x'); }
  const fs::path copy = directory_ / "killed";
  fs::copy(root(), copy, fs::copy_options::recursive);
  auto b = open_pack_store({.directory = copy.string()}).value();
  EXPECT_TRUE(fs::exists(copy / "segments" / "00000005.seg"));
  EXPECT_EQ(content(b->get(numbered(1))), payload_of(4096, 1));
}

// 11: the count of entries after a rebuild beside others.
TEST_F(Attack, T11_EntriesUnderflow) {
  options_.budget = {.max_bytes = 60 * mib, .max_entries = 1000};
  options_.file_system = nullptr;
  auto a = open(); fill(*a, 0, 10); ASSERT_TRUE(a->flush());
  for (const auto& entry : fs::directory_iterator(root())) if (entry.path().filename().string().starts_with("index.")) fs::remove(entry.path());
  options_.file_system = &spoilt_;
  std::atomic<bool> done = false;
  spoilt_.observe([&](const Operation& o) { if (o.op == Op::read_at && o.path.ends_with(".seg") && !done.exchange(true)) fill(*a, 100, 120); });
  auto b = open(); spoilt_.observe({});
  ASSERT_TRUE(done);
  std::cout << "entries said: " << a->metrics().entries << ", really " << count_present(*a, 0, 10) + count_present(*a, 100, 120) << "\n";
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(a->remove(numbered(i)), true);
  for (std::uint32_t i = 100; i < 110; ++i) EXPECT_EQ(a->remove(numbered(i)), true);
  std::cout << "entries said: " << a->metrics().entries << ", really " << count_present(*a, 110, 120) << "\n";
  const auto n = count_present(*a, 110, 120);
  fill(*a, 200, 203); fill(*a, 203, 206);
  const auto m = count_present(*a, 110, 120), k = count_present(*a, 200, 206);
  std::cout << "after six puts: " << m << " of " << n << " old ones, " << k << " of 6 new ones; said " << a->metrics().entries << "\n";
  EXPECT_EQ(m, n); EXPECT_EQ(k, 6u);
}

// 12: sequences after a rebuild that could not read a segment for a while.
TEST_F(Attack, T12_SequenceAfterIncompleteRebuild) {
  options_.budget = {};
  options_.budget.max_bytes = 60 * mib;
  { auto a = open(); ASSERT_EQ(put(*a, e_, "v1"), "ok"); fill(*a, 0, 400);
    EXPECT_EQ(a->remove(e_), true); ASSERT_TRUE(a->flush()); }
  ASSERT_GE(segment_names().size(), 2u);
  const std::string last = segment_names().back();
  lose_the_index();
  spoilt_.inject({.only = Op::read_at, .path_contains = last, .repeat = Repeat::for_ever, .os_error = EIO});
  { auto a = open();
    std::cout << "after the incomplete rebuild: " << content(a->get(e_)) << "\n";
    std::cout << "put v3: " << put(*a, e_, "v3");
    auto f = a->flush(); std::cout << ", flush " << (f ? "OK" : f.error().message) << ", durable " << a->durability().durable << "\n"; }
  spoilt_.clear_faults();
  auto b = open();
  EXPECT_EQ(content(b->get(e_)), "v3");
}

// 16: a carried copy that an eviction left, and the entry leaves afterwards.
TEST_F(Attack, T16_AbandonedCopyComesBack) {
  auto a = open(); other_ = open();
  ASSERT_EQ(put(*a, e_, "v1"), "ok"); ASSERT_TRUE(a->flush());
  bool settled = false;
  for (std::uint32_t i = 0; i < 4000 && !settled; ++i) {
    EXPECT_EQ(content(other_->get(e_)), "v1");
    std::atomic<int> syncs = 0; std::string where;
    spoilt_.observe([&](const Operation& o) { if (o.op == Op::sync_data && o.path.ends_with(".seg")) { ++syncs; where = o.path; } });
    ASSERT_EQ(put(*a, numbered(i), payload_of(4096, i)), "ok");
    spoilt_.observe({});
    settled = syncs > 0 && segment_of(*other_, e_) == "00000000.seg" && i > 1000;
  }
  ASSERT_TRUE(settled);
  ASSERT_TRUE(a->flush()); a.reset();
  std::cout << "in " << segment_of(*other_, e_) << "\n";
  // all of that age leave
  clock_.later_s = 7200;
  auto r = other_->prune({.max_age_s = 600});   // E is visited: renewed
  clock_.later_s = 3 * 7200;
  r = other_->prune({.max_age_s = 600});
  std::cout << "after prune: " << content(other_->get(e_)) << ", told " << evicted_.contains(e_) << "\n";
  other_->flush();
  std::cout << "after index loss: " << after_index_loss(e_) << "\n";
  fill(*other_, 10'000, 10'010);
  other_->flush();
  EXPECT_EQ(after_index_loss(e_), "absent");
}
}  // namespace
}  // namespace larder
