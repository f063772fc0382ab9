#include <gtest/gtest.h>
#include <filesystem>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include "tests/unit/pack_store_fixture.h"
namespace larder { namespace {
namespace fs = std::filesystem;
class Fuzz : public PackStoreFixture {
 protected:
  Fuzz() { options_.budget = {.max_bytes = 5 * mib}; options_.file_system = &clock_; }
};
TEST_F(Fuzz, Run) {
  const bool no_close = std::getenv("NO_CLOSE"), no_age = std::getenv("NO_AGE");
  const auto begun = std::chrono::steady_clock::now(); std::map<std::string, int> kinds; int histories = 0;
  std::uint64_t first = std::getenv("SEED") ? std::strtoull(std::getenv("SEED"), nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed == first || std::chrono::steady_clock::now() - begun < std::chrono::seconds(std::getenv("DUMP") ? 0 : 100); ++seed, ++histories) {
    fs::remove_all(root()); clock_.later_s = 0;
    std::mt19937_64 rng(seed); std::vector<std::string> ops; std::map<std::string, std::string> name;
    std::vector<std::shared_ptr<PackStore>> s{open(), open(), open()};
    std::uint32_t filler = 0; int version = 0; bool failed = false;
    auto note = [&](std::string o) { ops.push_back(std::move(o)); };
    for (int step = 0; step < 90 && !failed; ++step) {
      const int who = rng() % 3; auto& p = s[who]; const std::uint32_t e = 1'000'000 + rng() % 5; const std::string w(1, char('A' + who));
      switch (rng() % 16) {
        case 0: case 1: case 2: case 3: case 4: { const int n = rng() % 120; for (int i = 0; i < n; ++i) (void)put(*p, numbered(filler++), payload_of(4096, filler)); note(w + " fill " + std::to_string(n)); break; }
        case 5: case 6: case 7: { const bool big = rng() % 4 == 0; std::string v = "v" + std::to_string(++version); if (big) v = payload_of(300'000, version); name[v] = (big ? "L" : "v") + std::to_string(version); const auto r = put(*p, numbered(e), v); note(w + " put " + std::to_string(e % 10) + "=" + name[v] + (r == "ok" ? "" : " FAILED")); break; }
        case 8: { auto r = p->remove(numbered(e)); note(w + " remove " + std::to_string(e % 10) + (r ? (*r ? " yes" : " no") : " FAILED")); break; }
        case 9: case 10: { (void)p->get(numbered(e)); note(w + " get " + std::to_string(e % 10)); break; }
        case 11: { auto f = p->flush(); note(w + " flush" + (f ? "" : " FAILED")); break; }
        case 12: { if (no_close) break; (void)p->flush(); p.reset(); p = open(); note(w + " reopen"); break; }
        case 13: { clock_.later_s += 100; if (no_age) { auto r = p->prune({.max_entries = 700}); note(w + " prune entries 700"); } else { auto r = p->prune({.max_age_s = 250}); note(w + " prune age" + (r ? "" : " FAILED")); } break; }
        case 14: { if (rng() % 3 == 0) { auto r = p->prune({.max_bytes = 3 * mib}); note(w + " prune bytes" + (r ? "" : " FAILED")); } else { auto r = p->prune({.max_entries = 500}); note(w + " prune entries" + (r ? "" : " FAILED")); } break; }
        case 15: { if (rng() % 6 == 0) { auto r = p->clear(); note(w + " clear"); } else { auto r = p->maintain(); note(w + " maintain" + (r ? "" : " FAILED: " + r.error().message)); } break; }
      }
    }
    for (auto& p : s) if (!p->flush()) note("final flush FAILED");
    const fs::path copy = directory_ / "copy"; fs::remove_all(copy); fs::copy(root(), copy, fs::copy_options::recursive);
    for (const auto& x : fs::directory_iterator(copy)) { const std::string n = x.path().filename().string(); if (n == "state" || n.starts_with("index.")) fs::remove(x.path()); }
    auto d = open_pack_store({.directory = copy.string()}).value();
    auto label = [&](const std::string& v) { return v == "absent" || v.starts_with("error") ? v : name.contains(v) ? name[v] : "?"; };
    auto compare = [&](const Fingerprint& f, const std::string& n) {
      const auto live = content(s[0]->get(f)), disk = content(d->get(f)); if (live == disk) return;
      const std::string kind = disk == "absent" ? "live, not on disk" : live == "absent" ? "on disk, not live" : "differs";
      if (std::getenv("DUMP")) { for (const auto& x : fs::recursive_directory_iterator(copy)) if (x.is_regular_file()) { std::cout << "  " << x.path().lexically_relative(copy).string().substr(0, 40) << " " << fs::file_size(x) << (fs::exists(root() / x.path().lexically_relative(copy)) ? "" : " GONE") << "\n"; } std::cout << " live in " << ((*s[0]->inspect(f))->location) << "\n"; for (int k = 0; k < 60; ++k) { (void)put(*s[k % 3], numbered(500'000 + k), payload_of(4096, k)); std::cout << (content(s[0]->get(f)) == "absent" ? "gone" : "there") << (k % 20 == 19 ? "\n" : " "); } }
      if (++kinds[kind] <= 3) { std::cout << "seed " << seed << " " << n << ": " << kind << ": live " << label(live) << ", disk " << label(disk) << "\n"; if (kinds[kind] <= 1 || kind == "differs") { for (auto& o : ops) std::cout << o << "; "; std::cout << std::endl; } }
    };
    for (std::uint32_t e = 0; e < 5; ++e) compare(numbered(1'000'000 + e), "E" + std::to_string(e));
    for (std::uint32_t i = 0; i < filler; ++i) compare(numbered(i), "filler " + std::to_string(i));
    if (disk_bytes() > 5 * mib + 3 * 3 * mib && ++kinds["du over"] <= 2) std::cout << "seed " << seed << " du " << disk_bytes() / 1024 << " KiB\n";
  }
  std::cout << histories << " histories\n"; for (auto& [k, c] : kinds) std::cout << c << " x " << k << "\n";
}
}}
