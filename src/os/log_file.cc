#include "os/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <memory>
#include <system_error>

namespace larder {
namespace {

// What a write to a pipe without a reader, or over the file size limit, would end the host with.
// Both are sent to the thread that writes, so that blocking them there is enough; one that was
// pending before belongs to somebody else and stays.
class WriteSignalsHeld {
 public:
  WriteSignalsHeld() noexcept {
    ::sigemptyset(&held_);
    ::sigaddset(&held_, SIGPIPE);
    ::sigaddset(&held_, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &held_, &mask_before_);
    sigset_t pending;
    ::sigpending(&pending);
    for (const int signal : {SIGPIPE, SIGXFSZ}) {
      if (::sigismember(&pending, signal) == 1) ::sigdelset(&held_, signal);
    }
  }
  WriteSignalsHeld(const WriteSignalsHeld&) = delete;
  WriteSignalsHeld& operator=(const WriteSignalsHeld&) = delete;
  ~WriteSignalsHeld() {
    constexpr timespec no_time = {};
    while (::sigtimedwait(&held_, nullptr, &no_time) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  }

 private:
  sigset_t held_;
  sigset_t mask_before_;
};

class LogFile {
 public:
  LogFile(int descriptor, bool owned) noexcept : descriptor_(descriptor), owned_(owned) {}
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile() {
    if (owned_) ::close(descriptor_);
  }

  // One system call for each line: appends of several processes do not mix within a line.
  void write(LogLevel level, std::string_view message) const {
    const std::string line = prefix(level) + std::string(message) + '\n';
    const WriteSignalsHeld no_signals;
    [[maybe_unused]] const ssize_t lost = ::write(descriptor_, line.data(), line.size());
  }

 private:
  static std::string prefix(LogLevel level) {
    switch (level) {
      case LogLevel::debug: return "larder: debug: ";
      case LogLevel::info: return "larder: ";
      case LogLevel::warning: return "larder: warning: ";
    }
    return "larder: ";
  }

  int descriptor_;
  bool owned_;
};

Logger logger_to(std::shared_ptr<const LogFile> file) {
  return [file = std::move(file)](LogLevel level, std::string_view message) {
    file->write(level, message);
  };
}

std::unexpected<Error> cannot_open(const std::string& target, int os_error,
                                   const std::string& why) {
  return std::unexpected(Error{.code = Errc::bad_config,
                               .os_error = os_error,
                               .message = "the log " + target + " cannot be opened: " + why +
                                          "; set LARDER_LOG to a file that may be written"});
}

// A pipe or a socket may have no reader, or one that stops reading.
bool is_file_or_terminal(mode_t mode) { return S_ISREG(mode) || S_ISCHR(mode); }

}  // namespace

Result<Logger> open_log(const std::string& target) {
  if (target == "stderr") return logger_to(std::make_shared<const LogFile>(STDERR_FILENO, false));
  const char* const unfit = "it is neither a regular file nor a terminal";
  struct stat info;
  if (::stat(target.c_str(), &info) == 0 && !is_file_or_terminal(info.st_mode)) {
    return cannot_open(target, 0, unfit);
  }
  // O_NONBLOCK: what has become a pipe since then must not hang the host, nor a stopped terminal.
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int descriptor = ::open(target.c_str(), flags, 0600);
  if (descriptor < 0) {
    const int os_error = errno;
    return cannot_open(target, os_error, std::generic_category().message(os_error));
  }
  auto file = std::make_shared<const LogFile>(descriptor, true);
  if (::fstat(descriptor, &info) != 0 || !is_file_or_terminal(info.st_mode)) {
    return cannot_open(target, 0, unfit);
  }
  return logger_to(std::move(file));
}

}  // namespace larder
