#include "log_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

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

}  // namespace

Logger make_logger(const std::string& destination) {
  if (destination.empty()) return {};
  const bool to_stderr = destination == "stderr";
  constexpr int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY;
  Descriptor opened(to_stderr ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                              : ::open(destination.c_str(), flags, 0600));
  if (!opened) {
    warn(fmt::format("the log {} cannot be opened ({}); going on without one", destination,
                     std::strerror(errno)));
    return {};
  }
  auto descriptor = std::make_shared<Descriptor>(std::move(opened));
  return [descriptor](LogLevel level, std::string_view message) {
    const std::string line = fmt::format("{} larder[{}] {}: {}\n", iso_time(std::time(nullptr)),
                                         ::getpid(), level_name(level), message);
    // One write, so that lines of several processes do not mix. A log that fails harms nothing.
    [[maybe_unused]] const auto written = ::write(descriptor->get(), line.data(), line.size());
  };
}

Logger Warnings::listen(Logger next) {
  return [this, next = std::move(next)](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) {
      const std::lock_guard lock(mutex_);
      kept_.emplace_back(message);
    }
    if (next) next(level, message);
  };
}

std::vector<std::string> Warnings::all() {
  const std::lock_guard lock(mutex_);
  return kept_;
}

}  // namespace larder::cli
