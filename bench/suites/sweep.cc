#include <fmt/format.h>

#include <array>
#include <vector>

#include "floor.h"
#include "heap_count.h"
#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

struct Step {
  std::size_t size_bytes;
  std::uint64_t entries;
};

constexpr std::size_t kib = 1024;
constexpr std::size_t mib = 1024 * kib;

constexpr std::array full_steps = {
    Step{kib, 10000},     Step{4 * kib, 10000}, Step{16 * kib, 10000}, Step{64 * kib, 3000},
    Step{256 * kib, 800}, Step{mib, 200},       Step{16 * mib, 10},    Step{64 * mib, 4}};
constexpr std::array quick_steps = {Step{kib, 1000},     Step{4 * kib, 1000}, Step{16 * kib, 500},
                                    Step{64 * kib, 200}, Step{256 * kib, 50}, Step{mib, 12}};

constexpr std::uint64_t present = 1;  // key spaces
constexpr std::uint64_t missing = 2;
constexpr std::size_t many = 16;

bool any(const StoreKind&) { return true; }

// The operations on entries that are there, each over keys drawn anew for each batch.
class Lookups {
 public:
  explicit Lookups(const Step& step) : step_(step), buffer_(step.size_bytes) {}

  Batch get() {
    return timed([](BenchStore& store, const Fingerprint& key) { return store.get(key); });
  }
  Batch view() {
    return timed([](BenchStore& store, const Fingerprint& key) { return store.view(key); });
  }
  Batch get_into() {
    return timed(
        [this](BenchStore& store, const Fingerprint& key) { return store.get_into(key, buffer_); });
  }
  Batch get_many() {
    return [this](Runner& runner, std::size_t count) {
      draw(runner, count * many);
      bool all = true;
      const auto began = Clock::now();
      for (std::size_t at = 0; at < keys_.size(); at += many) {
        all = runner.store->get_many(std::span(keys_).subspan(at, many)) && all;
      }
      const double ns = ns_since(began);
      if (!all) throw std::runtime_error(std::string(runner.kind->name) + ": lost an entry");
      return ns;
    };
  }
  Batch miss() {
    return [this](Runner& runner, std::size_t count) {
      keys_.clear();
      for (std::size_t i = 0; i < count; ++i) {
        keys_.push_back(key_of(missing, runner.random.next()));
      }
      bool found = false;
      const auto began = Clock::now();
      for (const Fingerprint& key : keys_) found = runner.store->get(key) || found;
      const double ns = ns_since(began);
      if (found) throw std::runtime_error(std::string(runner.kind->name) + ": found what is not");
      return ns;
    };
  }

 private:
  template <class Operation>
  Batch timed(Operation operation) {
    return [this, operation](Runner& runner, std::size_t count) {
      draw(runner, count);
      bool all = true;
      const auto began = Clock::now();
      for (const Fingerprint& key : keys_) all = operation(*runner.store, key) && all;
      const double ns = ns_since(began);
      if (!all) throw std::runtime_error(std::string(runner.kind->name) + ": lost an entry");
      return ns;
    };
  }

  void draw(Runner& runner, std::size_t count) {
    keys_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      keys_.push_back(key_of(present, runner.random.below(step_.entries)));
    }
  }

  Step step_;
  std::vector<Fingerprint> keys_;
  std::vector<std::byte> buffer_;
};

// How often one hit of a store asks for memory.
void count_allocations(const Context& context, std::vector<Runner>& runners, const Step& step) {
  std::vector<std::byte> buffer(step.size_bytes);
  const Fingerprint key = key_of(present, 0);
  for (Runner& runner : runners) {
    const auto of = [&](const auto& operation) {
      operation();  // what is made once is not counted
      const std::uint64_t before = heap_allocations();
      operation();
      return heap_allocations() - before;
    };
    BenchStore& store = *runner.store;
    std::string line =
        fmt::format("sweep: {}: {:<9} C++ heap allocations: get {}", size_text(step.size_bytes),
                    runner.kind->name, of([&] { store.get(key); }));
    if (runner.kind->has_view) line += fmt::format(", view {}", of([&] { store.view(key); }));
    if (runner.kind->has_get_into) {
      line += fmt::format(", get_into {}", of([&] { store.get_into(key, buffer); }));
    }
    context.report.note(line);
  }
}

void cache_everything(std::vector<Runner>& runners, const Step& step) {
  for (Runner& runner : runners) {
    runner.store->cache_everything();
    for (std::uint64_t index = 0; index < step.entries; ++index) {
      runner.store->get(key_of(present, index));
    }
  }
}

bool is_cache(const StoreKind& kind) { return kind.name == "memory" || kind.name == "rocksdb"; }

void run_lookups(std::vector<Runner>& runners, const Step& step, const Effort& effort,
                 Group& group) {
  Lookups lookups(step);
  run_race(runners, {.op = "get", .batch = lookups.get(), .wanted = any}, effort, group);
  run_race(runners,
           {.op = "view",
            .batch = lookups.view(),
            .wanted = [](const StoreKind& kind) { return kind.has_view; }},
           effort, group);
  run_race(runners,
           {.op = "get_into",
            .batch = lookups.get_into(),
            .wanted = [](const StoreKind& kind) { return kind.has_get_into; }},
           effort, group);
  run_race(runners,
           {.op = "get_many16",
            .batch = lookups.get_many(),
            .wanted =
                [](const StoreKind& kind) { return kind.has_get_many || kind.name == "baseline"; }},
           effort, group);
  run_race(runners, {.op = "miss", .batch = lookups.miss(), .wanted = any}, effort, group);

  cache_everything(runners, step);
  run_race(runners,
           {.op = "get_repeat",
            .batch = lookups.get(),
            .wanted = is_cache,
            .verified = "nothing: memory of this process"},
           effort, group);
}

void run_step(const Context& context, const Step& step) {
  const Fill fill = {.space = present, .count = step.entries, .size = [&](std::uint64_t) {
                       return step.size_bytes;
                     }};
  Group group("sweep", step.size_bytes, step.entries);
  auto runners = open_all(context.workspace, any);
  warm_memory(step.size_bytes * step.entries * runners.size());
  run_fill(runners, context.corpus, fill, context.is_quick() ? 5 : 25, group);
  for (Runner& runner : runners) runner.store->settle();
  context.workspace.settle();
  check_entries(runners, context.corpus, fill);

  Effort effort;
  if (context.is_quick())
    effort = {.rounds = 5, .slice = std::chrono::milliseconds(3), .until = context.until};
  run_lookups(runners, step, effort, group);
  context.report.show(group);
  if (step.size_bytes <= 64 * kib) show_floor(context, step.size_bytes, step.entries);
  if (step.size_bytes == 4 * kib) count_allocations(context, runners, step);
  runners.clear();
}

}  // namespace

Verdict run_sweep(const Context& context) {
  for (const Step& step : context.is_quick() ? std::span<const Step>(quick_steps) : full_steps) {
    run_step(context, step);
  }
  return Verdict::passed;
}

}  // namespace larder::bench
