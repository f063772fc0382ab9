#include "child.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace larder::bench {
namespace {

class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  Pipe(Pipe&& other) noexcept : ends_(std::exchange(other.ends_, {-1, -1})) {}
  Pipe& operator=(Pipe&&) = delete;
  ~Pipe() {
    close_reading();
    close_writing();
  }

  void close_reading() { close_end(0); }
  void close_writing() { close_end(1); }

  // False when the other side has gone.
  bool read(void* into, std::size_t size) {
    auto* at = static_cast<char*>(into);
    while (size > 0) {
      const ssize_t count = ::read(ends_[0], at, size);
      if (count <= 0) return false;
      at += count;
      size -= static_cast<std::size_t>(count);
    }
    return true;
  }

  bool write(const void* from, std::size_t size) {
    const auto* at = static_cast<const char*>(from);
    while (size > 0) {
      const ssize_t count = ::write(ends_[1], at, size);
      if (count <= 0) return false;
      at += count;
      size -= static_cast<std::size_t>(count);
    }
    return true;
  }

 private:
  void close_end(std::size_t which) {
    if (ends_[which] >= 0) ::close(ends_[which]);
    ends_[which] = -1;
  }

  std::array<int, 2> ends_ = {-1, -1};
};

struct Child {
  pid_t process = -1;
  Pipe to_child;
  Pipe from_child;
};

pid_t fork_or_throw() {
  std::fflush(nullptr);
  const pid_t process = ::fork();
  if (process < 0) throw std::system_error(errno, std::generic_category(), "fork");
  return process;
}

void run_child(Child& child, const std::function<Work(int)>& prepare, int index) {
  const Work work = prepare(index);
  char byte = 0;
  if (!child.from_child.write(&byte, 1) || !child.to_child.read(&byte, 1)) return;
  const Figures figures = work();
  const std::uint64_t count = figures.size();
  child.from_child.write(&count, sizeof count);
  child.from_child.write(figures.data(), count * sizeof(double));
}

void start(Child& child, const std::function<Work(int)>& prepare, int index) {
  child.process = fork_or_throw();
  if (child.process == 0) {
    child.from_child.close_reading();
    child.to_child.close_writing();
    try {
      run_child(child, prepare, index);
    } catch (const std::exception& error) {
      fmt::print(stderr, "larder-bench: in a process of its own: {}\n", error.what());
    }
    ::_exit(0);
  }
  child.from_child.close_writing();
  child.to_child.close_reading();
}

Figures finish(Child& child) {
  std::uint64_t count = 0;
  Figures figures;
  const bool counted = child.from_child.read(&count, sizeof count);
  if (counted) figures.resize(count);
  const bool complete = counted && child.from_child.read(figures.data(), count * sizeof(double));
  ::waitpid(child.process, nullptr, 0);
  if (!complete) throw std::runtime_error("a process of its own ended without its figures");
  return figures;
}

}  // namespace

void append(Figures& figures, const Figures& samples) {
  figures.push_back(static_cast<double>(samples.size()));
  figures.insert(figures.end(), samples.begin(), samples.end());
}

Figures take(Figures::const_iterator& next) {
  const auto count = static_cast<std::ptrdiff_t>(*next++);
  Figures samples(next, next + count);
  next += count;
  return samples;
}

std::vector<Figures> in_children(int count, const std::function<Work(int index)>& prepare) {
  std::vector<Child> children;
  for (int index = 0; index < count; ++index) {
    children.emplace_back();
    start(children.back(), prepare, index);
  }
  char byte = 0;
  bool ready = true;
  for (Child& child : children) ready = child.from_child.read(&byte, 1) && ready;
  for (Child& child : children) {
    // One that did not get ready is gone already.
    if (ready) child.to_child.write(&byte, 1);
    if (!ready) ::kill(child.process, SIGKILL);
  }
  std::vector<Figures> results;
  for (Child& child : children) results.push_back(finish(child));
  return results;
}

Figures in_child(const Work& work) {
  return in_children(1, [&](int) { return work; }).front();
}

ChildStatus guarded(const std::function<int()>& body, unsigned seconds) {
  const pid_t process = fork_or_throw();
  if (process == 0) {
    const rlimit no_core = {};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::alarm(seconds);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  if (WIFEXITED(status)) return {ChildEnd::exited, WEXITSTATUS(status)};
  return {WTERMSIG(status) == SIGALRM ? ChildEnd::hung : ChildEnd::crashed, 0};
}

namespace {

volatile std::sig_atomic_t interruptible_group = 0;

[[noreturn]] void run_and_exit(const std::function<int()>& body) {
  int code = 1;
  try {
    code = body();
  } catch (const std::exception& error) {
    fmt::print(stderr, "larder-bench: {}\n", error.what());
  }
  std::fflush(nullptr);
  ::_exit(code);
}

int exit_code_of(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void end_group(int) {
  if (interruptible_group > 0) ::kill(-interruptible_group, SIGKILL);
}

}  // namespace

int apart(const std::function<int()>& body) {
  const pid_t process = fork_or_throw();
  if (process == 0) run_and_exit(body);
  return exit_code_of(process);
}

int interruptible(const std::function<int()>& body) {
  sigset_t interrupts, before;
  sigemptyset(&interrupts);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&interrupts, signal);
  ::sigprocmask(SIG_BLOCK, &interrupts, &before);  // until the handler knows whom to end
  const pid_t process = fork_or_throw();
  if (process == 0) {
    ::setpgid(0, 0);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    run_and_exit(body);
  }
  ::setpgid(process, process);  // whoever of the two comes first
  interruptible_group = process;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, end_group);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return exit_code_of(process);
}

std::uint64_t private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kib = 0;
    if (word == "RssAnon:" && status >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace larder::bench
