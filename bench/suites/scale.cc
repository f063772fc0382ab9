#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <map>
#include <thread>
#include <vector>

#include "child.h"
#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

constexpr std::size_t size_bytes = 4096;
constexpr std::uint64_t present = 1;  // the first key space; the workers' own follow

enum class Mode { get, put, mixed };

constexpr std::string_view name_of(Mode mode) {
  return mode == Mode::get ? "get" : mode == Mode::put ? "put" : "mixed";
}

struct Load {
  Mode mode;
  std::uint64_t entries;  // that are there to be found
  std::uint64_t ops;      // of one worker
};

// One worker's share: `round` keeps the keys that it puts apart from all others.
void work(BenchStore& store, const Corpus& corpus, const Load& load, std::uint64_t round) {
  Random random(round);
  for (std::uint64_t i = 0; i < load.ops; ++i) {
    const bool puts = load.mode == Mode::put || (load.mode == Mode::mixed && i % 10 == 0);
    if (puts) {
      store.put(key_of(present + 1 + round, i), corpus.slice(random.next(), size_bytes));
    } else if (!store.get(key_of(present, random.below(load.entries)))) {
      throw std::runtime_error("lost an entry");
    }
  }
}

// The time of one operation of all workers together, ns: from the start of the first to the end of
// the last.
double run_threads(std::vector<std::unique_ptr<BenchStore>>& handles, const Corpus& corpus,
                   const Load& load, std::uint64_t& round) {
  struct Span {
    Clock::time_point began, ended;
  };
  std::vector<Span> spans(handles.size());
  std::barrier ready(static_cast<std::ptrdiff_t>(handles.size()));
  std::atomic<int> failed = 0;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    threads.emplace_back([&, i, own_round = ++round] {
      ready.arrive_and_wait();
      spans[i].began = Clock::now();
      try {
        work(*handles[i], corpus, load, own_round);
      } catch (const std::exception&) {
        ++failed;
      }
      spans[i].ended = Clock::now();
    });
  }
  threads.clear();  // joins
  if (failed != 0) throw std::runtime_error("scale: a thread failed");
  const auto began = std::ranges::min_element(spans, {}, &Span::began)->began;
  const auto ended = std::ranges::max_element(spans, {}, &Span::ended)->ended;
  const double ns = std::chrono::duration<double, std::nano>(ended - began).count();
  return ns / static_cast<double>(load.ops * handles.size());
}

// The same with processes; the slowest one counts.
double run_processes(const StoreKind& kind, const std::string& directory, int count,
                     const Corpus& corpus, const Load& load, std::uint64_t& round) {
  const std::uint64_t first_round = round;
  round += static_cast<std::uint64_t>(count);
  const auto results = in_children(count, [&](int index) -> Work {
    std::shared_ptr<BenchStore> store = kind.open({.directory = directory});
    store->get(key_of(present, 0));
    return [&, store, own_round = first_round + static_cast<std::uint64_t>(index) + 1] {
      const auto began = Clock::now();
      work(*store, corpus, load, own_round);
      return Figures{ns_since(began)};
    };
  });
  double slowest = 0;
  for (const Figures& figures : results) slowest = std::max(slowest, figures.front());
  return slowest / static_cast<double>(load.ops * static_cast<std::uint64_t>(count));
}

struct Scene {
  const Context& context;
  Group& group;
  Load load;
  int rounds;
  std::uint64_t round = 0;
};

void race_threads(Scene& scene, std::vector<Runner>& runners) {
  for (int i = 0; i < scene.rounds && (i == 0 || !scene.context.is_late()); ++i) {
    for (std::size_t turn = 0; turn < runners.size(); ++turn) {
      Runner& runner = runners[(turn + static_cast<std::size_t>(i)) % runners.size()];
      std::vector<std::unique_ptr<BenchStore>> handles;
      for (const char* suffix : {"", "_2threads"}) {
        handles.push_back(runner.store->another_handle());
        const std::string op = fmt::format("{}{}", name_of(scene.load.mode), suffix);
        scene.group.samples(op, *runner.kind)
            .push_back(run_threads(handles, scene.context.corpus, scene.load, scene.round));
      }
    }
  }
}

void race_processes(Scene& scene, const std::map<const StoreKind*, std::string>& directories) {
  for (int i = 0; i < scene.rounds && (i == 0 || !scene.context.is_late()); ++i) {
    for (const auto& [kind, directory] : directories) {
      if (!kind->many_processes) continue;
      for (const int count : {1, 2}) {
        const std::string op =
            fmt::format("{}_{}process{}", name_of(scene.load.mode), count, count == 1 ? "" : "es");
        scene.group.samples(op, *kind).push_back(
            run_processes(*kind, directory, count, scene.context.corpus, scene.load, scene.round));
      }
    }
  }
}

}  // namespace

Verdict run_scale(const Context& context) {
  const std::uint64_t entries = context.is_quick() ? 1000 : 10'000;
  Group group("scale", size_bytes, entries);
  Group fills("scale", size_bytes, entries);  // not shown: sweep shows it
  const Fill fill = {
      .space = present, .count = entries, .size = [](std::uint64_t) { return size_bytes; }};
  auto runners = open_all(context.workspace, [](const StoreKind&) { return true; });
  run_fill(runners, context.corpus, fill, 5, fills);
  for (Runner& runner : runners) runner.store->settle();
  context.workspace.settle();

  Scene scene = {context, group, {Mode::get, entries, 0}, context.is_quick() ? 3 : 15};
  const auto ops = [&](Mode mode) -> std::uint64_t {
    return (mode == Mode::put ? 1000u : 5000u) / (context.is_quick() ? 5u : 1u);
  };
  std::map<const StoreKind*, std::string> directories;
  for (const Runner& runner : runners) directories[runner.kind] = runner.directory;
  for (const Mode mode : {Mode::get, Mode::put, Mode::mixed}) {
    scene.load = {mode, entries, ops(mode)};
    race_threads(scene, runners);
  }
  runners.clear();  // nothing may be open while processes are forked
  for (const Mode mode : {Mode::get, Mode::put, Mode::mixed}) {
    scene.load = {mode, entries, ops(mode)};
    race_processes(scene, directories);
  }
  context.report.show(group);
  return Verdict::passed;
}

}  // namespace larder::bench
