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

std::vector<Workload> workloads_of(StoreKind kind);

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
