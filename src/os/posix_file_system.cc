#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "base/hex.h"
#include "base/try.h"
#include "larder/file_system.h"
#include "os/posix_directory.h"
#include "os/posix_error.h"
#include "os/posix_file.h"
#include "os/wall_clock.h"

namespace larder {
namespace os {
namespace {

struct Free {
  void operator()(char* text) const noexcept { std::free(text); }
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<Directory>> open_directory(std::string_view path) override {
    const std::string text(path);
    Descriptor opened(::open(text.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened.valid()) return failed(errno, "open");
    return std::make_unique<PosixDirectory>(std::move(opened));
  }

  Result<std::string> resolve(std::string_view path) override {
    const std::string text(path);
    const std::unique_ptr<char, Free> resolved(::realpath(text.c_str(), nullptr));
    if (!resolved) return failed(errno, "realpath");
    return std::string(resolved.get());
  }

  Result<std::string> read_file(std::string_view path, std::size_t max_bytes) override {
    const std::string text(path);
    Descriptor opened(::open(text.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!opened.valid()) return failed(errno, "open");
    PosixFile file(std::move(opened));
    LARDER_TRY(const FileInfo info, file.info());
    if (info.kind != FileKind::regular) return failed(EINVAL, "open (not a regular file)");
    std::string content(max_bytes + 1, '\0');
    LARDER_TRY(const std::size_t count,
               file.read_at(std::as_writable_bytes(std::span(content)), 0));
    if (count > max_bytes) {
      return std::unexpected(Error{.code = Errc::too_large, .message = "read: file too large"});
    }
    content.resize(count);
    return content;
  }

  UserInfo user() override {
    struct rlimit limit = {};
    const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
    // AT_SECURE is set for set-user-id, set-group-id and file capabilities alike.
    return {.effective = ::geteuid(),
            .elevated = ::getauxval(AT_SECURE) != 0,
            .descriptor_limit = known ? limit.rlim_cur : 1024};
  }

  Result<std::string> random_name() override {
    std::array<std::uint8_t, 16> bytes;
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      return failed(errno, "getrandom");
    }
    return to_hex(bytes);
  }

  std::int64_t now_s() override { return wall_clock_s(); }
};

}  // namespace
}  // namespace os

FileSystem& posix_file_system() {
  // Never destroyed: stores in static objects may use it until the very end of the process.
  static auto* const file_system = new os::PosixFileSystem;
  return *file_system;
}

}  // namespace larder
