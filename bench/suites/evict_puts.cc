// Part of the suite mix: how long a put takes while older entries must leave for it.
#include <fmt/format.h>

#include <algorithm>

#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

constexpr std::size_t size_bytes = 4096;
constexpr std::uint64_t chunk = 100;  // puts of one store before the next one's turn

struct Extents {
  std::uint64_t capacity_bytes;
  std::uint64_t timed_puts;
};

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

void show_tail(const Context& context, const Runner& runner, std::vector<double> samples) {
  context.report.note(fmt::format(
      "mix: put_evict {:<9} p50 {:8.2f} us, p99 {:9.2f}, p99.9 {:9.2f}, longest {:10.2f}{}",
      runner.kind->name, percentile(samples, 0.5) / 1e3, percentile(samples, 0.99) / 1e3,
      percentile(samples, 0.999) / 1e3, percentile(samples, 1) / 1e3,
      runner.kind->evicts ? "" : " (nothing is evicted here)"));
}

}  // namespace

void run_evict_puts(const Context& context) {
  const Extents extents =
      context.is_quick() ? Extents{8ull << 20, 1000} : Extents{128ull << 20, 20'000};
  std::vector<Runner> runners;
  for (const StoreKind* kind : built_stores()) {
    if (!kind->evicts && kind->name != "baseline") continue;
    const std::string directory = context.workspace.make_folder(kind->name);
    const std::uint64_t capacity = kind->evicts ? extents.capacity_bytes : 0;
    runners.push_back({kind, directory,
                       kind->open({.directory = directory, .capacity_bytes = capacity}),
                       Random(0)});
  }
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
    show_tail(context, runner, group.samples("put_evict", *runner.kind));
  }
  context.report.show(group);
}

}  // namespace larder::bench
