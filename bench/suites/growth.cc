#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "child.h"
#include "race.h"
#include "suites.h"

namespace larder::bench {
namespace {

constexpr std::size_t size_bytes = 1024;
constexpr std::uint64_t present = 1;  // key spaces
constexpr std::uint64_t missing = 2;
constexpr std::array<std::uint64_t, 4> full_counts = {1000, 10'000, 100'000, 1'000'000};
constexpr std::array<std::uint64_t, 2> quick_counts = {1000, 3000};
constexpr std::size_t probed = 3000;  // keys in a process
constexpr std::size_t batch = 100;

// The most that a process needs for it.
using PrivateBytes = std::map<const StoreKind*, std::uint64_t>;

// The mean of each batch of gets.
void append_gets(BenchStore& store, const std::vector<Fingerprint>& keys, Figures& figures) {
  for (std::size_t first = 0; first + batch <= keys.size(); first += batch) {
    const auto began = Clock::now();
    for (std::size_t at = first; at < first + batch; ++at) store.get(keys[at]);
    figures.push_back(ns_since(began) / batch);
  }
}

// In a fresh process: open, close and open again, a first pass over keys, a second one over the
// same, then misses. The first open also pays for the pages of the store's code.
Figures probe(const Resident& resident, std::uint64_t entries, std::uint64_t seed) {
  Random random(seed);
  std::vector<Fingerprint> keys, absent;
  for (std::size_t i = 0; i < probed; ++i) {
    keys.push_back(key_of(present, random.below(entries)));
    absent.push_back(key_of(missing, random.next()));
  }
  Figures figures;
  ::malloc_trim(0);  // what the parent has freed would be used again unnoticed
  const std::uint64_t before = private_bytes();
  std::unique_ptr<BenchStore> store;
  for (int opened = 0; opened < 2; ++opened) {
    store.reset();
    const auto began = Clock::now();
    store = resident.kind->open({.directory = resident.directory});
    figures.push_back(ns_since(began));
  }
  append_gets(*store, keys, figures);
  append_gets(*store, keys, figures);
  append_gets(*store, absent, figures);
  figures.push_back(static_cast<double>(private_bytes()) - static_cast<double>(before));
  return figures;
}

void note(const Figures& figures, const StoreKind& kind, Group& group, PrivateBytes& memory) {
  constexpr std::size_t batches = probed / batch;
  auto next = figures.begin();
  group.samples("open_first", kind).push_back(*next++);
  group.samples("open", kind).push_back(*next++);
  for (const char* op : {"get_cold", "get", "miss"}) {
    auto& samples = group.samples(op, kind);
    samples.insert(samples.end(), next, next + batches);
    next += batches;
  }
  memory[&kind] = std::max(memory[&kind], static_cast<std::uint64_t>(std::max(0.0, *next)));
}

void show_sizes(const Context& context, const std::vector<Resident>& residents,
                const PrivateBytes& memory, std::uint64_t entries) {
  const auto payload = static_cast<double>(entries * size_bytes);
  for (const Resident& resident : residents) {
    context.report.note(fmt::format(
        "growth: {} entries of {}: {:<9} {:7.2f} MiB private memory, {:.2f} times the payload on "
        "disk",
        entries, size_text(size_bytes), resident.kind->name,
        static_cast<double>(memory.at(resident.kind)) / (1 << 20),
        static_cast<double>(disk_bytes(resident.directory)) / payload));
  }
}

}  // namespace

Verdict run_growth(const Context& context) {
  std::vector<Resident> residents = make_residents(context.workspace);
  PrivateBytes memory;
  std::uint64_t filled = 0;
  for (const std::uint64_t entries :
       context.is_quick() ? std::span<const std::uint64_t>(quick_counts) : full_counts) {
    // It would take minutes: without a flush it syncs on the way.
    if (entries == full_counts.back()) {
      std::erase_if(residents, [](const Resident& one) { return one.kind->name == "file"; });
      context.report.note("growth: file does not take part in the last step");
    }
    Group group("growth", size_bytes, entries);
    const Fill fill = {
        .space = present, .first = filled, .count = entries - filled, .size = [](std::uint64_t) {
          return size_bytes;
        }};
    fill_apart(residents, context.corpus, fill, context.is_quick() ? 5 : 25, group);
    filled = entries;
    context.workspace.settle();
    const std::size_t rounds = context.is_quick() ? 3 : 9;
    for (std::size_t round = 0; round < rounds && (round == 0 || !context.is_late()); ++round) {
      for (std::size_t turn = 0; turn < residents.size(); ++turn) {
        const Resident& resident = residents[(turn + round) % residents.size()];
        const std::uint64_t seed = round * residents.size() + turn;
        const Work work = [&] { return probe(resident, entries, seed); };
        in_child(work);  // the page cache may have let go of some of it
        note(in_child(work), *resident.kind, group, memory);
      }
    }
    context.report.show(group);
    show_sizes(context, residents, memory, entries);
  }
  return Verdict::passed;
}

}  // namespace larder::bench
