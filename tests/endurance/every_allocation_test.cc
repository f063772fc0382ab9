// Every allocation that a store on disk makes fails, one by one: once, and from then on for ever,
// in every workload of every_fault_test.cc. Nothing is thrown, no memory and no descriptor is
// leaked, and what must hold after a fault (fault_world.h) holds. A program of its own, because it
// replaces the allocator.
//
// What one call site asks for in a loop fails the first and the last time. With LARDER_TORTURE set
// every allocation fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "tests/endurance/fault_workloads.h"
#include "tests/unit/failing_allocator.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

thread_local int planned = never;  // while the store is not running

constexpr CallWatch in_the_store = {.begin = [] { before_failure = planned; },
                                    .end =
                                        [] {
                                          planned = before_failure;
                                          before_failure = never;
                                        }};

enum class Repeat { once, for_ever };

bool is_torture() { return std::getenv("LARDER_TORTURE") != nullptr; }

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
      std::ranges::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

struct Outcome {
  std::vector<std::string> violations;
  bool has_failed = false;
};

// A world in which the allocation after the first `before` of the workload fails.
Outcome perform(const Workload& workload, StoreKind kind, int before, Repeat repeat) {
  FaultWorld world(kind);
  world.options.file_system = nullptr;  // the fault file system would allocate in the store's name
  workload.prepare(world);
  // In a pack the note of an entry that leaves is made after it has left.
  world.may_leave_untold = kind == StoreKind::pack ? 1 : 0;
  world.watch = in_the_store;
  planned = before;
  fails_for_ever = repeat == Repeat::for_ever;
  has_failed = false;
  Outcome outcome;
  try {
    workload.run(world);
  } catch (const std::bad_alloc&) {
    outcome.violations.emplace_back("bad_alloc came out");
  } catch (...) {
    outcome.violations.emplace_back("an exception came out");
  }
  outcome.has_failed = has_failed;
  planned = never;
  world.watch = {};
  world.check_aftermath(repeat == Repeat::once || is_torture() ? AfterAKill::checked
                                                               : AfterAKill::unchecked);
  const auto& found = world.violations();
  outcome.violations.insert(outcome.violations.end(), found.begin(), found.end());
  return outcome;
}

// The sites of all allocations in their order.
std::vector<std::uint64_t> sites_of(const Workload& workload, StoreKind kind) {
  std::vector<std::uint64_t> room(1u << 16);
  const AllocationSites sites(room);
  const Outcome sound = perform(workload, kind, never - 1, Repeat::once);
  EXPECT_EQ(sound.violations, std::vector<std::string>{});
  EXPECT_LT(sites.count(), room.size());
  room.resize(sites.count());
  return room;
}

// Whether the allocation is the first or the last of its site.
std::vector<bool> worth_failing(const std::vector<std::uint64_t>& sites) {
  std::vector<bool> is_worth(sites.size(), is_torture());
  std::map<std::uint64_t, std::size_t> last;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (last.insert_or_assign(sites[i], i).second) is_worth[i] = true;
  }
  for (const auto& [site, i] : last) is_worth[i] = true;
  return is_worth;
}

class EveryAllocation : public ::testing::TestWithParam<Case> {
 protected:
  void fail_one(const Case& tested, int before, Repeat repeat) {
    const std::string what = "allocation " + std::to_string(before) +
                             (repeat == Repeat::once ? " once" : " for ever") + ": ";
    const std::size_t descriptors = open_descriptors();
    const std::int64_t live = live_allocations();
    bool has_hit = false;
    {
      const Outcome outcome = perform(tested.workload, tested.kind, before, repeat);
      has_hit = outcome.has_failed;
      for (const std::string& violation : outcome.violations) ADD_FAILURE() << what << violation;
    }
    if (HasFailure()) return;  // gtest keeps what it was told
    EXPECT_TRUE(has_hit) << what << "it did not come so far";
    const bool is_kept = live_allocations() > live || open_descriptors() > descriptors;
    kept_ += is_kept ? 1 : 0;
    EXPECT_LE(kept_, tested.kind == StoreKind::pack ? most_kept : 0u) << what << "leaked";
    ++runs_;
  }

  static void TearDownTestSuite() { std::printf("%zu allocations failed\n", runs_); }

 private:
  // What readers may still look at and no memory is left to remember, a pack keeps for ever, on
  // purpose (read_epochs.cc): once in a workload, in either way of failing.
  static constexpr std::size_t most_kept = 2;

  std::size_t kept_ = 0;
  static inline std::size_t runs_ = 0;
};

TEST_P(EveryAllocation, HarmsNobody) {
  const std::vector<std::uint64_t> sites = sites_of(GetParam().workload, GetParam().kind);
  const std::vector<bool> is_worth = worth_failing(sites);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (!is_worth[i]) continue;
    fail_one(GetParam(), static_cast<int>(i), Repeat::once);
    fail_one(GetParam(), static_cast<int>(i), Repeat::for_ever);
  }
}

INSTANTIATE_TEST_SUITE_P(Workloads, EveryAllocation, ::testing::ValuesIn(every_case()),
                         [](const auto& tested) { return name_of(tested.param); });

}  // namespace
}  // namespace larder
