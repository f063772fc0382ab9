// No handlers, and so no global state: the signals we care about are blocked and taken one by one
// by sigtimedwait, SIGCHLD among them. A SIGINT or SIGHUP that the kernel sent came from the
// terminal, which has sent it to COMMAND as well: only what a process sent is passed on.
//
// COMMAND dies with us by PR_SET_PDEATHSIG, which SIGKILL cannot keep from happening. We may have
// died before the child asked for it: then its parent is another process already, and it ends
// itself.
#include "process.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <string_view>

#include "descriptor.h"
#include "exit_code.h"

namespace larder::cli {
namespace {

// Blocks the signals that we wait for, and restores the mask at the end.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    ::sigemptyset(&awaited_);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&awaited_, signal);
    ::sigprocmask(SIG_BLOCK, &awaited_, &before_);
    // Whoever started us may ignore SIGCHLD: then nobody would keep COMMAND's status for us.
    ::signal(SIGCHLD, SIG_DFL);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { restore(); }

  void restore() const { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  const sigset_t& awaited() const { return awaited_; }

 private:
  sigset_t awaited_{};
  sigset_t before_{};
};

[[noreturn]] void become(char* const* arguments, pid_t parent, const SignalsBlocked& signals,
                         int report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(exit_refused);
  signals.restore();
  ::execvp(arguments[0], arguments);
  const int os_error = errno;
  [[maybe_unused]] const auto written = ::write(report, &os_error, sizeof os_error);
  ::_exit(exit_no_command);
}

int status_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

int wait_for(pid_t child, const SignalsBlocked& signals) {
  // The child's end wakes us; the limit is for a SIGCHLD that another thread took.
  constexpr timespec limit{.tv_sec = 0, .tv_nsec = 200'000'000};
  for (;;) {
    int wait_status = 0;
    const pid_t ended = ::waitpid(child, &wait_status, WNOHANG);
    if (ended == child) return status_of(wait_status);
    if (ended < 0 && errno != EINTR) return exit_refused;
    siginfo_t info{};
    const int signal = ::sigtimedwait(&signals.awaited(), &info, &limit);
    const bool from_terminal = info.si_code == SI_KERNEL;
    if (signal > 0 && signal != SIGCHLD && !from_terminal) ::kill(child, signal);
  }
}

std::string_view advice(int os_error) {
  switch (os_error) {
    case ENOENT: return "; check its name and PATH, or the program in its #! line";
    case EACCES: return "; check that it is a program and may be executed";
    case ENOEXEC: return "; give it a #! line, or name a program";
    default: return "";
  }
}

CommandResult cannot_run(const std::string& name, int os_error, int exit_status) {
  return {.exit_status = exit_status,
          .problem =
              fmt::format("cannot run {}: {}{}", name, std::strerror(os_error), advice(os_error))};
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return cannot_run(command[0], errno, exit_refused);
  const Descriptor report(ends[0]);
  Descriptor report_from_child(ends[1]);

  const SignalsBlocked signals;
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return cannot_run(command[0], errno, exit_refused);
  if (child == 0) become(arguments.data(), parent, signals, report_from_child.get());

  report_from_child.close();
  int os_error = 0;
  const bool not_started = ::read(report.get(), &os_error, sizeof os_error) == sizeof os_error;
  const int status = wait_for(child, signals);
  if (!not_started) return {.exit_status = status, .problem = {}};
  const bool missing = os_error == ENOENT;
  return cannot_run(command[0], os_error, missing ? exit_no_command : exit_not_executable);
}

}  // namespace larder::cli
