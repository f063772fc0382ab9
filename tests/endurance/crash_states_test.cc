// No state that a power cut may leave loses what a flush covered, or gives a wrong byte.
//
// Every history of up to three steps (of a pack: two, and those of three that evict what holds a
// removal) of two processes, over every kind of store; see crash_rig.h. Of two processes with a key
// each, up to two steps (of a pack: one). Then random longer ones: some in CI, and with
// LARDER_CRASH_SECONDS=n for n seconds a kind, after every history of one step more, three at most.
// Their seed is printed, and taken from LARDER_SEED if that is set.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <ostream>
#include <random>
#include <string>

#include "tests/endurance/crash_rig.h"

namespace larder {
namespace {

using testing::Between;
using testing::ExploreOptions;

constexpr std::uint64_t most_states = 40000;
constexpr std::size_t longest_random = 8;
constexpr std::uint64_t most_states_of_random = 500;
constexpr int random_histories = 20;
constexpr int random_keyed_histories = 5;

std::optional<std::uint64_t> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

struct Subject {
  StoreKind kind;
  KeyRing keys = KeyRing::none;
};

std::string name_of(const Subject& subject) {
  const std::string kind(kind_name(subject.kind));
  return subject.keys == KeyRing::none ? kind : kind + "WithAKeyEach";
}

void PrintTo(const Subject& subject, std::ostream* to) { *to << name_of(subject); }

class CrashStates : public ::testing::TestWithParam<Subject> {
 protected:
  static bool is_pack() { return GetParam().kind == StoreKind::pack; }
  static bool is_keyed() { return GetParam().keys == KeyRing::one_each; }

  // What one process does alone, keys or not, is run without them.
  static bool both_act(const History& history) {
    return std::ranges::any_of(history, [](const Step& step) { return step.process == 1; });
  }

  // Those of three steps where a segment leaves that holds more than entries.
  void run_evicted_removals(const ExploreOptions& options) {
    run_all(3, [&](Base base, const History& history) {
      const bool is_evicted =
          history.front().act == Act::remove_1 && history.back().act == Act::evict;
      if (is_evicted) rig_.run(base, history, options);
    });
  }

  // All histories of exactly that length; the first step is always of the first process.
  using Run = std::function<void(Base, const History&)>;

  void run_all(std::size_t length, const Run& run) {
    for (const Base base : bases) {
      History history;
      run_all(base, length, run, history);
    }
  }

  void run_all(Base base, std::size_t length, const Run& run, History& history) {
    if (history.size() == length) {
      if (!is_keyed() || length == 1 || both_act(history)) run(base, history);
      return;
    }
    const std::size_t processes = history.empty() ? 1 : process_count;
    for (std::size_t i = 0; i < processes * act_count; ++i) {
      history.push_back({.process = i / act_count, .act = static_cast<Act>(i % act_count)});
      run_all(base, length, run, history);
      history.pop_back();
    }
  }

  void run_random(std::mt19937_64& random) {
    History history;
    for (std::size_t length = 3 + random() % (longest_random - 2); length > 0; --length) {
      history.push_back(
          {.process = random() % process_count, .act = static_cast<Act>(random() % act_count)});
    }
    rig_.run(bases[random() % bases.size()], history,
             {.most_states = most_states_of_random, .between = Between::left_out});
  }

  void report(const std::string& what) {
    const CrashFigures& figures = rig_.figures();
    std::printf("%s, %s: %ju histories, %ju moments, %ju states for %.2g subsets, %ju capped\n",
                name_of(GetParam()).c_str(), what.c_str(), std::uintmax_t{figures.histories},
                std::uintmax_t{figures.moments}, std::uintmax_t{figures.states}, figures.subsets,
                std::uintmax_t{figures.capped});
    std::fflush(stdout);
    for (const std::string& violation : rig_.violations()) ADD_FAILURE() << violation;
  }

  CrashRig rig_{GetParam().kind, GetParam().keys};
};

TEST_P(CrashStates, OfEveryShortHistoryKeepThePromises) {
  const bool is_campaign = number_in("LARDER_CRASH_SECONDS").has_value();
  const int longest = 3 - (is_pack() ? 1 : 0) - (is_keyed() ? 1 : 0) + (is_campaign ? 1 : 0);
  for (int length = 1; length <= std::min(longest, 3); ++length) {
    // What stood there only in between is tried where that takes seconds.
    const bool is_short = length == 1 || (length == 2 && !is_pack() && !is_keyed());
    const ExploreOptions options{.most_states = most_states,
                                 .between = is_short ? Between::tried : Between::left_out};
    run_all(static_cast<std::size_t>(length),
            [&](Base base, const History& history) { rig_.run(base, history, options); });
  }
  if (is_pack() && longest == 2) {
    run_evicted_removals({.most_states = most_states, .between = Between::left_out});
  }
  report("every history");
  EXPECT_EQ(rig_.figures().capped, 0u);
}

TEST_P(CrashStates, OfTwoCutsInARowTheSecondBringsNothingBack) {
  const std::size_t longest = number_in("LARDER_CRASH_SECONDS") ? 2 : 1;
  for (std::size_t length = 1; length <= longest; ++length) {
    run_all(length, [this](Base base, const History& history) { rig_.run_twice(base, history); });
  }
  report("two cuts");
}

TEST_P(CrashStates, OfRandomHistoriesKeepThePromises) {
  const std::uint64_t seed = number_in("LARDER_SEED").value_or(20261126);
  const auto seconds = std::chrono::seconds(number_in("LARDER_CRASH_SECONDS").value_or(0));
  std::mt19937_64 random(seed);
  const auto begin = std::chrono::steady_clock::now();
  const int histories = is_keyed() ? random_keyed_histories : random_histories;
  for (int i = 0; i < histories; ++i) run_random(random);
  while (std::chrono::steady_clock::now() - begin < seconds) run_random(random);
  report("random histories of seed " + std::to_string(seed));
}

INSTANTIATE_TEST_SUITE_P(Kinds, CrashStates,
                         ::testing::Values(Subject{StoreKind::larder}, Subject{StoreKind::vyre},
                                           Subject{StoreKind::pack},
                                           Subject{StoreKind::larder, KeyRing::one_each},
                                           Subject{StoreKind::pack, KeyRing::one_each}),
                         [](const auto& tested) { return name_of(tested.param); });

}  // namespace
}  // namespace larder
