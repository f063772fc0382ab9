// What is done while something fails.
#ifndef LARDER_TESTS_ENDURANCE_FAULT_WORKLOADS_H_
#define LARDER_TESTS_ENDURANCE_FAULT_WORKLOADS_H_

#include <ostream>
#include <string>
#include <vector>

#include "tests/endurance/fault_world.h"

namespace larder {

struct Workload {
  std::string name;
  void (*prepare)(FaultWorld&);  // on a sound file system
  void (*run)(FaultWorld&);      // on one that fails
};

// Segments of 1 MiB, so that a record may have a quarter of one, and larger ones are files.
inline constexpr Budget small_segments = {.max_bytes = 64u << 20};
inline const std::string own_file(300'000, 'f');
inline const std::string quarter_segment(240'000, 'q');

std::vector<Workload> workloads_of(StoreKind kind);

// Those of a pack that lacks something.
std::vector<Workload> mending_workloads();

// Those of a pack whose upkeep has more to do than to evict.
std::vector<Workload> upkeep_workloads();

// A workload over a kind of store, for tests that try each with each.
struct Case {
  StoreKind kind;
  Workload workload;
};

std::vector<Case> every_case();
std::string name_of(const Case& tested);
void PrintTo(const Case& tested, std::ostream* to);

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_FAULT_WORKLOADS_H_
