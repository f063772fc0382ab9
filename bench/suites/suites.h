// The suites. Each opens stores of its own, measures, and shows its rows.
#ifndef LARDER_BENCH_SUITES_SUITES_H_
#define LARDER_BENCH_SUITES_SUITES_H_

#include <span>
#include <string_view>

#include "clock.h"
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
  Clock::time_point until;  // measure no more rounds after it, if one has been

  bool is_quick() const { return extent == Extent::quick; }
  bool is_late() const { return Clock::now() > until; }
};

enum class Verdict { passed, failed };

// Each size from 1 KiB to 64 MiB: hits of all kinds, misses, puts.
Verdict run_sweep(const Context& context);

// Mixed sizes: a start-up's look-ups, look-ups by popularity, and puts within a budget.
Verdict run_mix(const Context& context);
void run_evict_puts(const Context& context);  // the last part of it

// Entries of 1 KiB, a thousand to a million: what a process that starts sees of them.
Verdict run_growth(const Context& context);

// Flushes of 1, 16, 256 and 2048 new entries of 4 KiB.
Verdict run_flush(const Context& context);

// One and two threads, one and two processes: gets, puts and both.
Verdict run_scale(const Context& context);

// Not timed: what each store does about damage. Fails when Larder's stores return a wrong byte.
Verdict run_detect(const Context& context);

struct Suite {
  std::string_view name;
  Verdict (*run)(const Context& context);
  std::uint64_t full_bytes;  // of disk, at most
  std::uint64_t quick_bytes;
  std::chrono::seconds quick_time;  // after which it goes on with what it cannot leave out
};
std::span<const Suite> suites();

}  // namespace larder::bench

#endif  // LARDER_BENCH_SUITES_SUITES_H_
