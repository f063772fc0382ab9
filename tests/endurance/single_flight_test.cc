// One compile among processes on one file store, whatever happens to its owner.
//
// Each child appends a line to a journal when its compiler runs, so that the runs of all of them
// can be counted. A child that hangs is ended by its own alarm, and shows as a failure.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "larder/cache.h"

namespace larder {
namespace {

using namespace std::chrono_literals;

const Fingerprint key = {{7}};
constexpr unsigned child_lifetime_s = 120;

class Processes : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "larder_flight_").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }

  void TearDown() override {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    std::filesystem::remove_all(directory_);
  }

  // Starts a process that exits with what `body` returns.
  template <class Body>
  pid_t start(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(child_lifetime_s);
      ::_exit(body());
    }
    children_.push_back(child);
    return child;
  }

  // The exit status, or minus the signal that ended it.
  int finish(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    std::erase(children_, child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  Result<Cache> open_cache(std::chrono::milliseconds wait_limit) const {
    auto store = open_file_store({.directory = (directory_ / "store").string()});
    if (!store) return std::unexpected(store.error());
    return Cache(*std::move(store), {.wait_limit = wait_limit});
  }

  // A child's whole life: 0 when it got "binary".
  int want(std::chrono::milliseconds wait_limit, const std::function<void()>& slow_part) const {
    auto cache = open_cache(wait_limit);
    if (!cache) return 2;
    const auto result = cache->get_or_compile(key, [&] {
      write_journal("compiling\n");
      slow_part();
      return Artifact::copy_of("binary");
    });
    return result && result->text() == "binary" ? 0 : 3;
  }

  void write_journal(std::string_view line) const {
    const int file = ::open(journal().c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(4);
    ::close(file);
  }

  int lines_of_journal() const {
    std::ifstream file(journal());
    int lines = 0;
    for (std::string line; std::getline(file, line);) ++lines;
    return lines;
  }

  void await_journal(int lines) const {
    for (int i = 0; i < 60'000 && lines_of_journal() < lines; ++i) std::this_thread::sleep_for(1ms);
    ASSERT_EQ(lines_of_journal(), lines);
  }

  std::filesystem::path journal() const { return directory_ / "journal"; }

 private:
  std::filesystem::path directory_;
  std::vector<pid_t> children_;
};

void forever() {
  for (;;) ::pause();
}

TEST_F(Processes, CompileOnce) {
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  std::vector<pid_t> started;
  for (int i = 0; i < 16; ++i) {
    started.push_back(start([&] {
      char unused;
      ::close(gate[1]);
      (void)!::read(gate[0], &unused, 1);  // returns when the parent opens the gate
      return want(10min, [] { std::this_thread::sleep_for(200ms); });
    }));
  }
  ::close(gate[1]);
  for (const pid_t child : started) EXPECT_EQ(finish(child), 0);
  ::close(gate[0]);
  EXPECT_EQ(lines_of_journal(), 1);
}

TEST_F(Processes, AKilledOwnerIsTakenOverByOne) {
  const pid_t owner = start([&] { return want(10min, forever); });
  await_journal(1);
  std::vector<pid_t> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(
        start([&] { return want(10min, [] { std::this_thread::sleep_for(200ms); }); }));
  }
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(lines_of_journal(), 1);  // they wait
  ::kill(owner, SIGKILL);
  EXPECT_EQ(finish(owner), -SIGKILL);
  // Far below the wait limit: their alarms would end them first.
  for (const pid_t child : waiting) EXPECT_EQ(finish(child), 0);
  EXPECT_EQ(lines_of_journal(), 2);
}

TEST_F(Processes, AWaiterCompilesForItselfAfterTheWaitLimit) {
  const pid_t owner = start([&] { return want(10min, forever); });
  await_journal(1);
  EXPECT_EQ(finish(start([&] { return want(50ms, [] {}); })), 0);
  EXPECT_EQ(lines_of_journal(), 2);
  EXPECT_EQ(::kill(owner, 0), 0);  // the owner was alive all the while
  ::kill(owner, SIGKILL);
  EXPECT_EQ(finish(owner), -SIGKILL);
}

TEST_F(Processes, AStoppedOwnersResultIsNotLostWhenItGoesOn) {
  const pid_t owner = start([&] { return want(10min, [] { ::raise(SIGSTOP); }); });
  await_journal(1);
  int status = 0;
  ASSERT_EQ(::waitpid(owner, &status, WUNTRACED), owner);
  ASSERT_TRUE(WIFSTOPPED(status));
  const pid_t waiter = start([&] { return want(10min, [] {}); });
  std::this_thread::sleep_for(50ms);
  ::kill(owner, SIGCONT);
  EXPECT_EQ(finish(owner), 0);
  EXPECT_EQ(finish(waiter), 0);
  EXPECT_EQ(lines_of_journal(), 1);
}

TEST_F(Processes, AnEntryServesALaterProcess) {
  EXPECT_EQ(finish(start([&] { return want(10min, [] {}); })), 0);
  EXPECT_EQ(finish(start([&] { return want(10min, forever); })), 0);
  EXPECT_EQ(lines_of_journal(), 1);
}

}  // namespace
}  // namespace larder
