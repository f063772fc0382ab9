// What a person sees while something takes long: a line on a terminal, after a second, that
// vanishes.
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "cli/terminal.h"

namespace larder::cli {
namespace {

// Takes the place of standard error while it lives.
class StandardError {
 public:
  explicit StandardError(int replacement) : saved_(::dup(STDERR_FILENO)) {
    ::dup2(replacement, STDERR_FILENO);
  }
  StandardError(const StandardError&) = delete;
  StandardError& operator=(const StandardError&) = delete;
  ~StandardError() {
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }

 private:
  int saved_;
};

void work(Progress& progress, std::chrono::milliseconds how_long) {
  progress.expect(4);
  progress.step();
  std::this_thread::sleep_for(how_long);
  progress.step();
}

// What was written to the other end, which is closed by then.
std::string read_all(int descriptor) {
  std::string text;
  char piece[512];
  for (;;) {
    const ssize_t got = ::read(descriptor, piece, sizeof piece);
    if (got <= 0) return text;
    text.append(piece, static_cast<std::size_t>(got));
  }
}

std::string shown_on_a_terminal(std::chrono::milliseconds how_long) {
  int ours = -1;
  int theirs = -1;
  if (::openpty(&ours, &theirs, nullptr, nullptr, nullptr) != 0) return "no terminal";
  {
    const StandardError replaced(theirs);
    Progress progress("verifying");
    work(progress, how_long);
  }
  ::close(theirs);
  const std::string text = read_all(ours);
  ::close(ours);
  return text;
}

TEST(Progress, ShowsALineThatVanishesAfterASecond) {
  ::setenv("TERM", "xterm", 1);
  const std::string shown = shown_on_a_terminal(std::chrono::milliseconds(1100));
  EXPECT_NE(shown.find("verifying [###############...............] 2/4"), std::string::npos)
      << shown;
  EXPECT_TRUE(shown.ends_with("\r\x1b[K")) << shown;
}

TEST(Progress, ShowsNothingWhenItIsQuick) {
  ::setenv("TERM", "xterm", 1);
  EXPECT_EQ(shown_on_a_terminal(std::chrono::milliseconds(0)), "");
}

TEST(Progress, ShowsNothingWhereThereIsNoTerminal) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  {
    const StandardError replaced(ends[1]);
    Progress progress("verifying");
    work(progress, std::chrono::milliseconds(1100));
  }
  ::close(ends[1]);
  EXPECT_EQ(read_all(ends[0]), "");
  ::close(ends[0]);
}

}  // namespace
}  // namespace larder::cli
