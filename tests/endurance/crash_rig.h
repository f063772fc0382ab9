// The real stores on a file system in memory whose power goes at every moment.
//
// A history is run once. Before each file-system operation of its last step, and after the last of
// them, power may go; what it may leave is explored, state by state, with a store opened on it that
// has to keep the promises and to work. Histories that begin alike have the moments of their common
// steps in common: those were explored with the shorter one.
//
// After the first power cut of two a store is opened, and puts something that it does not flush;
// what that store gave is what the next one has to give, whatever the second power cut leaves of
// the put. Both cuts leave everything of a kind (sizes, sectors, tails) as it was synced last, or
// as it was.
#ifndef LARDER_TESTS_ENDURANCE_CRASH_RIG_H_
#define LARDER_TESTS_ENDURANCE_CRASH_RIG_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "larder/testing/memory_file_system.h"
#include "tests/endurance/crash_history.h"
#include "tests/endurance/fault_disk.h"

namespace larder {

// What is there when a history begins.
enum class Base {
  nothing,  // the first process makes the store
  closed,   // both entries, flushed; the store was closed properly
  killed,   // the same, but its process was killed
};
inline constexpr std::array<Base, 3> bases{Base::nothing, Base::closed, Base::killed};
std::string_view base_name(Base base) noexcept;

// Of the two processes: none, or one for each. Then what one has put is no entry to the other, who
// takes it away by an eviction alone, or in a file store by a put under that name.
enum class KeyRing { none, one_each };

struct CrashFigures {
  std::uint64_t histories = 0;
  std::uint64_t moments = 0;  // at which power may go, and that differ
  std::uint64_t states = 0;   // file systems that were looked at
  std::uint64_t capped = 0;   // moments of which not all states were
  double subsets = 0;         // of what was not synced, that the states stand for
};

class CrashRig {
 public:
  explicit CrashRig(StoreKind kind, KeyRing keys = KeyRing::none);

  void run(Base base, const History& history, const testing::ExploreOptions& options);

  // The same with two power cuts in a row, at each of those moments.
  void run_twice(Base base, const History& history);

  const CrashFigures& figures() const noexcept { return figures_; }
  const std::vector<std::string>& violations() const noexcept { return violations_; }

 private:
  using Values = std::array<Value, key_count>;

  struct Moment {
    testing::CrashPoint point;
    std::string operation;  // that comes next
    PromisesOfAll promises;
  };

  testing::CrashPoint make_base(Base base);
  std::vector<Moment> moments_of(Base base, const History& history);
  void explore(const std::string& where, const Moment& moment,
               const testing::ExploreOptions& options);
  std::string check_others(testing::MemoryFileSystem& found, const PromisesOfAll& promises);
  std::string look(testing::MemoryFileSystem& found, const PromisesOfAll& promises);
  struct Cut;
  std::string look_twice(const Moment& moment, const Cut& first);
  std::string look_again(const testing::CrashPoint& second, const Cut& cut, const Values& seen);

  const StoreKind kind_;
  const KeyRing keys_;
  std::vector<testing::CrashPoint> bases_;
  std::unordered_set<std::uint64_t> seen_;  // moments, with their promises
  std::uint64_t looks_ = 0;
  CrashFigures figures_;
  std::vector<std::string> violations_;
};

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_CRASH_RIG_H_
