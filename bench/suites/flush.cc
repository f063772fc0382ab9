#include <fmt/format.h>

#include <array>

#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

constexpr std::size_t size_bytes = 4096;
constexpr std::array<std::uint64_t, 4> full_counts = {1, 16, 256, 2048};
constexpr std::array<std::uint64_t, 3> quick_counts = {1, 16, 256};

bool is_on_disk(const StoreKind& kind) { return kind.on_disk; }

// Rounds over all stores: `count` new entries, then the flush, which alone is timed.
void run_count(const Context& context, std::vector<Runner>& runners, std::uint64_t count,
               std::uint64_t& next_entry) {
  const int rounds = context.is_quick() ? 3 : count > 1000 ? 5 : 15;
  const std::string op = fmt::format("flush{}", count);
  Group group("flush", size_bytes, count);
  for (int round = 0; round < rounds && (round == 0 || !context.is_late()); ++round) {
    for (std::size_t turn = 0; turn < runners.size(); ++turn) {
      Runner& runner = runners[(turn + static_cast<std::size_t>(round)) % runners.size()];
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t index = next_entry++;
        runner.store->put(key_of(1, index), context.corpus.slice(index, size_bytes));
      }
      const auto began = Clock::now();
      runner.store->flush();
      group.samples(op, *runner.kind).push_back(ns_since(began));
    }
  }
  context.report.show(group);
}

}  // namespace

Verdict run_flush(const Context& context) {
  auto runners = open_all(context.workspace, is_on_disk);
  for (Runner& runner : runners) {
    runner.store->put(key_of(1, 0), context.corpus.slice(0, size_bytes));
    runner.store->flush();
  }
  context.workspace.settle();
  std::uint64_t next_entry = 1;
  for (const std::uint64_t count :
       context.is_quick() ? std::span<const std::uint64_t>(quick_counts) : full_counts) {
    run_count(context, runners, count, next_entry);
  }
  return Verdict::passed;
}

}  // namespace larder::bench
