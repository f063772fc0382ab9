#include "race.h"

#include <fmt/format.h>

#include <algorithm>

#include "child.h"

namespace larder::bench {
namespace {

constexpr double batch_target_ns = 50'000;  // long against reading the clock
constexpr std::size_t max_batch = 1024;
constexpr std::uint64_t checked_entries = 64;

// How many operations make a batch long enough. Also warms the store up.
std::size_t batch_size(Runner& runner, const Batch& batch) {
  std::size_t count = 1;
  while (count < max_batch && batch(runner, count) < batch_target_ns) count *= 2;
  return count;
}

void run_slice(Runner& runner, const Race& race, std::size_t count, const Effort& effort,
               std::vector<double>& samples) {
  const auto began = Clock::now();
  if (count > 1) race.batch(runner, count);  // brings its code and tables back into the cache
  do {
    samples.push_back(race.batch(runner, count) /
                      (static_cast<double>(count) * race.ops_per_count));
  } while (Clock::now() - began < effort.slice);
}

}  // namespace

std::vector<Runner> open_all(Workspace& workspace,
                             const std::function<bool(const StoreKind&)>& wanted) {
  std::vector<Runner> runners;
  for (const StoreKind* kind : built_stores()) {
    if (!wanted(*kind)) continue;
    std::string directory = workspace.make_folder(kind->name);
    auto store = kind->open({.directory = directory});
    runners.push_back({kind, std::move(directory), std::move(store), Random(runners.size() + 1)});
  }
  return runners;
}

void run_race(std::vector<Runner>& runners, const Race& race, const Effort& effort, Group& group) {
  std::vector<Runner*> racing;
  std::vector<std::size_t> counts;
  for (Runner& runner : runners) {
    if (!race.wanted(*runner.kind)) continue;
    racing.push_back(&runner);
    counts.push_back(batch_size(runner, race.batch));
  }
  for (int round = 0; round < effort.rounds; ++round) {
    if (round > 0 && Clock::now() > effort.until) break;
    for (std::size_t turn = 0; turn < racing.size(); ++turn) {
      const std::size_t who = (turn + static_cast<std::size_t>(round)) % racing.size();
      run_slice(*racing[who], race, counts[who], effort,
                group.samples(race.op, *racing[who]->kind, race.verified));
    }
  }
}

void run_fill(std::vector<Runner>& runners, const Corpus& corpus, const Fill& fill, int rounds,
              Group& group) {
  const std::uint64_t per_round =
      std::max<std::uint64_t>(1, fill.count / static_cast<std::uint64_t>(rounds));
  const std::uint64_t batch = std::max<std::uint64_t>(1, per_round / 4);
  const std::uint64_t end = fill.first + fill.count;
  std::size_t round = 0;
  for (std::uint64_t first = fill.first; first < end; first += per_round, ++round) {
    const std::uint64_t round_end = std::min(end, first + per_round);
    for (std::size_t turn = 0; turn < runners.size(); ++turn) {
      Runner& runner = runners[(turn + round) % runners.size()];
      std::vector<double>& samples = group.samples("put", *runner.kind);
      for (std::uint64_t at = first; at < round_end; at += batch) {
        const std::uint64_t batch_end = std::min(round_end, at + batch);
        const auto began = Clock::now();
        for (std::uint64_t index = at; index < batch_end; ++index) {
          runner.store->put(key_of(fill.space, index), corpus.slice(index, fill.size(index)));
        }
        samples.push_back(ns_since(began) / static_cast<double>(batch_end - at));
      }
    }
  }
}

void check_entries(std::vector<Runner>& runners, const Corpus& corpus, const Fill& fill) {
  const std::uint64_t step = std::max<std::uint64_t>(1, fill.count / checked_entries);
  for (Runner& runner : runners) {
    std::vector<std::byte> copy;
    runner.store->copy_hits_to(&copy);
    for (std::uint64_t at = 0; at < fill.count; at += step) {
      const std::uint64_t index = fill.first + at;
      const auto payload = corpus.slice(index, fill.size(index));
      const bool found = runner.store->get(key_of(fill.space, index));
      if (!found || !std::ranges::equal(copy, payload)) {
        throw std::runtime_error(fmt::format("{} {} entry {} of {} bytes", runner.kind->name,
                                             found ? "gave wrong bytes for" : "has lost", index,
                                             payload.size()));
      }
    }
    runner.store->copy_hits_to(nullptr);
  }
}

std::vector<Resident> make_residents(Workspace& workspace) {
  std::vector<Resident> residents;
  for (const StoreKind* kind : built_stores()) {
    if (kind->on_disk) residents.push_back({kind, workspace.make_folder(kind->name)});
  }
  return residents;
}

void fill_apart(const std::vector<Resident>& residents, const Corpus& corpus, const Fill& fill,
                int rounds, Group& group) {
  const Figures figures = in_child([&] {
    std::vector<Runner> runners;
    for (const Resident& resident : residents) {
      runners.push_back({resident.kind, resident.directory,
                         resident.kind->open({.directory = resident.directory}), Random(0)});
    }
    Group own("", 0, 0);
    run_fill(runners, corpus, fill, rounds, own);
    Figures puts;
    for (Runner& runner : runners) {
      runner.store->settle();
      runner.store->flush();  // an orderly end: what opens after a crash does more
      append(puts, own.samples("put", *runner.kind));
    }
    check_entries(runners, corpus, fill);
    return puts;
  });
  auto next = figures.begin();
  for (const Resident& resident : residents) {
    std::vector<double>& samples = group.samples("put", *resident.kind);
    const Figures puts = take(next);
    samples.insert(samples.end(), puts.begin(), puts.end());
  }
}

}  // namespace larder::bench
