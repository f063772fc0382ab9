// Sixteen processes of eight threads each, in three worlds whose process numbers are the same, over
// one store of each kind, and over a pack that is hardly ever pruned. See hammer.h for what they
// may see.
//
// 40'000 operations for each; LARDER_TORTURE=63 makes ten million of all four.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tests/endurance/hammer.h"
#include "tests/endurance/pack_directory.h"

namespace larder::hammer {
namespace {

constexpr std::array<int, 3> processes_of_a_world = {6, 5, 5};
constexpr int processes = 16;

unsigned lifetime_s() {
  return static_cast<unsigned>(std::min<std::uint64_t>(rounds(120), 86'400));
}

pid_t start(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::alarm(lifetime_s());
  ::_exit(body());
}

int wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct Mix {
  Kind kind = Kind::pack;
  Prunes prunes = Prunes::often;
};

std::string name_of(const Mix& mix) {
  return std::string(name_of(mix.kind)) + (mix.prunes == Prunes::seldom ? "_hardly_pruned" : "");
}

class HammerProcesses : public ::testing::TestWithParam<Mix> {
 protected:
  // Whether a process may have children that are numbered anew.
  static bool may_number_anew() {
    if (wait_for(start([] { return ::unshare(CLONE_NEWPID) == 0 ? 0 : errno; })) == 0) return true;
    std::printf("SKIPPED: equal process numbers: only root may number processes anew\n");
    EXPECT_EQ(std::getenv("LARDER_REQUIRED"), nullptr);
    return false;
  }

  int work(int process) {
    hammer_in_this_process(ledger_, yard_,
                           {.operations = rounds(40'000) / processes,
                            .seed = seed_ + 1000 * static_cast<std::uint64_t>(process),
                            .prunes = GetParam().prunes});
    return 0;
  }

  // The first process of a world, which ends after all others.
  int be_the_first(int first, int count, bool is_numbered_anew) {
    // Threads are numbered like processes: nobody starts one before all processes are there.
    std::array<int, 2> gate = {};
    if (::pipe(gate.data()) != 0) return errno;
    std::vector<pid_t> children;
    for (int i = 0; i < count; ++i) {
      children.push_back(start([&, i] {
        ::close(gate[1]);
        char opened = 0;
        (void)!::read(gate[0], &opened, 1);
        ::close(gate[0]);
        if (is_numbered_anew && ::getpid() != i + 2) ledger_.fail("another number than expected");
        return work(first + i);
      }));
    }
    ::close(gate[0]);
    ::close(gate[1]);
    int wrong = 0;
    for (const pid_t child : children) wrong |= wait_for(child);
    return wrong;
  }

  std::vector<pid_t> start_worlds(bool is_numbered_anew) {
    std::vector<pid_t> worlds;
    int first = 0;
    for (const int count : processes_of_a_world) {
      worlds.push_back(start([&, first, count] {
        if (is_numbered_anew && ::unshare(CLONE_NEWPID) != 0) return 1;
        return wait_for(start([&] { return be_the_first(first, count, is_numbered_anew); }));
      }));
      first += count;
    }
    return worlds;
  }

  // What others put while one evicts. In a pack a segment of a MiB and a step of preallocation, a
  // sixteenth of that, for each who writes: a process for its puts and for what it carries.
  std::uint64_t most_on_disk() const {
    constexpr std::uint64_t writers = 2 * processes;
    constexpr std::uint64_t of_a_writer = (1u << 20) + (1u << 16);
    const bool is_pack = GetParam().kind == Kind::pack;
    return *yard_.budget().max_bytes + (is_pack ? writers * of_a_writer : 8ull << 20);
  }

  const std::uint64_t seed_ = seed();
  Ledger ledger_;
  Yard yard_{GetParam().kind};
};

TEST_P(HammerProcesses, NothingTornForeignOrStale) {
  std::uint64_t most = 0;
  for (const pid_t world : start_worlds(may_number_anew())) {
    int status = 0;
    while (::waitpid(world, &status, WNOHANG) == 0) {
      most = std::max(most, yard_.disk_bytes());
      ::usleep(20'000);
    }
    EXPECT_EQ(status, 0) << "of a world of processes; 142 is one that hung";
  }
  check_what_is_left(ledger_, yard_);
  for (const std::string& failure : ledger_.failures()) ADD_FAILURE() << failure;
  EXPECT_LE(most, most_on_disk());
  std::printf("%s: %llu operations, %llu evictions, at most %.1f MiB on disk, LARDER_SEED=%llu\n",
              name_of(GetParam()).c_str(), static_cast<unsigned long long>(ledger_.operations()),
              static_cast<unsigned long long>(ledger_.evictions()),
              static_cast<double>(most) / (1 << 20), static_cast<unsigned long long>(seed_));
  EXPECT_GE(ledger_.operations(), rounds(40'000) * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Over, HammerProcesses,
                         ::testing::Values(Mix{.kind = Kind::larder}, Mix{.kind = Kind::vyre},
                                           Mix{.kind = Kind::pack},
                                           Mix{.kind = Kind::pack, .prunes = Prunes::seldom}),
                         [](const auto& mix) { return name_of(mix.param); });

}  // namespace
}  // namespace larder::hammer
