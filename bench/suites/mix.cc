// A cache as pipelines use it: mostly small artifacts and a few large ones, looked up in the order
// of a start-up, then by popularity, then with a budget that makes room for new ones.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "child.h"
#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

constexpr std::uint64_t present = 1;  // key spaces
constexpr std::uint64_t missing = 2;

// Log-normal around 6 KiB, and one in two thousand of 4 to 32 MiB.
std::size_t size_of(std::uint64_t index) {
  Random random(index * 2 + 1);
  if (random.unit() < 0.0005) return (4u << 20) + random.below(28u << 20);
  const double size = 6144 * std::exp(1.4 * random.normal());
  return static_cast<std::size_t>(std::clamp(size, 256.0, 8.0 * (1 << 20)));
}

struct Plan {
  std::uint64_t entries;
  std::uint64_t replayed;
  std::uint64_t lookups;
  std::uint64_t churned;  // look-ups and puts with a budget
  int rounds;
};

struct Population {
  const Context& context;
  Plan plan;
  std::uint64_t payload_bytes = 0;
};

template <class Operation>
double time_of(const Operation& operation) {
  const auto began = Clock::now();
  operation();
  return ns_since(began);
}

// A fresh process opens the store and reads each of some keys once, as a program that starts.
Figures replay(const Resident& resident, const Plan& plan, std::uint64_t seed) {
  Random random(seed);
  std::unique_ptr<BenchStore> store;
  Figures opened, gets, figures;
  opened.push_back(
      time_of([&] { store = resident.kind->open({.directory = resident.directory}); }));
  const std::uint64_t first = random.below(plan.entries);
  for (std::uint64_t i = 0; i < plan.replayed; ++i) {
    const Fingerprint key = key_of(present, (first + i * 7919) % plan.entries);
    gets.push_back(time_of([&] { store->get(key); }));
  }
  append(figures, opened);
  append(figures, gets);
  return figures;
}

// A fresh process looks up by popularity, one key in ten being absent.
Figures lookups(const Resident& resident, const Plan& plan, const Zipf& zipf, std::uint64_t seed) {
  Random random(seed);
  const auto store = resident.kind->open({.directory = resident.directory});
  Figures hits, misses, figures;
  for (std::uint64_t i = 0; i < plan.lookups; ++i) {
    if (i % 10 == 0) {
      const Fingerprint key = key_of(missing, random.next());
      misses.push_back(time_of([&] { store->get(key); }));
    } else {
      const Fingerprint key = key_of(present, zipf.next(random));
      hits.push_back(time_of([&] { store->get(key); }));
    }
  }
  append(figures, hits);
  append(figures, misses);
  return figures;
}

// A fresh process with a budget of half of what is there, used as a cache is: what is missing is
// put. One look-up in ten asks for something new.
Figures churn(const Resident& resident, const Population& population, const Zipf& zipf) {
  const Plan& plan = population.plan;
  const auto store = resident.kind->open(
      {.directory = resident.directory,
       .capacity_bytes = resident.kind->evicts ? population.payload_bytes / 2 : 0});
  Random random(7);
  std::uint64_t newest = plan.entries;
  Figures hits, puts, figures;
  for (std::uint64_t i = 0; i < plan.churned; ++i) {
    const std::uint64_t index = i % 10 == 0 ? newest++ : zipf.next(random);
    const Fingerprint key = key_of(present, index);
    bool found = false;
    const double ns = time_of([&] { found = store->get(key); });
    if (found) {
      hits.push_back(ns);
      continue;
    }
    const auto payload = population.context.corpus.slice(index, size_of(index));
    puts.push_back(time_of([&] { store->put(key, payload); }));
  }
  append(figures, hits);
  append(figures, puts);
  return figures;
}

void append_to(std::vector<double>& samples, const Figures& more) {
  samples.insert(samples.end(), more.begin(), more.end());
}

void show_tail(const Population& population, std::string_view what, const StoreKind& kind,
               Figures samples) {
  double total = 0;
  for (const double sample : samples) total += sample;
  population.context.report.note(
      fmt::format("mix: {:<12} {:<9} mean {:9.2f} us, p50 {:8.2f}, p99 {:9.2f}, p99.9 {:9.2f}, "
                  "longest {:10.2f}",
                  what, kind.name, total / static_cast<double>(samples.size()) / 1e3,
                  percentile(samples, 0.5) / 1e3, percentile(samples, 0.99) / 1e3,
                  percentile(samples, 0.999) / 1e3, percentile(samples, 1) / 1e3));
}

void run_replay(const Population& population, const std::vector<Resident>& residents,
                Group& group) {
  for (int round = 0; round < population.plan.rounds; ++round) {
    for (const Resident& resident : residents) {
      const auto seed = static_cast<std::uint64_t>(round);
      const Figures figures = in_child([&] { return replay(resident, population.plan, seed); });
      auto next = figures.begin();
      append_to(group.samples("open_first", *resident.kind), take(next));
      append_to(group.samples("get_replay", *resident.kind), take(next));
    }
  }
}

void run_lookups(const Population& population, const std::vector<Resident>& residents,
                 double exponent, std::string_view suffix, Group& group) {
  const Zipf zipf(population.plan.entries, exponent);
  for (int round = 0; round < population.plan.rounds; ++round) {
    for (const Resident& resident : residents) {
      const auto seed = static_cast<std::uint64_t>(round);
      const Figures figures =
          in_child([&] { return lookups(resident, population.plan, zipf, seed); });
      auto next = figures.begin();
      append_to(group.samples(fmt::format("get{}", suffix), *resident.kind), take(next));
      append_to(group.samples(fmt::format("miss{}", suffix), *resident.kind), take(next));
    }
  }
}

void run_churn(const Population& population, const std::vector<Resident>& residents, Group& group) {
  const Zipf zipf(population.plan.entries, 0.99);
  for (const Resident& resident : residents) {
    const Figures figures = in_child([&] { return churn(resident, population, zipf); });
    auto next = figures.begin();
    const Figures hits = take(next);
    const Figures puts = take(next);
    append_to(group.samples("get_churn", *resident.kind), hits);
    append_to(group.samples("put_churn", *resident.kind), puts);
    const auto found = static_cast<double>(hits.size());
    population.context.report.note(
        fmt::format("mix: churn {:<9} {:.3f} of the look-ups hit{}", resident.kind->name,
                    found / (found + static_cast<double>(puts.size())),
                    resident.kind->evicts ? "" : " (nothing is evicted here)"));
    show_tail(population, "get_churn", *resident.kind, hits);
    show_tail(population, "put_churn", *resident.kind, puts);
  }
}

std::vector<Resident> fill(Population& population, Group& group) {
  const Context& context = population.context;
  std::vector<Resident> residents = make_residents(context.workspace);
  const Fill entries = {.space = present, .count = population.plan.entries, .size = size_of};
  fill_apart(residents, context.corpus, entries, 20, group);
  context.workspace.settle();
  for (const Resident& resident : residents) {
    const auto disk = static_cast<double>(disk_bytes(resident.directory));
    context.report.note(fmt::format("mix: {:<9} {:.3f} times the payload on disk",
                                    resident.kind->name,
                                    disk / static_cast<double>(population.payload_bytes)));
  }
  return residents;
}

}  // namespace

Verdict run_mix(const Context& context) {
  Population population = {context, context.is_quick() ? Plan{1000, 300, 2000, 1000, 1}
                                                       : Plan{20'000, 2000, 20'000, 20'000, 5}};
  for (std::uint64_t index = 0; index < population.plan.entries; ++index) {
    population.payload_bytes += size_of(index);
  }
  Group group("mix", population.payload_bytes / population.plan.entries, population.plan.entries);
  const auto residents = fill(population, group);
  run_replay(population, residents, group);
  run_lookups(population, residents, 0.99, "", group);
  run_lookups(population, residents, 0.7, "_zipf70", group);
  run_churn(population, residents, group);
  context.report.show(group);
  run_evict_puts(context);
  return Verdict::passed;
}

}  // namespace larder::bench
