#include "log_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>

#include "descriptor.h"
#include "exit_code.h"
#include "text.h"

namespace larder::cli {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: break;
  }
  return "warning";
}

// Standard error is what the caller made it; a named pipe or socket may have no reader, or one that
// stops reading. O_NONBLOCK is for what becomes a pipe in between.
Descriptor open_destination(const std::string& destination, std::string& problem) {
  if (destination == "stderr") return Descriptor(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  struct stat info{};
  const auto is_unfit = [&] { return !S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode); };
  const auto unfit = [&] {
    problem = "it is neither a regular file nor a terminal";
    return Descriptor();
  };
  if (::stat(destination.c_str(), &info) == 0 && is_unfit()) return unfit();
  constexpr int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  Descriptor opened(::open(destination.c_str(), flags, 0600));
  if (!opened) {
    problem = std::strerror(errno);
    return opened;
  }
  if (::fstat(opened.get(), &info) != 0 || is_unfit()) return unfit();
  return opened;
}

}  // namespace

Logger make_logger(const std::string& destination) {
  if (destination.empty()) return {};
  std::string problem;
  Descriptor opened = open_destination(destination, problem);
  if (!opened) {
    warn(fmt::format("the log {} cannot be opened ({}); going on without one", destination,
                     problem.empty() ? std::strerror(errno) : problem));
    return {};
  }
  auto descriptor = std::make_shared<Descriptor>(std::move(opened));
  return [descriptor](LogLevel level, std::string_view message) {
    const std::string line = fmt::format("{} larder[{}] {}: {}\n", iso_time(std::time(nullptr)),
                                         ::getpid(), level_name(level), printable(message));
    // One write, so that lines of several processes do not mix. A log that fails harms nothing.
    [[maybe_unused]] const auto written = ::write(descriptor->get(), line.data(), line.size());
  };
}

Logger Warnings::listen(Logger next) {
  return [this, next = std::move(next)](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) {
      const std::lock_guard lock(mutex_);
      // One folder may be passed over several times on the way.
      if (std::ranges::find(kept_, message) == kept_.end()) kept_.emplace_back(message);
    }
    if (next) next(level, message);
  };
}

std::vector<std::string> Warnings::all() {
  const std::lock_guard lock(mutex_);
  return kept_;
}

void Warnings::tell() {
  const auto told = all();
  if (told.size() == 1) warn(told.front());
  if (told.size() > 1) warn(fmt::format("{} warnings, the first: {}", told.size(), told.front()));
}

}  // namespace larder::cli
