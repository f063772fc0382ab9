// The power goes while three processes write: real file systems, their real journals and their real
// recovery, by FS_IOC_SHUTDOWN on disks in memory. What is lost is what the file system had not
// written; a disk that lies about what it has written is not part of this.
//
// LARDER_CUTS says how many for each file system, LARDER_SEED with which dice.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>

#include "tests/endurance/child.h"
#include "tests/endurance/loop_disk.h"
#include "tests/endurance/rig.h"
#include "tests/endurance/shared_memory.h"

namespace larder {
namespace {

constexpr std::uint64_t usual_cuts = 120;
constexpr std::uint64_t cuts_of_epoch = 24;      // with one kind of store, on a new file system
constexpr std::uint64_t full_bytes = 40u << 20;  // before an unbounded pack's first eviction
constexpr double patience_s = 1;
constexpr double least_life_us = 200, longest_life_us = 25'000;

// What writers over a pack do while the power goes. Linux 6.18 was seen to break down when one went
// on writing into mappings of an ext4 with data=journal that had been shut down.
enum class PackWriters : std::uint8_t { go_on, are_stopped };

struct Mode {
  std::string name;
  LoopDisk::Options disk;
  PackWriters pack_writers = PackWriters::go_on;
};

constexpr std::uint64_t ext4_bytes = 128u << 20,
                        xfs_bytes = 320u << 20;  // the least that mkfs makes

const Mode modes[] = {
    {"ext4", {.type = "ext4", .mount_options = "noinit_itable", .bytes = ext4_bytes}},
    {"ext4_noauto_da_alloc",
     {.type = "ext4", .mount_options = "noinit_itable,noauto_da_alloc", .bytes = ext4_bytes}},
    {"ext4_data_journal",
     {.type = "ext4", .mount_options = "noinit_itable,data=journal", .bytes = ext4_bytes},
     PackWriters::are_stopped},
    {"xfs", {.type = "xfs", .mount_options = "nouuid", .bytes = xfs_bytes}},
};

class PowerCuts {
 public:
  PowerCuts(const DiskRoom& room, const Mode& mode, std::uint64_t seed)
      : pack_writers_(mode.pack_writers),
        disk_(room, "disk", mode.disk),
        mount_point_(room.path() / "mounted"),
        random_(seed) {}

  // Until that many, or until something is wrong, which it returns.
  std::string run(std::uint64_t cuts) {
    std::string wrong;
    while (cuts_ < cuts && wrong.empty()) {
      begin_epoch();
      const std::uint64_t until = std::min(cuts, cuts_ + cuts_of_epoch);
      bool is_full = false;
      while (cuts_ < until && !is_full && wrong.empty()) {
        wrong = one_cut();
        is_full = used_bytes_ > full_bytes;
      }
      if (wrong.empty()) wrong = check_after_cut(Index::lost);
    }
    return wrong;
  }

  void print(const std::string& name, std::uint64_t seed, double seconds) const {
    std::cout << name << ": " << cuts_ << " power cuts in " << seconds << " s, seed " << seed
              << "; " << ledger_.promises_checked() << " promises checked, " << events_
              << " operations; " << bus_errors_ << " processes over packs ended by SIGBUS; after "
              << lives_untold_ << " cuts nobody said what was being evicted" << std::endl;
  }

 private:
  void begin_epoch() {
    disk_.format();
    ledger_.forget_all();
    choice_ = {.kind = static_cast<Kind>(random_() % 3),
               .size = static_cast<Size>(random_() % 2),
               .directory = (mount_point_ / "store").string()};
  }

  std::string where() const {
    return "cut " + std::to_string(cuts_) + ", " + std::string(name_of(choice_.kind)) +
           (choice_.size == Size::bounded ? ", bounded: " : ": ");
  }

  // Sometimes writers, and the next cut, come before anybody has looked.
  std::string one_cut() {
    disk_.mount(mount_point_);
    used_bytes_ = disk_bytes(choice_.directory);
    std::string wrong;
    if (random_() % 4 != 0) wrong = check(random_() % 4 == 0 ? Index::lost : Index::kept);
    if (wrong.empty()) {
      ++cuts_;
      wrong = write_and_cut();
    }
    disk_.unmount();
    return wrong;
  }

  std::string check_after_cut(Index index) {
    disk_.mount(mount_point_);
    std::string wrong = check(index);
    disk_.unmount();
    return wrong;
  }

  std::string check(Index index) {
    std::string wrong = check_store(choice_, ledger_, index);
    return wrong.empty() ? wrong : where() + wrong;
  }

  std::string write_and_cut() {
    stage_->is_over = false;
    std::vector<pid_t> children;
    for (std::uint32_t writer = 0; writer < writers; ++writer) {
      stage_->histories[writer].clear();
      const WriterOptions options{.store = choice_, .number = writer, .seed = random_()};
      children.push_back(start_child([&] { return write_at_random(*stage_, options); }));
    }
    if (random_() % 4 != 0) wait_for_the_first_flush();
    std::uniform_real_distribution<double> exponent(std::log(least_life_us),
                                                    std::log(longest_life_us));
    ::usleep(static_cast<useconds_t>(std::exp(exponent(random_))));
    stage_->is_over = true;
    const bool halts = choice_.kind == Kind::pack && pack_writers_ == PackWriters::are_stopped;
    if (halts) stop(children);
    disk_.cut_power(random_() % 3 == 0 ? LogFlush::yes : LogFlush::no);
    // Who evicts says so only when its put returns: it is let come to its end. SIGBUS may be that.
    const bool kills = halts || (choice_.size == Size::unbounded && random_() % 2 == 0);
    std::string wrong;
    for (const pid_t child : children) wrong += end(child, kills);
    bool are_untold = false;
    for (const History& history : stage_->histories) {
      ledger_.add(history.events());
      events_ += history.events().size();
      wrong += history.complaint();
      are_untold = are_untold || history.lacks_evictions();
    }
    if (are_untold) ledger_.excuse_absence(stage_->now());
    lives_untold_ += are_untold ? 1 : 0;
    return wrong.empty() ? wrong : where() + wrong;
  }

  // Once they are out of the system call that they are in.
  static void stop(const std::vector<pid_t>& children) {
    for (const pid_t child : children) ::kill(child, SIGSTOP);
    for (const pid_t child : children) {
      siginfo_t info = {};
      ::waitid(P_PID, static_cast<id_t>(child), &info, WSTOPPED | WEXITED | WNOWAIT);
    }
  }

  // So that there is something to lose.
  void wait_for_the_first_flush() const {
    const auto has_flushed = [](const History& history) {
      return std::ranges::any_of(history.events(), [](const Event& event) {
        return event.deed == Deed::flush && event.returned != 0;
      });
    };
    const Stopwatch waited;
    while (waited.seconds() < patience_s && std::ranges::none_of(stage_->histories, has_flushed)) {
      ::usleep(100);
    }
  }

  // Nothing is promised of mappings when the disk under them goes; a file store has none.
  std::string end(pid_t child, bool kills) {
    if (kills) ::kill(child, SIGKILL);
    const std::string ending = ending_of(child);
    const bool is_bus_error = ending.find(::strsignal(SIGBUS)) != std::string::npos;
    if (!is_bus_error || choice_.kind != Kind::pack) return ending;
    ++bus_errors_;
    return {};
  }

  const PackWriters pack_writers_;
  LoopDisk disk_;
  const std::filesystem::path mount_point_;
  std::mt19937_64 random_;
  SharedMemory<Stage> stage_;
  Ledger ledger_{Ledger::Lasting::when_flushed};
  StoreChoice choice_;
  std::uint64_t cuts_ = 0, used_bytes_ = 0, events_ = 0, bus_errors_ = 0, lives_untold_ = 0;
};

class PowerCut : public ::testing::TestWithParam<Mode> {};

TEST_P(PowerCut, TakesNothingThatWasFlushed) {
  const DiskRoom room(2u << 30);
  const std::string why_not =
      room.why_not().empty() ? why_no_disk(GetParam().disk.type) : room.why_not();
  if (!can_run("power cuts of " + GetParam().name, why_not)) return;
  const std::uint64_t seed = seed_of_run();
  const Stopwatch watch;
  PowerCuts cuts(room, GetParam(), seed);
  const std::string wrong = cuts.run(number_from("LARDER_CUTS", usual_cuts));
  EXPECT_EQ(wrong, "") << "seed " << seed;
  cuts.print(GetParam().name, seed, watch.seconds());
}

INSTANTIATE_TEST_SUITE_P(All, PowerCut, ::testing::ValuesIn(modes),
                         [](const auto& mode) { return mode.param.name; });

}  // namespace
}  // namespace larder
