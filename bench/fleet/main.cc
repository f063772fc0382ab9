// larder-fleet: simulates many machines that ask for compiled kernels by popularity, each with a
// store of its own, behind it a tier of its site, and behind that one for all. What part of the
// look-ups each tier answers, what it sends, and what is still compiled.
//
// Time goes in rounds: in each one, every machine asks for one kernel of its device. What is
// compiled or filled back in a round is there for others in the next one; so those who need the
// same at the same time compile it more than once, as they do in truth. Halfway a new driver comes:
// every kernel is another one then, and all stores begin anew.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

#include "fleet/lru.h"
#include "random.h"

namespace larder::bench {
namespace {

struct Options {
  std::uint64_t seed = 42;
  std::uint32_t machines_per_site = 100;
  std::uint32_t devices = 8;       // kinds of GPU, as many machines of each
  std::uint32_t kernels = 10'000;  // of each device
  std::uint32_t rounds = 200;
  double exponent = 0.99;
  std::uint64_t site_mib = 2048;
};

struct Tally {
  std::uint64_t lookups = 0, local = 0, site = 0, global = 0;
  std::uint64_t compiled = 0;
  std::uint64_t in_vain = 0;  // of those: somebody else compiled it in the same round
  std::uint64_t site_bytes = 0, global_bytes = 0, uploaded_bytes = 0;
};

// What a machine has; it has room for all that it ever asks for.
class Keys {
 public:
  bool insert(std::uint32_t key) {
    if (2 * (count_ + 1) > table_.size()) grow();
    std::uint32_t& slot = slot_of(key);
    if (slot != 0) return false;
    slot = key + 1;
    ++count_;
    return true;
  }

 private:
  std::uint32_t& slot_of(std::uint32_t key) {
    std::size_t at = (key * 0x9e3779b97f4a7c15u >> 20) & (table_.size() - 1);
    while (table_[at] != 0 && table_[at] != key + 1) at = (at + 1) & (table_.size() - 1);
    return table_[at];
  }
  void grow() {
    std::vector<std::uint32_t> old(table_.empty() ? 64 : 2 * table_.size());
    std::swap(old, table_);
    for (const std::uint32_t key : old) {
      if (key != 0) slot_of(key - 1) = key;
    }
  }
  std::vector<std::uint32_t> table_;  // key + 1
  std::size_t count_ = 0;
};

class Fleet {
 public:
  Fleet(const Options& options, std::uint32_t machines)
      : options_(options),
        random_(options.seed),
        zipf_(options.kernels, options.exponent),
        machines_(machines),
        global_(2 * options.devices * options.kernels),
        compiled_in_(global_.size(), 0) {
    const std::uint32_t sites =
        (machines + options.machines_per_site - 1) / options.machines_per_site;
    for (std::uint32_t i = 0; i < sites; ++i) sites_.emplace_back(options.site_mib << 20);
    for (std::size_t i = 0; i < global_.size(); ++i) bytes_.push_back(draw_bytes());
  }

  Tally run() {
    for (std::uint32_t round = 1; round <= options_.rounds; ++round) {
      const std::uint32_t driver = 2 * (round - 1) < options_.rounds ? 0 : 1;
      for (std::uint32_t machine = 0; machine < machines_.size(); ++machine) {
        ask(machine, key_for(machine, driver), round);
      }
      settle();
    }
    return tally_;
  }

  std::size_t sites() const { return sites_.size(); }

 private:
  // Compiled kernels: half of them under 24 KiB, a few of megabytes.
  std::uint32_t draw_bytes() {
    const double bytes = std::exp(std::log(24.0 * 1024) + 1.3 * random_.normal());
    return static_cast<std::uint32_t>(std::clamp(bytes, 512.0, 16.0 * (1 << 20)));
  }

  std::uint32_t key_for(std::uint32_t machine, std::uint32_t driver) {
    const std::uint32_t device = machine % options_.devices;
    const auto kernel = static_cast<std::uint32_t>(zipf_.next(random_));
    return (driver * options_.devices + device) * options_.kernels + kernel;
  }

  void ask(std::uint32_t machine, std::uint32_t key, std::uint32_t round) {
    ++tally_.lookups;
    if (!machines_[machine].insert(key)) {
      ++tally_.local;
      return;
    }
    const std::uint32_t site = machine / options_.machines_per_site;
    if (sites_[site].touch(key)) {
      ++tally_.site;
      tally_.site_bytes += bytes_[key];
      return;
    }
    to_sites_.emplace_back(site, key);
    if (global_[key]) {
      ++tally_.global;
      tally_.global_bytes += bytes_[key];
      return;
    }
    ++tally_.compiled;
    tally_.uploaded_bytes += bytes_[key];
    if (compiled_in_[key] == round) ++tally_.in_vain;
    compiled_in_[key] = round;
    to_all_.push_back(key);
  }

  void settle() {
    std::ranges::sort(to_sites_);
    const auto repeated = std::ranges::unique(to_sites_);
    to_sites_.erase(repeated.begin(), repeated.end());
    for (const auto& [site, key] : to_sites_) sites_[site].insert(key, bytes_[key]);
    for (const std::uint32_t key : to_all_) global_[key] = true;
    to_sites_.clear();
    to_all_.clear();
  }

  const Options options_;
  Random random_;
  const Zipf zipf_;
  std::vector<Keys> machines_;
  std::vector<Lru> sites_;
  std::vector<bool> global_;
  std::vector<std::uint32_t> compiled_in_;  // the last round
  std::vector<std::uint32_t> bytes_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> to_sites_;
  std::vector<std::uint32_t> to_all_;
  Tally tally_;
};

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

double gib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1ull << 30); }

void show(const Options& options, std::uint32_t machines) {
  Fleet fleet(options, machines);
  const Tally t = fleet.run();
  fmt::print(
      "{:>9} {:>7.2f} {:>7.2f} {:>7.2f} {:>9.3f} {:>9} {:>8} {:>9.1f} {:>10.2f} {:>10.1f} "
      "{:>9.2f}\n",
      machines, percent(t.local, t.lookups), percent(t.site, t.lookups),
      percent(t.global, t.lookups), percent(t.compiled, t.lookups), t.compiled, t.in_vain,
      percent(t.lookups - t.local - t.compiled, t.lookups - t.local),
      gib(t.site_bytes) / static_cast<double>(fleet.sites()), gib(t.global_bytes),
      gib(t.uploaded_bytes));
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  Options options;
  std::vector<std::uint32_t> machines = {1'000, 3'000, 10'000, 30'000, 100'000};
  CLI::App app("Simulates a fleet of machines over remote tiers.", "larder-fleet");
  app.add_option("--machines", machines, "how many; any number of figures");
  app.add_option("--per-site", options.machines_per_site)->check(CLI::PositiveNumber);
  app.add_option("--devices", options.devices)->check(CLI::Range(1, 64));
  app.add_option("--kernels", options.kernels, "of each device")->check(CLI::Range(2, 1'000'000));
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber);
  app.add_option("--exponent", options.exponent, "of Zipf's law")->check(CLI::Range(0.01, 0.999));
  app.add_option("--site-mib", options.site_mib, "room of a site's tier");
  app.add_option("--seed", options.seed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  fmt::print(
      "{} devices with {} kernels each, Zipf {}, {} look-ups a machine, a new driver "
      "halfway; {} machines and {} MiB a site; seed {}\n",
      options.devices, options.kernels, options.exponent, options.rounds, options.machines_per_site,
      options.site_mib, options.seed);
  fmt::print("{:>9} {:>7} {:>7} {:>7} {:>9} {:>9} {:>8} {:>9} {:>10} {:>10} {:>9}\n", "machines",
             "own %", "site %", "all %", "compile %", "compiled", "in vain", "avoided %",
             "GiB/site", "GiB of all", "GiB up");
  for (const std::uint32_t count : machines) show(options, count);
  return 0;
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  try {
    return larder::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "larder-fleet: {}\n", error.what());
    return 1;
  }
}
