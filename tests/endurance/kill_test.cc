// Processes are killed at random moments, hundreds in a second, while others use the same store: no
// wrong byte, nothing lost that a put returned for, nothing left behind, and within the budget.
//
// LARDER_KILLS says how many for each kind of store, LARDER_SEED with which dice.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <iostream>
#include <random>

#include "tests/endurance/child.h"
#include "tests/endurance/rig.h"
#include "tests/endurance/shared_memory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t usual_kills = 600;
constexpr std::uint64_t kills_of_round = 40;  // then all end, and the store is looked at
constexpr std::uint64_t rounds_of_store = 40;
constexpr std::uint64_t full_bytes = 24u << 20;  // long before an unbounded pack's first eviction
constexpr std::uint64_t evicting_bytes = 56u << 20;  // perhaps after it
// A segment of a MiB and a step of preallocation for what a writer puts, and for what it carries.
constexpr std::uint64_t most_beyond = 2ull * writers * ((1u << 20) + (1u << 16));
constexpr double least_pause_us = 20, longest_pause_us = 3000;

struct Case {
  Kind kind;
  Size size;
};

fs::path temporary_directory() {
  const fs::path memory = "/dev/shm";
  const fs::path parent = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
  std::string pattern = (parent / "larder-kill-").string() + std::string(6, 'X');
  return ::mkdtemp(pattern.data());
}

class Kills {
 public:
  Kills(const Case& what, std::uint64_t seed) : random_(seed) {
    choice_ = {.kind = what.kind, .size = what.size, .directory = (parent_ / "store").string()};
  }
  Kills(const Kills&) = delete;
  Kills& operator=(const Kills&) = delete;
  ~Kills() { fs::remove_all(parent_); }

  // Until that many, or until something is wrong, which it returns.
  std::string run(std::uint64_t kills) {
    std::string wrong;
    for (std::uint64_t round = 1; kills_ < kills && wrong.empty(); ++round) {
      wrong = one_round(std::min(kills, kills_ + kills_of_round));
      if (round % rounds_of_store != 0 && disk_bytes(choice_.directory) < full_bytes) continue;
      fs::remove_all(choice_.directory);
      ledger_.forget_all();
      has_evicted_ = false;
    }
    return wrong;
  }

  void print(std::uint64_t seed, double seconds) const {
    std::cout << name_of(choice_.kind) << (choice_.size == Size::bounded ? ", bounded: " : ": ")
              << kills_ << " kills in " << seconds << " s, seed " << seed << "; "
              << ledger_.promises_checked() << " promises checked, " << events_ << " operations, "
              << deaths_untold_ << " of the dead had not said what they evicted";
    if (largest_ > 0) {
      std::cout << "; at most " << largest_ << " bytes of " << budget_bytes_of(choice_.kind);
    }
    std::cout << std::endl;
  }

 private:
  std::string one_round(std::uint64_t until) {
    stage_->is_over = false;
    for (std::uint32_t writer = 0; writer < writers; ++writer) start(writer);
    std::string wrong;
    while (kills_ < until && wrong.empty() && !is_full()) {
      pause();
      const auto writer = static_cast<std::uint32_t>(random_() % writers);
      wrong += kill(writer);
      start(writer);
    }
    wrong += end_all();
    if (wrong.empty()) {
      wrong = check_store(choice_, ledger_, random_() % 4 == 0 ? Index::lost : Index::kept);
    }
    if (wrong.empty() && choice_.size == Size::bounded) wrong = check_size();
    return wrong.empty() ? wrong : "after " + std::to_string(kills_) + " kills: " + wrong;
  }

  bool is_beyond(std::uint64_t bytes) const {
    return choice_.kind == Kind::pack && fs::exists(choice_.directory) &&
           disk_bytes(choice_.directory) > bytes;
  }
  // So much that an unbounded pack might soon evict.
  bool is_full() const { return choice_.size == Size::unbounded && is_beyond(full_bytes); }

  void start(std::uint32_t writer) {
    stage_->histories[writer].clear();
    const WriterOptions options{.store = choice_, .number = writer, .seed = random_()};
    children_[writer] = start_child([&] { return write_at_random(*stage_, options); });
  }

  void pause() {
    std::uniform_real_distribution<double> exponent(std::log(least_pause_us),
                                                    std::log(longest_pause_us));
    ::usleep(static_cast<useconds_t>(std::exp(exponent(random_))));
  }

  std::string kill(std::uint32_t writer) {
    ::kill(children_[writer], SIGKILL);
    ++kills_;
    return account_for(writer);
  }

  std::string account_for(std::uint32_t writer) {
    const std::string ending = ending_of(children_[writer]);
    const History& history = stage_->histories[writer];
    ledger_.add(history.events());
    has_evicted_ = has_evicted_ || std::ranges::any_of(history.events(), [](const Event& event) {
                     return event.deed == Deed::evicted;
                   });
    if (history.lacks_evictions()) {
      ledger_.excuse_absence(stage_->now());
      ++deaths_untold_;
    }
    events_ += history.events().size();
    return ending + history.complaint();
  }

  // All at once, so that the next one is alone and reads the segments; or as they like.
  std::string end_all() {
    std::string wrong;
    if (random_() % 2 == 0) {
      for (const pid_t child : children_) ::kill(child, SIGKILL);
      kills_ += writers;
    } else {
      stage_->is_over = true;
    }
    for (std::uint32_t writer = 0; writer < writers; ++writer) wrong += account_for(writer);
    // A machine that is busy enough lets writers get that far, where nobody watches them.
    if (choice_.size == Size::unbounded && (has_evicted_ || is_beyond(evicting_bytes))) {
      ledger_.excuse_absence(stage_->now());
    }
    return wrong;
  }

  // What a killed process was about to evict stays until somebody tidies up.
  std::string check_size() {
    const std::uint64_t budget = budget_bytes_of(choice_.kind);
    const std::uint64_t before = disk_bytes(choice_.directory);
    largest_ = std::max(largest_, before);
    if (choice_.kind == Kind::pack && before > budget + most_beyond) {
      return "before upkeep the store takes " + std::to_string(before) + " bytes";
    }
    const auto kept = tidy_up(budget);
    // A pack keeps what a large artifact has replaced that nobody flushed.
    if (!kept && kept.error().code == Errc::timed_out) return {};
    if (!kept) return kept.error().message;
    const std::uint64_t left = disk_bytes(choice_.directory);
    if (left <= budget) return {};
    return "after upkeep the store takes " + std::to_string(left) + " bytes, " +
           std::to_string(before_closing_) + " before it was closed\n" + said_ + listing();
  }

  std::string listing() const {
    std::string lines;
    for (const auto& entry : fs::recursive_directory_iterator(choice_.directory)) {
      if (!entry.is_regular_file()) continue;
      lines += entry.path().string() + " " + std::to_string(entry.file_size()) + "\n";
    }
    return lines;
  }

  Result<void> tidy_up(std::uint64_t budget) {
    StoreChoice choice = choice_;
    choice.on_evict = [this](const Eviction& eviction) {
      const Event event{
          .deed = Deed::evicted, .key = key_of(eviction.fingerprint), .begun = stage_->now()};
      ledger_.add(std::span(&event, 1));
    };
    said_.clear();
    choice.log = [this](LogLevel, std::string_view line) { said_ += std::string(line) + "\n"; };
    const auto store = open_chosen(choice);
    if (!store) return std::unexpected(store.error());
    if (auto* const pack = dynamic_cast<PackStore*>(store->get())) {
      const auto kept = pack->maintain();
      before_closing_ = disk_bytes(choice_.directory);
      return kept;
    }
    const auto pruned = (*store)->prune({.max_bytes = budget});
    if (!pruned) return std::unexpected(pruned.error());
    return {};
  }

  const fs::path parent_ = temporary_directory();
  std::mt19937_64 random_;
  SharedMemory<Stage> stage_;
  std::array<pid_t, writers> children_ = {};
  Ledger ledger_{Ledger::Lasting::when_returned};
  StoreChoice choice_;
  std::uint64_t kills_ = 0, events_ = 0, deaths_untold_ = 0, largest_ = 0, before_closing_ = 0;
  std::string said_;          // by the store that tidied up last
  bool has_evicted_ = false;  // from this store
};

class Kill : public ::testing::TestWithParam<Case> {};

TEST_P(Kill, TakesNothingThatReturned) {
  const std::uint64_t seed = seed_of_run();
  const Stopwatch watch;
  Kills kills(GetParam(), seed);
  EXPECT_EQ(kills.run(number_from("LARDER_KILLS", usual_kills)), "") << "seed " << seed;
  kills.print(seed, watch.seconds());
}

const Case cases[] = {
    {Kind::pack, Size::unbounded}, {Kind::pack, Size::bounded},   {Kind::larder, Size::unbounded},
    {Kind::larder, Size::bounded}, {Kind::vyre, Size::unbounded}, {Kind::vyre, Size::bounded},
};

INSTANTIATE_TEST_SUITE_P(All, Kill, ::testing::ValuesIn(cases), [](const auto& each) {
  return std::string(name_of(each.param.kind)) +
         (each.param.size == Size::bounded ? "_bounded" : "");
});

}  // namespace
}  // namespace larder
