// Every operation of the file system beneath a store fails, one by one: once, from then on for
// ever, and, as on a disk that is full, from then on for all of its kind, with each errno that it
// may well have. What must hold all the same stands in fault_world.h; and a fault that left no
// trace in anything a caller can see is a failure, unless it is on the list of harmless ones.
//
// What one call site asks for in a loop fails the first and the last time, and what a kill leaves
// is looked at after a fault that came once. With LARDER_TORTURE set every operation fails, in all
// three ways with every errno, and what a kill leaves is looked at each time: some minutes.
#include <execinfo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/endurance/fault_harmless.h"
#include "tests/endurance/fault_workloads.h"

namespace larder {
namespace {

using testing::Fault;
using testing::Op;
using testing::Operation;
using testing::Repeat;

std::vector<int> likely_errors(Op op) {
  switch (op) {
    case Op::file_info:
    case Op::directory_info:
    case Op::file_system_type:
    case Op::space: return {EIO, ESTALE};
    case Op::info_at: return {EIO, EACCES, ENOMEM, ESTALE};
    case Op::read_at: return {EIO, ENOMEM, ESTALE};
    case Op::write_at: return {EIO, ENOSPC, EDQUOT, ENOMEM};
    case Op::reserve: return {EIO, ENOSPC, EOPNOTSUPP};
    case Op::trim: return {EIO, ENOSPC, EROFS};
    case Op::allocate: return {EIO, ENOSPC, EDQUOT};
    case Op::map: return {EIO, ENOMEM, EOPNOTSUPP};
    case Op::check: return {EIO, EFAULT};
    case Op::start_writeback: return {EIO, ENOSPC};
    case Op::sync_data:
    case Op::sync_directory: return {EIO, ENOSPC};
    case Op::touch: return {EIO, EACCES, EROFS};
    case Op::try_lock:
    case Op::is_locked:
    case Op::unlock: return {EIO, ENOLCK, EINTR};
    case Op::close: return {EIO, ENOSPC};
    case Op::open_file:
    case Op::open_directory:
    case Op::open_subdirectory:
    case Op::read_file: return {EIO, EACCES, EMFILE, ENOMEM, ESTALE};
    case Op::open_or_create_file:
    case Op::create_file: return {EIO, EACCES, EMFILE, ENOMEM, ENOSPC, EROFS};
    case Op::create_anonymous: return {EIO, EACCES, EMFILE, ENOMEM, ENOSPC, EROFS, EOPNOTSUPP};
    case Op::link:
    case Op::rename_over:
    case Op::rename_no_replace:
    case Op::make_directory: return {EIO, EACCES, ENOSPC, EROFS, ENOMEM, ESTALE};
    case Op::remove_file: return {EIO, EACCES, EROFS, EBUSY};
    case Op::list: return {EIO, EMFILE, ENOMEM};
    case Op::resolve: return {EIO, EACCES, ENOMEM};
    case Op::random_name: return {EIO, ENOSYS};
  }
  return {};
}

// The line of the list, if there is one.
const Harmless* find_harmless(StoreKind kind, const Operation& operation,
                              const std::string& workload, int os_error) {
  for (const Harmless& line : harmless_faults(kind)) {
    if (line.op == operation.op && workload.starts_with(line.workloads) &&
        operation.path.contains(line.path_part) &&
        (line.os_error == 0 || line.os_error == os_error)) {
      return &line;
    }
  }
  return nullptr;
}

// The calls that led to an operation, and the file it is for, numbers left out: those of a loop are
// equal.
using Site = std::tuple<Op, std::vector<void*>, std::string>;

Site site_of(const Operation& operation) {
  std::array<void*, 64> calls = {};
  const int depth = ::backtrace(calls.data(), static_cast<int>(calls.size()));
  std::string path = operation.path;
  std::erase_if(path, [](unsigned char c) { return std::isxdigit(c) != 0; });
  return {operation.op, {calls.begin(), calls.begin() + depth}, std::move(path)};
}

bool is_torture() { return std::getenv("LARDER_TORTURE") != nullptr; }

struct Outcome {
  std::vector<std::string> record;
  std::vector<Operation> operations;
  std::vector<Site> sites;  // of the operations of a sound run
  std::vector<std::string> violations;
  std::size_t injected = 0;
};

Outcome perform(const Workload& workload, StoreKind kind, const Fault* fault) {
  FaultWorld world(kind);
  workload.prepare(world);
  const std::size_t injected_before = world.faults.injected().size();
  Outcome run;
  world.faults.observe([&](const Operation& operation) {
    run.operations.push_back(operation);
    if (fault == nullptr) run.sites.push_back(site_of(operation));
  });
  if (fault != nullptr) world.faults.inject(*fault);
  workload.run(world);
  world.faults.observe(nullptr);
  run.record = world.record();
  run.injected = world.faults.injected().size() - injected_before;
  const bool is_once = fault == nullptr || fault->repeat == Repeat::once;
  world.check_aftermath(is_once || is_torture() ? AfterAKill::checked : AfterAKill::unchecked);
  run.violations = world.violations();
  return run;
}

// Whether the operation is the first or the last of its site.
std::vector<bool> worth_failing(const std::vector<Site>& sites) {
  std::vector<bool> is_worth(sites.size(), is_torture());
  std::map<Site, std::size_t> last;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (last.insert_or_assign(sites[i], i).second) is_worth[i] = true;
  }
  for (const auto& [site, i] : last) is_worth[i] = true;
  return is_worth;
}

// That somebody has to do something about.
bool is_lasting(int os_error) {
  return os_error == ENOSPC || os_error == EDQUOT || os_error == EROFS;
}

struct Case {
  StoreKind kind;
  Workload workload;
};

std::vector<Case> every_case() {
  std::vector<Case> cases;
  for (const StoreKind kind : {StoreKind::larder, StoreKind::vyre, StoreKind::pack}) {
    for (Workload& workload : workloads_of(kind)) cases.push_back({kind, std::move(workload)});
  }
  return cases;
}

std::string name_of(const Case& tested) {
  return tested.workload.name + std::string(kind_name(tested.kind));
}

void PrintTo(const Case& tested, std::ostream* to) { *to << name_of(tested); }

class EveryFault : public ::testing::TestWithParam<Case> {
 protected:
  const Workload& workload() const { return GetParam().workload; }
  StoreKind kind() const { return GetParam().kind; }

  // One fault; returns whether it was hit at all.
  bool survives(const Fault& fault, const Operation& target, const Outcome& sound) {
    const Outcome run = perform(workload(), kind(), &fault);
    ++runs_;
    const std::string what =
        "operation " + std::to_string(target.number) + " " + std::string(op_name(target.op)) + " " +
        target.path + (fault.repeat == Repeat::once ? " once" : " for ever") +
        (fault.only ? " of its kind" : "") + ": " + std::strerror(fault.os_error);
    for (const std::string& violation : run.violations) ADD_FAILURE() << what << ": " << violation;
    if (run.record == sound.record) {
      const Harmless* const line = find_harmless(kind(), target, workload().name, fault.os_error);
      EXPECT_NE(line, nullptr) << what << ": nobody was told";
      needed_.insert(line);
    }
    return run.injected > 0;
  }

  // A line that no fault needs any more is taken off the list.
  static void TearDownTestSuite() {
    if (workloads_run_ != every_case().size()) return;  // some were filtered out
    for (const StoreKind kind : {StoreKind::larder, StoreKind::pack}) {
      for (const Harmless& line : harmless_faults(kind)) {
        EXPECT_TRUE(needed_.contains(&line))
            << op_name(line.op) << " " << line.workloads << line.path_part << ": " << line.reason;
      }
    }
    RecordProperty("runs", std::to_string(runs_));
  }

  static inline std::size_t runs_ = 0;
  static inline std::size_t workloads_run_ = 0;
  static inline std::set<const Harmless*> needed_ = {};
};

TEST_P(EveryFault, IsReportedAndHarmsNobody) {
  const Outcome sound = perform(workload(), kind(), nullptr);
  ASSERT_EQ(sound.violations, std::vector<std::string>{});
  ASSERT_FALSE(sound.operations.empty());
  const std::vector<bool> is_worth = worth_failing(sound.sites);
  std::map<Op, std::uint64_t> of_kind;
  for (std::size_t i = 0; i < sound.operations.size(); ++i) {
    Operation target = sound.operations[i];
    target.number = i + 1;
    const std::uint64_t nth_of_kind = ++of_kind[target.op];
    if (!is_worth[i]) continue;
    for (const int os_error : likely_errors(target.op)) {
      EXPECT_TRUE(survives({.at = i + 1, .os_error = os_error}, target, sound));
      EXPECT_TRUE(
          survives({.at = i + 1, .repeat = Repeat::for_ever, .os_error = os_error}, target, sound));
      if (!is_lasting(os_error) && !is_torture()) continue;
      EXPECT_TRUE(survives(
          {.only = target.op, .at = nth_of_kind, .repeat = Repeat::for_ever, .os_error = os_error},
          target, sound));
    }
  }
  ++workloads_run_;
}

INSTANTIATE_TEST_SUITE_P(Workloads, EveryFault, ::testing::ValuesIn(every_case()),
                         [](const auto& tested) { return name_of(tested.param); });

}  // namespace
}  // namespace larder
