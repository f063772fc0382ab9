// Every operation of the file system beneath a store fails, one by one: once, from then on for
// ever, and, as on a disk that is full, from then on for all of its kind, with each errno that it
// can have (possible_errors). What must hold all the same stands in fault_world.h; and a fault that
// left no trace in anything a caller can see is a failure, unless it is on the list of harmless
// ones. Besides, writes are torn, reads end early, and bits turn over in both without a word.
//
// What one call site asks for in a loop fails the first and the last time, with one errno of each
// code, and what a kill leaves is looked at after a fault that came once. With LARDER_TORTURE set
// every operation fails, in all three ways with every errno, and what a kill leaves is looked at
// each time: many minutes.
#include <execinfo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/endurance/fault_harmless.h"
#include "tests/endurance/fault_workloads.h"

namespace larder {
namespace {

using testing::Effect;
using testing::Fault;
using testing::Op;
using testing::Operation;
using testing::Repeat;

bool is_torture() { return std::getenv("LARDER_TORTURE") != nullptr; }

// Of each code one, and those that the library tells from others of their code: EIO and ESTALE.
std::vector<int> errors_of(Op op) {
  std::vector<int> errors;
  std::set<Errc> codes;
  for (const int os_error : testing::possible_errors(op)) {
    const bool is_first = codes.insert(testing::code_of(os_error)).second;
    if (is_first || os_error == ESTALE || is_torture()) errors.push_back(os_error);
  }
  return errors;
}

bool is_same(int of_line, int os_error) {
  const Errc code = testing::code_of(of_line);
  return of_line == os_error || (code != Errc::io_error && code == testing::code_of(os_error));
}

// The line of the list, if there is one.
const Harmless* find_harmless(StoreKind kind, const Operation& operation,
                              const std::string& workload, int os_error) {
  for (const Harmless& line : harmless_faults(kind)) {
    if (line.op == operation.op && workload.starts_with(line.workloads) &&
        operation.path.contains(line.path_part) &&
        (line.os_error == 0 || is_same(line.os_error, os_error))) {
      return &line;
    }
  }
  return nullptr;
}

// The calls that led to an operation, and the file it is for, numbers left out: those of a loop are
// equal.
using Site = std::tuple<Op, std::vector<void*>, std::string>;

std::string without_numbers(std::string path) {
  std::erase_if(path, [](unsigned char c) { return std::isxdigit(c) != 0; });
  return path;
}

Site site_of(const Operation& operation) {
  std::array<void*, 64> calls = {};
  const int depth = ::backtrace(calls.data(), static_cast<int>(calls.size()));
  return {operation.op, {calls.begin(), calls.begin() + depth}, without_numbers(operation.path)};
}

struct Outcome {
  std::vector<std::string> record;
  std::vector<Operation> operations;
  std::vector<Site> sites;  // of the operations of a sound run
  std::vector<std::string> violations;
  // The first that was failed. Not always the one that was meant: how often a lock is asked for,
  // say, depends on who else keeps the machine busy.
  std::optional<Operation> hit = std::nullopt;
};

Spoilt spoilt_by(const Fault& fault) {
  if (fault.effect == Effect::shorten) return Spoilt::what_was_read;
  if (fault.effect != Effect::flip_bit) return Spoilt::nothing;
  return fault.only == Op::read_at ? Spoilt::what_was_read : Spoilt::what_was_written;
}

// Some workloads have faults of their own.
std::optional<Operation> first_hit(const FaultWorld& world, const Fault& fault, std::size_t before,
                                   std::uint64_t begun_before) {
  const auto injected = world.faults.injected();
  const auto is_hit = [&](const Operation& operation) {
    return fault.only ? operation.op == *fault.only : operation.number >= begun_before + fault.at;
  };
  const auto first = injected.begin() + static_cast<std::ptrdiff_t>(before);
  const auto hit = std::find_if(first, injected.end(), is_hit);
  return hit == injected.end() ? std::nullopt : std::optional(*hit);
}

Outcome perform(const Workload& workload, StoreKind kind, const Fault* fault) {
  FaultWorld world(kind);
  workload.prepare(world);
  const std::size_t injected_before = world.faults.injected().size();
  const std::uint64_t begun_before = world.faults.operations();
  Outcome run;
  world.faults.observe([&](const Operation& operation) {
    run.operations.push_back(operation);
    if (fault == nullptr) run.sites.push_back(site_of(operation));
  });
  if (fault != nullptr) world.faults.inject(*fault);
  if (fault != nullptr) world.spoilt = spoilt_by(*fault);
  workload.run(world);
  world.faults.observe(nullptr);
  run.record = world.record();
  if (fault != nullptr) run.hit = first_hit(world, *fault, injected_before, begun_before);
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

std::string name_of(const Fault& fault, const Operation& target) {
  constexpr std::string_view effects[] = {"refused",   "refused after", "torn",
                                          "shortened", "one bit",       "delayed"};
  return "operation " + std::to_string(target.number) + " " + std::string(op_name(target.op)) +
         " " + target.path + " " + std::string(effects[static_cast<std::size_t>(fault.effect)]) +
         (fault.repeat == Repeat::once ? " once" : " for ever") +
         (fault.only ? " of its kind" : "") + ": " + std::strerror(fault.os_error);
}

// Each run has a directory of its own.
bool is_meant(const Operation& hit, const Operation& target) {
  const auto place = [](const Operation& operation) {
    const std::size_t at = operation.path.find("/parent");
    return without_numbers(at == std::string::npos ? operation.path : operation.path.substr(at));
  };
  return hit.op == target.op && place(hit) == place(target);
}

class EveryFault : public ::testing::TestWithParam<Case> {
 protected:
  const Workload& workload() const { return GetParam().workload; }
  StoreKind kind() const { return GetParam().kind; }

  // One fault; returns whether it was hit at all.
  bool survives(const Fault& fault, const Operation& target, const Outcome& sound) {
    Outcome run = perform(workload(), kind(), &fault);
    ++runs_;
    const auto check = [&] {
      for (const std::string& violation : run.violations) {
        ADD_FAILURE() << name_of(fault, run.hit.value_or(target)) << ": " << violation;
      }
    };
    check();
    // A turn that lasts too long is given up between two steps: on a busy machine another operation
    // has that number, and the list is not about it.
    const auto has_strayed = [&] {
      return run.record == sound.record && run.hit && !is_meant(*run.hit, target);
    };
    for (int tries = 0; has_strayed() && tries < 5; ++tries) {
      run = perform(workload(), kind(), &fault);
      check();
    }
    if (has_strayed()) {
      ++strayed_;
      return true;
    }
    Operation hit = run.hit.value_or(target);
    hit.number = target.number;
    if (run.record == sound.record && spoilt_by(fault) == Spoilt::nothing) {
      const Harmless* const line = find_harmless(kind(), hit, workload().name, fault.os_error);
      EXPECT_NE(line, nullptr) << name_of(fault, hit) << ": nobody was told";
      needed_.insert(line);
    }
    return run.hit.has_value();
  }

  // What no errno tells: half a write, a read that ends early, a bit that turned over on its way.
  // For ever means: every read or write from then on.
  void spoil(const Operation& target, std::uint64_t nth_of_kind, const Outcome& sound) {
    Fault fault{.only = target.op, .at = nth_of_kind, .bit = 8 * target.number + target.number % 8};
    for (const Effect effect : {Effect::tear, Effect::shorten, Effect::flip_bit}) {
      const bool is_write = effect == Effect::tear;
      const bool applies = target.op == Op::write_at ? effect != Effect::shorten
                                                     : target.op == Op::read_at && !is_write;
      if (!applies) continue;
      fault.effect = effect;
      fault.repeat = Repeat::once;
      EXPECT_TRUE(survives(fault, target, sound));
      fault.repeat = Repeat::for_ever;
      EXPECT_TRUE(survives(fault, target, sound));
    }
  }

  // A line that no fault needs any more is taken off the list.
  static void TearDownTestSuite() {
    std::printf("%zu faults, of which %zu met another operation than the one meant\n", runs_,
                strayed_);
    EXPECT_LE(strayed_, runs_ / 100) << "too busy a machine to tell";
    if (workloads_run_ != every_case().size()) return;  // some were filtered out
    for (const StoreKind kind : {StoreKind::larder, StoreKind::pack}) {
      for (const Harmless& line : harmless_faults(kind)) {
        EXPECT_TRUE(needed_.contains(&line))
            << op_name(line.op) << " " << line.workloads << line.path_part << ": " << line.reason;
      }
    }
  }

  static inline std::size_t runs_ = 0;
  static inline std::size_t strayed_ = 0;
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
    spoil(target, nth_of_kind, sound);
    for (const int os_error : errors_of(target.op)) {
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
