// Stores measured against each other: in rounds, each store for a short while in each, another one
// first each time, so that whatever else the machine does falls on all of them alike.
#ifndef LARDER_BENCH_RACE_H_
#define LARDER_BENCH_RACE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "clock.h"
#include "corpus.h"
#include "random.h"
#include "report.h"
#include "store.h"
#include "workspace.h"

namespace larder::bench {

struct Effort {
  int rounds = 25;
  std::chrono::nanoseconds slice = std::chrono::milliseconds(20);  // of one store in a round
  Clock::time_point until = Clock::time_point::max();              // no further round after it
};

struct Runner {
  const StoreKind* kind = nullptr;
  std::string directory;
  std::unique_ptr<BenchStore> store;
  Random random{0};  // its own, so that no store finds the keys of another in the cache
};

// All built stores that `wanted` takes, each in a new folder.
std::vector<Runner> open_all(Workspace& workspace,
                             const std::function<bool(const StoreKind&)>& wanted);

// One batch: does the operation `count` times with fresh keys; returns the ns of all together.
using Batch = std::function<double(Runner& runner, std::size_t count)>;

// Appends to each runner's samples the mean of each batch.
struct Race {
  std::string_view op;
  Batch batch;
  std::function<bool(const StoreKind&)> wanted;
  double ops_per_count = 1;        // of one count, for what is told by another unit
  std::string_view verified = {};  // where it is not what the kind says
};
void run_race(std::vector<Runner>& runners, const Race& race, const Effort& effort, Group& group);

// Fills all stores with the entries [first, first + count) of `space`, in turns; appends the time
// of a put to each one's samples.
struct Fill {
  std::uint64_t space = 0;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::function<std::size_t(std::uint64_t index)> size;
};
void run_fill(std::vector<Runner>& runners, const Corpus& corpus, const Fill& fill, int rounds,
              Group& group);

// Throws unless every store gives back what was put.
void check_entries(std::vector<Runner>& runners, const Corpus& corpus, const Fill& fill);

// A store on disk that fresh processes open.
struct Resident {
  const StoreKind* kind = nullptr;
  std::string directory;
};

// One for each kind that is kept on disk, in a new folder.
std::vector<Resident> make_residents(Workspace& workspace);

// Opens, fills, settles, flushes and checks the stores in a process of its own. Whoever forks may
// have opened none: LevelDB and RocksDB start their background threads once in a process, and wait
// for them for ever in a child.
void fill_apart(const std::vector<Resident>& residents, const Corpus& corpus, const Fill& fill,
                int rounds, Group& group);

}  // namespace larder::bench

#endif  // LARDER_BENCH_RACE_H_
