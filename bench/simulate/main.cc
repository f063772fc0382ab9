// larder-simulate: what part of the look-ups each eviction policy serves, and, with --stores, what
// Larder's stores serve of the same look-ups.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "corpus.h"
#include "larder/pack_store.h"
#include "larder/store.h"
#include "policies.h"
#include "random.h"
#include "workspace.h"

namespace larder::bench {
namespace {

constexpr std::uint64_t popular_keys = 100'000;
constexpr std::uint64_t requests = 2'000'000;
constexpr std::uint64_t warm_up = requests / 4;  // not counted
constexpr std::uint64_t capacity = popular_keys / 10;
constexpr std::size_t payload_bytes = 4096;
constexpr double exponent = 0.99;

struct Request {
  Key key;
  bool is_counted;
};
using Trace = std::vector<Request>;

// Look-ups by popularity; `scanned` of them, in addition, ask for something that nobody asks for
// again, and are not counted: nothing could have served them.
Trace make_trace(double scanned) {
  const Zipf zipf(popular_keys, exponent);
  Random random(42);
  Trace trace;
  Key next_once = popular_keys;
  for (std::uint64_t i = 0; i < requests; ++i) {
    trace.push_back({static_cast<Key>(zipf.next(random)), i >= warm_up});
    if (random.unit() < scanned) trace.push_back({next_once++, false});
  }
  return trace;
}

double hit_ratio(const Trace& trace, const std::function<bool(Key)>& look_up) {
  std::uint64_t counted = 0, hits = 0;
  for (const Request& request : trace) {
    const bool hit = look_up(request.key);
    if (!request.is_counted) continue;
    ++counted;
    if (hit) ++hits;
  }
  return static_cast<double>(hits) / static_cast<double>(counted);
}

double simulate(const PolicyKind& kind, const Trace& trace) {
  Key keys = 0;
  for (const Request& request : trace) keys = std::max(keys, request.key + 1);
  const auto policy = kind.make(keys, capacity);
  return hit_ratio(trace, [&](Key key) { return policy->look_up(key); });
}

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

double replay(Store& store, const Trace& trace, const Corpus& corpus) {
  return hit_ratio(trace, [&](Key index) {
    const Fingerprint key = key_of(1, index);
    if (value_of(store.get(key))) return true;
    value_of(store.put(key, corpus.slice(index, payload_bytes)));
    return false;
  });
}

void show(const std::string& name, double zipf, double with_scan) {
  fmt::print("{:<28}{:>12.4f}{:>22.4f}\n", name, zipf, with_scan);
  std::fflush(stdout);
}

// With a tenth of the payloads' bytes; in the pack store headers and index are within it too.
void show_stores(const Trace& zipf, const Trace& with_scan, const std::string& directory) {
  Workspace workspace(directory);
  const Corpus corpus = Corpus::from_libraries(std::size_t{16} << 20);
  constexpr std::uint64_t bytes = capacity * payload_bytes;
  workspace.require_space(20 * bytes);
  const auto both = [&](const std::string& name,
                        const std::function<std::shared_ptr<Store>()>& open) {
    const double first = replay(*open(), zipf, corpus);
    show(name, first, replay(*open(), with_scan, corpus));
  };
  both("pack store", [&] {
    return std::shared_ptr<Store>(value_of(open_pack_store(
        {.directory = workspace.make_folder("pack"), .budget = {.max_bytes = bytes}})));
  });
  both("memory store", [&] {
    return value_of(make_memory_store({.capacity_bytes = bytes, .capacity_entries = popular_keys}));
  });
}

int run(int argc, char** argv) {
  bool stores = false;
  std::string directory;
  CLI::App app("Compares eviction policies on look-ups of Zipf's law.", "larder-simulate");
  app.add_flag("--stores", stores, "run the same look-ups through Larder's stores too");
  app.add_option("--directory", directory, "where their data goes for the time")
      ->check(CLI::ExistingDirectory);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  fmt::print("Hit ratio: {} keys, Zipf {}, room for {}\n", popular_keys, exponent, capacity);
  fmt::print("{:<28}{:>12}{:>22}\n", "policy", "Zipf", "+ 20 % asked for once");
  const Trace zipf = make_trace(0);
  const Trace with_scan = make_trace(0.2);
  for (const PolicyKind& kind : policy_kinds()) {
    show(std::string(kind.name), simulate(kind, zipf), simulate(kind, with_scan));
  }
  if (stores) show_stores(zipf, with_scan, directory);
  return 0;
}

}  // namespace
}  // namespace larder::bench

int main(int argc, char** argv) {
  try {
    return larder::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "larder-simulate: {}\n", error.what());
    return 1;
  }
}
