// What is done while something fails.
#ifndef LARDER_TESTS_ENDURANCE_FAULT_WORKLOADS_H_
#define LARDER_TESTS_ENDURANCE_FAULT_WORKLOADS_H_

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

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_FAULT_WORKLOADS_H_
