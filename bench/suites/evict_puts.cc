// Part of the suite mix: how long a put takes while older entries must leave for it, and what a
// budget costs while nothing has to.
#include <fmt/format.h>

#include <algorithm>

#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

constexpr std::size_t size_bytes = 4096;
constexpr std::uint64_t chunk = 100;        // puts of one store before the next one's turn
constexpr std::ptrdiff_t tail_puts = 4000;  // of which the slowest thousandth is told
constexpr std::uint64_t unreached = 1ull << 40;

struct Extents {
  std::uint64_t capacity_bytes;
  std::uint64_t timed_puts;
  std::uint64_t bounded_puts;
};

bool evicts_or_is_baseline(const StoreKind& kind) { return kind.evicts || kind.name == "baseline"; }

// Those whose puts wait for no disk.
bool is_pack_or_baseline(const StoreKind& kind) {
  return kind.name == "pack" || kind.name == "baseline";
}

std::vector<Runner> open_each(const Context& context, bool (*wanted)(const StoreKind&),
                              std::uint64_t capacity_bytes) {
  std::vector<Runner> runners;
  for (const StoreKind* kind : built_stores()) {
    if (!wanted(*kind)) continue;
    const std::string directory = context.workspace.make_folder(kind->name);
    const std::uint64_t capacity = kind->evicts ? capacity_bytes : 0;
    runners.push_back({kind, directory,
                       kind->open({.directory = directory, .capacity_bytes = capacity}),
                       Random(0)});
  }
  return runners;
}

void put_chunk(Runner& runner, const Corpus& corpus, std::uint64_t first,
               std::vector<double>* samples) {
  for (std::uint64_t index = first; index < first + chunk; ++index) {
    const Fingerprint key = key_of(1, index);
    const auto payload = corpus.slice(index, size_bytes);
    const auto began = Clock::now();
    runner.store->put(key, payload);
    if (samples != nullptr) samples->push_back(ns_since(began));
  }
}

// The slowest put of a thousand, of each so many in a row.
void add_tails(Group& group, const StoreKind& kind) {
  const std::vector<double> all = group.samples("put_evict", kind);
  auto& tails = group.samples("put_evict_p999", kind);
  for (auto from = all.begin(); from != all.end();) {
    const auto until = from + std::min(tail_puts, all.end() - from);
    std::vector<double> part(from, until);
    tails.push_back(percentile(part, 0.999));
    from = until;
  }
}

void show_tail(const Context& context, const Runner& runner, std::vector<double> samples) {
  context.report.note(fmt::format(
      "mix: put_evict {:<9} p50 {:8.2f} us, p99 {:9.2f}, p99.9 {:9.2f}, longest {:10.2f}{}",
      runner.kind->name, percentile(samples, 0.5) / 1e3, percentile(samples, 0.99) / 1e3,
      percentile(samples, 0.999) / 1e3, percentile(samples, 1) / 1e3,
      runner.kind->evicts ? "" : " (nothing is evicted here)"));
}

double time_of_chunk(Runner& runner, const Corpus& corpus, std::uint64_t first) {
  const auto began = Clock::now();
  put_chunk(runner, corpus, first, nullptr);
  return ns_since(began) / chunk;
}

// Without a budget, and with one that is never reached; the baseline knows none and serves both.
void run_bounded_puts(const Context& context, std::uint64_t puts) {
  Group group("mix", size_bytes, puts);
  std::vector<Runner> bounded = open_each(context, is_pack_or_baseline, unreached);
  std::vector<Runner> unbounded = open_each(context, is_pack_or_baseline, 0);
  for (std::uint64_t first = 0; first < puts; first += chunk) {
    for (std::size_t turn = 0; turn < bounded.size(); ++turn) {
      const StoreKind& kind = *bounded[turn].kind;
      const bool is_odd = first / chunk % 2 != 0;
      for (const bool is_bounded : {is_odd, !is_odd}) {
        Runner& runner = (is_bounded ? bounded : unbounded)[turn];
        group.samples(is_bounded ? "put_bounded" : "put_unbounded", kind)
            .push_back(time_of_chunk(runner, context.corpus, first));
      }
    }
  }
  for (const Runner& runner : bounded) {
    if (!runner.kind->evicts) continue;
    const double with = percentile(group.samples("put_bounded", *runner.kind), 0.5);
    const double without = percentile(group.samples("put_unbounded", *runner.kind), 0.5);
    context.report.note(fmt::format("mix: {:<9} a budget that is not reached costs {:.0f} ns a put",
                                    runner.kind->name, with - without));
  }
  context.report.show(group);
}

}  // namespace

void run_evict_puts(const Context& context) {
  const Extents extents =
      context.is_quick() ? Extents{8ull << 20, 1000, 2000} : Extents{128ull << 20, 20'000, 20'000};
  std::vector<Runner> runners = open_each(context, evicts_or_is_baseline, extents.capacity_bytes);
  const std::uint64_t entries = extents.capacity_bytes / size_bytes;
  const std::uint64_t untimed = (entries + entries / 4) / chunk * chunk;  // until all evict
  Group group("mix", size_bytes, entries);
  for (std::uint64_t first = 0; first < untimed + extents.timed_puts; first += chunk) {
    const bool is_timed = first >= untimed;
    for (std::size_t turn = 0; turn < runners.size(); ++turn) {
      Runner& runner = runners[(turn + first / chunk) % runners.size()];
      put_chunk(runner, context.corpus, first,
                is_timed ? &group.samples("put_evict", *runner.kind) : nullptr);
    }
  }
  for (const Runner& runner : runners) {
    add_tails(group, *runner.kind);
    show_tail(context, runner, group.samples("put_evict", *runner.kind));
  }
  context.report.show(group);
  run_bounded_puts(context, extents.bounded_puts);
}

}  // namespace larder::bench
