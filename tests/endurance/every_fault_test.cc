// Every operation of the file system beneath a store fails, one by one: once, from then on for
// ever, and from then on for all of its kind, with each errno that it may well have, until the
// workload passes without a fault. What must hold all the same stands in fault_world.h; and a fault
// that left no trace in anything a caller can see is a failure, unless it is on the list of
// harmless ones.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "tests/endurance/fault_world.h"

namespace larder {
namespace {

using testing::Fault;
using testing::Op;
using testing::Operation;
using testing::Repeat;

struct Workload {
  std::string name;
  void (*prepare)(FaultWorld&);  // on a sound file system
  void (*run)(FaultWorld&);      // on one that fails
};

void nothing(FaultWorld&) {}

void three_durable(FaultWorld& world) {
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put(entry, "payload " + std::to_string(entry));
  world.flush();
}

void three_on_disk(FaultWorld& world) {
  three_durable(world);
  world.close();
}

void one_damaged(FaultWorld& world) {
  three_durable(world);
  world.damage(1);
}

const std::string large(200'000, 'x');  // large enough for space to be reserved

const std::vector<Workload> workloads = {
    {"OpenNew", nothing, [](FaultWorld& world) { world.open(); }},
    {"OpenNewPutFlush", nothing,
     [](FaultWorld& world) {
       world.open();
       world.put(1, "one");
       world.flush();
     }},
    {"OpenAtFirstPut", [](FaultWorld& world) { world.options.create = Create::at_first_put; },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
       world.put(1, "one");
       world.flush();
     }},
    {"OpenExisting", three_on_disk,
     [](FaultWorld& world) {
       world.open();
       world.get(1);
     }},
    {"OpenReadOnly",
     [](FaultWorld& world) {
       three_on_disk(world);
       world.options.access = Access::read_only;
     },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
       world.put(2, "refused");
     }},
    {"Sweep",
     [](FaultWorld& world) {
       three_on_disk(world);
       world.leave_temporary();
     },
     [](FaultWorld& world) { world.open(); }},
    {"Put", three_durable, [](FaultWorld& world) { world.put(4, "four"); }},
    {"PutLarge", three_durable, [](FaultWorld& world) { world.put(4, large); }},
    {"PutWithoutAnonymousFiles",
     [](FaultWorld& world) {
       three_durable(world);
       world.faults.inject(
           {.only = Op::create_anonymous, .repeat = Repeat::for_ever, .os_error = EOPNOTSUPP});
     },
     [](FaultWorld& world) {
       world.put(4, "four");
       world.put(1, "another");
     }},
    {"PutSame", three_durable, [](FaultWorld& world) { world.put(1, "payload 1"); }},
    {"PutDifferent", three_durable, [](FaultWorld& world) { world.put(1, "another"); }},
    {"PutOverDamaged", one_damaged, [](FaultWorld& world) { world.put(1, "payload 1"); }},
    {"GetHitAndMiss", three_durable,
     [](FaultWorld& world) {
       world.get(1);
       world.get(9);
     }},
    {"GetRenews",
     [](FaultWorld& world) {
       world.options.stamp_interval_s = 0;
       three_durable(world);
     },
     [](FaultWorld& world) { world.get(1); }},
    {"GetDamaged", one_damaged,
     [](FaultWorld& world) {
       world.get(1);
       world.get(2);
     }},
    {"Remove", three_durable,
     [](FaultWorld& world) {
       world.remove(1);
       world.remove(9);
       world.get(1);
     }},
    {"FlushSeveral", three_durable,
     [](FaultWorld& world) {
       for (int entry = 4; entry <= 9; ++entry) world.put(entry, "more");
       world.flush();
       world.flush();
     }},
    {"FlushAfterReplace", three_durable,
     [](FaultWorld& world) {
       world.put(1, "another");
       world.put(2, "payload 2");
       world.flush();
       world.get(1);
     }},
    {"Prune", three_durable,
     [](FaultWorld& world) {
       world.prune({.max_entries = 1}, DryRun::yes);
       world.prune({.max_entries = 1, .min_free_bytes = 1});
     }},
    {"Clear", three_durable, [](FaultWorld& world) { world.clear(); }},
    {"PutEvicts",
     [](FaultWorld& world) {
       world.options.budget = {.max_bytes = 1u << 30, .max_entries = 3, .min_free_bytes = 1};
       three_durable(world);
     },
     [](FaultWorld& world) { world.put(4, "four"); }},
    {"Lease", three_durable, [](FaultWorld& world) { world.lease(1); }},
    {"Statistics", three_durable, [](FaultWorld& world) { world.keep_statistics(); }},
    {"LookAround", three_durable, [](FaultWorld& world) { world.look_around(1); }},
};

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

// Faults that may pass unnoticed when they happen once. Each line was thought over.
struct Harmless {
  Op op;
  int os_error;           // 0: any
  std::string workloads;  // that begin so; empty: any
  std::string path_end;   // empty: any
  std::string reason;
};

const std::vector<Harmless> harmless = {
    {Op::start_writeback, 0, "", "", "a hint; what fails here fails again in the sync"},
    {Op::unlock, 0, "", "", "the kernel drops the lock with the descriptor"},
    {Op::touch, 0, "", "", "the time of last use is a hint; the entry leaves earlier"},
    {Op::reserve, EOPNOTSUPP, "", "", "a file system without it shows a full disk later"},
    {Op::create_anonymous, EOPNOTSUPP, "", "", "a named file takes its place"},
    {Op::create_anonymous, 0, "PutWithoutAnonymousFiles", "", "fails in the sound run too"},
    {Op::open_file, ESTALE, "", "", "the root is opened anew, and the file by way of it"},

    // A directory above the root, or the root before it is made.
    {Op::open_directory, EACCES, "Open", "", "what may not be read is not ours to judge or sync"},
    {Op::open_directory, EACCES, "Sweep", "", "what may not be read is not ours to judge or sync"},
    {Op::open_directory, 0, "OpenNew", "", "then it is made, and found to be there"},
    {Op::open_directory, 0, "OpenAtFirstPut", "", "then it is made, and found to be there"},

    // Before the directory is there, a refusal may mean that somebody deleted it.
    {Op::create_anonymous, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::link, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::make_directory, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::open_file, EACCES, "OpenAtFirstPut", "/LARDER", "the put tries once more"},
    {Op::resolve, EACCES, "OpenAtFirstPut", "", "the put tries once more"},

    {Op::file_info, 0, "Put", "", "what cannot be read is replaced, as if it were damaged"},
    {Op::read_at, 0, "Put", "", "what cannot be read is replaced, as if it were damaged"},
    {Op::file_info, 0, "FlushAfterReplace", "", "what cannot be read is replaced"},
    {Op::read_at, 0, "FlushAfterReplace", "", "what cannot be read is replaced"},
    {Op::info_at, 0, "Remove", "", "a first look; the one under the lock decides"},

    // The bytes in use are a few KiB low until the next scan.
    {Op::info_at, 0, "", "/LARDER", "its size is counted with the store's"},
    {Op::info_at, 0, "", "/.larder-lock", "its size is counted with the store's"},
    {Op::directory_info, 0, "", "/00", "its size is counted with the store's"},
    {Op::directory_info, 0, "", "/01", "its size is counted with the store's"},
    {Op::directory_info, 0, "", "/02", "its size is counted with the store's"},
};

// The line of the list, if there is one.
const Harmless* find_harmless(const Operation& operation, const std::string& workload,
                              int os_error) {
  for (const Harmless& line : harmless) {
    if (line.op == operation.op && workload.starts_with(line.workloads) &&
        operation.path.ends_with(line.path_end) &&
        (line.os_error == 0 || line.os_error == os_error)) {
      return &line;
    }
  }
  return nullptr;
}

struct Outcome {
  std::vector<std::string> record;
  std::vector<Operation> operations;
  std::vector<std::string> violations;
  std::size_t injected = 0;
};

Outcome perform(const Workload& workload, FileLayout layout, const Fault* fault) {
  FaultWorld world(layout);
  workload.prepare(world);
  const std::size_t injected_before = world.faults.injected().size();
  Outcome run;
  world.faults.observe([&](const Operation& operation) { run.operations.push_back(operation); });
  if (fault != nullptr) world.faults.inject(*fault);
  workload.run(world);
  world.faults.observe(nullptr);
  run.record = world.record();
  run.injected = world.faults.injected().size() - injected_before;
  world.check_aftermath();
  run.violations = world.violations();
  return run;
}

class EveryFault : public ::testing::TestWithParam<std::tuple<FileLayout, std::size_t>> {
 protected:
  const Workload& workload() const { return workloads[std::get<1>(GetParam())]; }
  FileLayout layout() const { return std::get<0>(GetParam()); }

  // One fault; returns whether it was hit at all.
  bool survives(const Fault& fault, const Operation& target, const Outcome& sound) {
    const Outcome run = perform(workload(), layout(), &fault);
    ++runs_;
    const std::string what =
        "operation " + std::to_string(target.number) + " " + std::string(op_name(target.op)) + " " +
        target.path + (fault.repeat == Repeat::once ? " once" : " for ever") +
        (fault.only ? " of its kind" : "") + ": " + std::strerror(fault.os_error);
    for (const std::string& violation : run.violations) ADD_FAILURE() << what << ": " << violation;
    if (run.record == sound.record) {
      const Harmless* const line = find_harmless(target, workload().name, fault.os_error);
      EXPECT_NE(line, nullptr) << what << ": nobody was told";
      needed_.insert(line);
    }
    return run.injected > 0;
  }

  // A line that no fault needs any more is taken off the list.
  static void TearDownTestSuite() {
    if (workloads_run_ != 2 * workloads.size()) return;  // some were filtered out
    for (const Harmless& line : harmless) {
      EXPECT_TRUE(needed_.contains(&line)) << op_name(line.op) << ": " << line.reason;
    }
    RecordProperty("runs", std::to_string(runs_));
  }

  static inline std::size_t runs_ = 0;
  static inline std::size_t workloads_run_ = 0;
  static inline std::set<const Harmless*> needed_ = {};
};

TEST_P(EveryFault, IsReportedAndHarmsNobody) {
  const Outcome sound = perform(workload(), layout(), nullptr);
  ASSERT_EQ(sound.violations, std::vector<std::string>{});
  ASSERT_FALSE(sound.operations.empty());
  std::map<Op, std::uint64_t> of_kind;
  for (std::size_t i = 0; i < sound.operations.size(); ++i) {
    Operation target = sound.operations[i];
    target.number = i + 1;
    const std::uint64_t nth_of_kind = ++of_kind[target.op];
    for (const int os_error : likely_errors(target.op)) {
      EXPECT_TRUE(survives({.at = i + 1, .os_error = os_error}, target, sound));
      EXPECT_TRUE(
          survives({.at = i + 1, .repeat = Repeat::for_ever, .os_error = os_error}, target, sound));
      EXPECT_TRUE(survives(
          {.only = target.op, .at = nth_of_kind, .repeat = Repeat::for_ever, .os_error = os_error},
          target, sound));
    }
  }
  ++workloads_run_;
}

INSTANTIATE_TEST_SUITE_P(Workloads, EveryFault,
                         ::testing::Combine(::testing::Values(FileLayout::larder, FileLayout::vyre),
                                            ::testing::Range(std::size_t{0}, workloads.size())),
                         [](const auto& parameters) {
                           const bool larder = std::get<0>(parameters.param) == FileLayout::larder;
                           return workloads[std::get<1>(parameters.param)].name +
                                  (larder ? "Larder" : "Vyre");
                         });

}  // namespace
}  // namespace larder
