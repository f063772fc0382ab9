// Faults that may pass unnoticed when they happen once.
#ifndef LARDER_TESTS_ENDURANCE_FAULT_HARMLESS_H_
#define LARDER_TESTS_ENDURANCE_FAULT_HARMLESS_H_

#include <string>
#include <vector>

#include "larder/testing/fault_file_system.h"
#include "tests/endurance/fault_disk.h"

namespace larder {

// Each was thought over.
struct Harmless {
  testing::Op op;
  int os_error;           // 0: any; else all of its code, but for io_error: that one alone
  std::string workloads;  // that begin so; empty: any
  std::string path_part;  // empty: any
  std::string reason;
};

const std::vector<Harmless>& harmless_faults(StoreKind kind);

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_FAULT_HARMLESS_H_
