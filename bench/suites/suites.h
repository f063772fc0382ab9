// The suites. Each opens stores of its own, measures, and shows its rows.
#ifndef LARDER_BENCH_SUITES_SUITES_H_
#define LARDER_BENCH_SUITES_SUITES_H_

#include <span>
#include <string_view>

#include "corpus.h"
#include "report.h"
#include "workspace.h"

namespace larder::bench {

enum class Extent { quick, full };

struct Context {
  Workspace& workspace;
  const Corpus& corpus;
  Report& report;
  Extent extent = Extent::full;

  bool is_quick() const { return extent == Extent::quick; }
};

enum class Verdict { passed, failed };

// Each size from 1 KiB to 64 MiB: hits of all kinds, misses, puts.
Verdict run_sweep(const Context& context);

// Flushes of 1, 16, 256 and 2048 new entries of 4 KiB.
Verdict run_flush(const Context& context);

struct Suite {
  std::string_view name;
  Verdict (*run)(const Context& context);
  std::uint64_t full_bytes;  // of disk, at most
  std::uint64_t quick_bytes;
};
std::span<const Suite> suites();

}  // namespace larder::bench

#endif  // LARDER_BENCH_SUITES_SUITES_H_
