#include "os/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

namespace larder {
namespace {

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

}  // namespace

Result<Logger> open_log(const std::string& target) {
  if (target == "stderr") return logger_to(std::make_shared<const LogFile>(STDERR_FILENO, false));
  // O_NONBLOCK: a pipe that nobody reads must not hang the host.
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int descriptor = ::open(target.c_str(), flags, 0600);
  if (descriptor < 0) {
    const int os_error = errno;
    return std::unexpected(Error{.code = Errc::bad_config,
                                 .os_error = os_error,
                                 .message = "the log " + target + " cannot be opened: " +
                                            std::generic_category().message(os_error) +
                                            "; set LARDER_LOG to a file that may be written"});
  }
  return logger_to(std::make_shared<const LogFile>(descriptor, true));
}

}  // namespace larder
