#include <gtest/gtest.h>
#include <atomic>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <set>
#include "tests/unit/pack_store_fixture.h"
#include "tests/unit/small_disk.h"
namespace larder { namespace {
namespace fs = std::filesystem;
using testing::Op; using testing::Operation;
class Explore : public PackStoreFixture {
 protected:
  Explore() { options_.budget = {.max_bytes = 60 * mib}; options_.file_system = &spoilt_;
    options_.on_evict = [this](const Eviction& e) { if (e.fingerprint == e_) told_ = true; }; }
  std::string short_of(const std::string& s) { if (s == large(1)) return "LARGE1"; if (s == large(2)) return "LARGE2"; return s.substr(0, 40); }
  static std::string large(std::uint32_t seed) { return payload_of(300'000, seed); }
  std::string after_index_loss() {
    const fs::path copy = directory_ / "copy"; fs::remove_all(copy);
    fs::copy(root(), copy, fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(copy)) { const std::string name = entry.path().filename().string(); if (name == "state" || name.starts_with("index.")) fs::remove(entry.path()); }
    std::string what; { auto s = open_pack_store({.directory = copy.string()}); what = s ? content((*s)->get(e_)) : "open: " + s.error().message; }
    fs::remove_all(copy); return what;
  }
  testing::FaultFileSystem spoilt_{clock_}; bool told_ = false;
  const Fingerprint e_ = numbered(1'000'000);
  std::shared_ptr<PackStore> a_, b_; std::vector<std::unique_ptr<File>> held_;
  std::string v(int n, bool big) { return big ? large(n) : "value " + std::to_string(n); }
  void hold_all() { for (const auto& n : segment_names()) held_.push_back(hold(n)); }
  void setup(int s) {
    a_.reset(); b_.reset(); held_.clear(); clock_.later_s = 0; fs::remove_all(root()); told_ = false;
    const bool big0 = s & 1, big1 = s & 2; const bool hold0 = s & 4, hold1 = s & 8, read = s & 16;
    { auto w = open(); put(*w, e_, v(0, big0)); put(*w, numbered(5), "x"); w->flush(); }
    if (hold0) hold_all(); else { auto w = open(); fill(*w, 100, 380); w->flush(); }
    { auto w = open(); put(*w, e_, v(1, big1)); w->flush(); }
    if (hold1) { held_.clear(); hold_all(); }
    a_ = open(); b_ = open(); if (read) (void)a_->get(e_);
    clock_.later_s = 7200;
  }
};
TEST_F(Explore, All) {
  const std::map<std::string, std::function<bool(PackStore&)>> upkeep{
    {"age", [](PackStore& s) { return s.prune({.max_age_s = 600}).has_value(); }},
    {"entries0", [](PackStore& s) { return s.prune({.max_entries = 0}).has_value(); }},
    {"bytes0", [](PackStore& s) { return s.prune({.max_bytes = 0}).has_value(); }},
    {"maintain", [](PackStore& s) { return s.maintain().has_value(); }},
    {"clear", [](PackStore& s) { return s.clear().has_value(); }}};
  const std::map<std::string, std::function<void()>> actions{
    {"put2", [&] { EXPECT_EQ(put(*b_, e_, v(2, false)), "ok"); EXPECT_TRUE(b_->flush()); }},
    {"putL2", [&] { EXPECT_EQ(put(*b_, e_, v(2, true)), "ok"); EXPECT_TRUE(b_->flush()); }},
    {"same", [&] { auto c = content(b_->get(e_)); if (c != "absent") { EXPECT_EQ(put(*b_, e_, c), "ok"); EXPECT_TRUE(b_->flush()); } }},
    {"remove", [&] { auto r = b_->remove(e_); EXPECT_TRUE(r) << r.error().message; }}};
  std::map<std::string, int> bad; long n = 0; int last_s = 0;
  const auto begun = std::chrono::steady_clock::now();
  for (int s = std::getenv("S0") ? std::atoi(std::getenv("S0")) : 0; s < 32; ++s) for (const auto& [un, u] : upkeep) for (const auto& [an, act] : actions) {
    for (std::uint64_t moment = 1; moment < 600; moment += 1 + moment / 5) {
      if (std::chrono::steady_clock::now() - begun > std::chrono::seconds(std::getenv("SECS") ? std::atoi(std::getenv("SECS")) : 240)) goto end;
      last_s = s; setup(s);
      std::uint64_t count = 0; bool did = false;
      spoilt_.observe([&](const Operation&) { if (!did && ++count == moment) { did = true; act(); } });
      const bool ok = u(*a_); spoilt_.observe({});
      if (!did) break;
      ++n;
      a_->flush(); b_->flush();
      const auto live = content(b_->get(e_)), disk = after_index_loss();
      std::string wrong;
      if (live != disk) wrong = "live " + short_of(live) + " but disk " + short_of(disk);
      if (an == "put2" && live != v(2, false) && !told_) wrong += " put undone, not told: " + short_of(live);
      if (an == "putL2" && live != v(2, true) && !told_) wrong += " put undone, not told: " + short_of(live);
      if (an == "remove" && live != "absent") wrong += " removal undone";
      if (!wrong.empty() && ++bad[un + "/" + an + ": " + wrong] <= 2) std::cout << "s=" << s << " " << un << "/" << an << " at " << moment << " ok=" << ok << " told=" << told_ << ": " << wrong << "\n";
    }
  }
end: std::cout << "ended\n";
  std::cout << "last setup " << last_s << ", " << n << " histories\n"; for (auto& [k, c] : bad) std::cout << c << " x " << k << "\n";
}
// The file store of large artifacts makes room behind the pack's back.
TEST(LargeRoom, T06f) {
  const std::string said = on_small_disk(64 * mib, [](const std::string& path) -> std::string {
    std::set<Fingerprint> evicted; const PackStoreOptions o{.directory = path + "/store", .on_evict = [&](const Eviction& e) { evicted.insert(e.fingerprint); }};
    const Fingerprint e = numbered(1'000'000);
    auto w = open_pack_store(o).value(), a = open_pack_store(o).value();
    const auto big = payload_of(3 * mib, 77777);
    if (!w->put(e, bytes_of("v0")) || !w->flush() || !w->put(e, bytes_of(big)) || !w->flush()) return "setup";
    int puts = 0; std::string out;
    for (std::uint32_t i = 0; i < 60; ++i, ++puts) { const auto p = payload_of(3 * mib, i); const auto d = a->put(numbered(i), bytes_of(p)); if (!d) { out += "put: " + d.error().message + "; "; break; } (void)a->flush(); }
    int there = 0; for (std::uint32_t i = 0; i < 60; ++i) there += content(a->get(numbered(i))) != "absent";
    const auto live = content(a->get(e));
    out += "puts " + std::to_string(puts) + ", there " + std::to_string(there) + ", metrics.entries " + std::to_string(a->metrics().entries) + ", metrics.evictions " + std::to_string(a->metrics().evictions) + ", told " + std::to_string(evicted.size()) + "; E live: " + live.substr(0, 10);
    w.reset(); a.reset();
    for (const auto& x : fs::directory_iterator(path + "/store")) { const std::string n = x.path().filename().string(); if (n == "state" || n.starts_with("index.")) fs::remove(x.path()); }
    auto c = open_pack_store(o); out += "; E after index loss: " + (c ? content((*c)->get(e)).substr(0, 10) : c.error().message);
    return out;
  });
  std::cout << said << "\n";
}
// The same before a flush: who flushes is told nothing.
TEST(LargeRoom, T06g) {
  const std::string said = on_small_disk(64 * mib, [](const std::string& path) -> std::string {
    std::set<Fingerprint> evicted; const PackStoreOptions o{.directory = path + "/store", .on_evict = [&](const Eviction& e) { evicted.insert(e.fingerprint); }};
    auto a = open_pack_store(o).value(); std::string out;
    int ok = 0; for (std::uint32_t i = 0; i < 40; ++i) { const auto p = payload_of(3 * mib, i); ok += a->put(numbered(i), bytes_of(p)).has_value(); }
    const auto f = a->flush(); int there = 0; for (std::uint32_t i = 0; i < 40; ++i) there += content(a->get(numbered(i))) != "absent";
    return "puts ok " + std::to_string(ok) + " of 40; flush " + (f ? std::string("OK") : f.error().message + " names " + std::to_string(f.error().fingerprints.size())) + ", durable " + std::to_string(a->durability().durable) + "; there " + std::to_string(there) + ", told evicted " + std::to_string(evicted.size());
  });
  std::cout << said << "\n";
}
}}
