#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <set>
#include "format/pack_index.h"
#include "tests/unit/pack_store_fixture.h"
namespace larder { namespace {
namespace fs = std::filesystem;
using testing::Op; using testing::Operation; using testing::Repeat; using testing::Effect;
class Last : public PackStoreFixture {
 protected:
  Last() { options_.budget = {.max_bytes = 60 * mib}; options_.file_system = &spoilt_; 
    options_.on_evict = [this](const Eviction& e) { evicted_.insert(e.fingerprint); };
    options_.log = [this](LogLevel, std::string_view line) { log_.emplace_back(line); }; }
  testing::FaultFileSystem spoilt_{clock_}; std::set<Fingerprint> evicted_; std::vector<std::string> log_;
  const Fingerprint e_ = numbered(1'000'000);
};
// 24: what a flush loses for want of descriptors or memory.
TEST_F(Last, T24_FlushWithoutDescriptors) {
  for (const bool big : {false, true}) for (const int error : {EMFILE, ENOMEM}) {
    std::set<std::string> seen;
    for (std::uint64_t at = 1; at < 60; ++at) {
      fs::remove_all(root());
      auto a = open();
      if (put(*a, e_, big ? payload_of(400'000, 1) : "v1") != "ok") FAIL();
      const std::size_t before = spoilt_.injected().size();
      spoilt_.inject({.at = at, .os_error = error});
      const auto f = a->flush();
      const auto injected = spoilt_.injected(); spoilt_.clear_faults();
      if (injected.size() == before) break;
      const auto& op = injected.back();
      if (f) continue;
      const auto f2 = a->flush();
      seen.insert(std::string(testing::op_name(op.op)) + " of " + (op.path.find("/large") != std::string::npos ? "large" : fs::path(op.path).filename().string()) + ": " + std::string(errc_name(f.error().code)) + ", lost " + std::to_string(a->durability().lost) + ", then " + (f2 ? "OK" : std::string(errc_name(f2.error().code))) + ", there " + std::to_string(content(a->get(e_)) != "absent"));
    }
    for (auto& s : seen) std::cout << (big ? "large " : "small ") << (error == EMFILE ? "EMFILE " : "ENOMEM ") << s << "\n";
  }
}
// 13: the renewed time after a rebuild.
TEST_F(Last, T13_RenewedTimeIsLostAtARebuild) {
  { auto w = open(); ASSERT_EQ(put(*w, numbered(1), "x"), "ok"); ASSERT_TRUE(w->flush()); }
  auto h0 = hold(segment_names().front());
  auto b = open();
  (void)b->get(numbered(1)); clock_.later_s = 1000;
  ASSERT_TRUE(b->prune({.max_age_s = 600}));         // makes the carrier 00000001
  { auto w = open(); auto lock1 = 0; (void)lock1; ASSERT_EQ(put(*w, e_, "v1"), "ok"); ASSERT_TRUE(w->flush()); std::cout << "E in " << segment_of(*w, e_) << "\n"; }
  auto h2 = hold(segment_of(*b, e_));
  (void)b->get(e_); clock_.later_s = 2000;
  ASSERT_TRUE(b->prune({.max_age_s = 600}));
  std::cout << "renewed into " << segment_of(*b, e_) << "\n";
  ASSERT_TRUE(b->flush()); b.reset(); lose_the_index();
  b = open(); std::cout << "after a rebuild in " << segment_of(*b, e_) << "\n";
  clock_.later_s = 2100;                              // read 1100 s, renewed 100 s ago
  ASSERT_TRUE(b->prune({.max_age_s = 600}));
  EXPECT_EQ(content(b->get(e_)), "v1");
}
// 20b: no number is left.
TEST_F(Last, T20b_NoNumberIsLeft) {
  options_.file_system = nullptr;
  auto a = open(); fill(*a, 0, 3); ASSERT_TRUE(a->flush());
  const int fd = ::open((root() / "state").c_str(), O_RDWR);
  auto* words = reinterpret_cast<std::uint64_t*>(static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) + format::state_words_at);
  words[static_cast<int>(format::StateWord::next_segment)] = std::uint64_t{format::max_segment_number} + 1;
  a->clear();
  std::cout << "put: " << put(*a, numbered(10), "x") << "\n";
  std::cout << "clear: " << a->clear().has_value() << ", put: " << put(*a, numbered(10), "x") << "\n";
  a.reset(); a = open();
  EXPECT_EQ(put(*a, numbered(10), "x"), "ok");
}
// 26: a large put beside what a listener of evictions hears: peak of du.
TEST_F(Last, T26_PeakOfALargePut) {
  options_.budget = {.max_bytes = 64 * mib};
  auto a = open(); for (std::uint32_t i = 0; i < 600; ++i) ASSERT_EQ(put(*a, numbered(i), payload_of(100'000, i)), "ok");
  ASSERT_TRUE(a->flush()); std::uint64_t peak = 0;
  spoilt_.observe([&](const Operation&) { peak = std::max(peak, disk_bytes()); });
  std::cout << put(*a, e_, payload_of(50 * mib, 1)) << "\n"; spoilt_.observe({});
  std::cout << "du at most " << peak / mib << " MiB of 64, afterwards " << disk_bytes() / mib << "\n";
}
// 27: descriptors: large artifacts in segments that others write.
TEST_F(Last, T27_DescriptorsOfALargeRenewal) {
  { auto w = open(); for (std::uint32_t i = 0; i < 150; ++i) ASSERT_EQ(put(*w, numbered(i), payload_of(300'000, i)), "ok"); ASSERT_TRUE(w->flush()); }
  std::vector<std::unique_ptr<File>> held; for (const auto& n : segment_names()) held.push_back(hold(n));
  auto b = open(); for (std::uint32_t i = 0; i < 150; ++i) (void)b->get(numbered(i));
  clock_.later_s = 7200;
  auto fds = [] { std::size_t n = 0; for (const auto& x : fs::directory_iterator("/proc/self/fd")) { (void)x; ++n; } return n; };
  const std::size_t before = fds(); std::size_t most = 0; long ops = 0;
  spoilt_.observe([&](const Operation&) { if (++ops % 16 == 0) most = std::max(most, fds()); });
  auto r = b->prune({.max_age_s = 600}); spoilt_.observe({});
  std::cout << held.size() << " segments held, descriptors before " << before << ", most " << most << ", afterwards " << fds() << ", " << (r ? "ok" : r.error().message) << ", segments now " << segment_names().size() << "\n";
}
// 28: clear while the index is partial.
TEST_F(Last, T28_ClearWithAPartialIndex) {
  options_.file_system = nullptr;
  auto w = open(), a = open();
  ASSERT_EQ(put(*w, e_, "v1"), "ok"); ASSERT_TRUE(w->flush());
  for (const auto& x : fs::directory_iterator(root())) if (x.path().filename().string().starts_with("index.")) fs::remove(x.path());
  options_.file_system = &spoilt_;
  spoilt_.inject({.only = Op::read_at, .path_contains = ".seg", .repeat = Repeat::for_ever, .os_error = EMFILE});
  auto failed = open_pack_store(options_); std::cout << "rebuild beside others: " << (failed ? "ok" : failed.error().message.substr(0, 60)) << "\n";
  spoilt_.clear_faults();
  std::cout << "E: " << content(a->get(e_)) << "\n";
  const auto c = a->clear(); std::cout << "clear: " << (c ? "ok, held " + std::to_string(c->held_bytes) : c.error().message) << "\n";
  w->flush(); a->flush();
  auto d = open(); EXPECT_EQ(content(d->get(e_)), "absent");
}
}}
