#include "os/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "os/descriptor.h"

namespace larder::os {
namespace {

constexpr std::size_t max_path_bytes = 511;

int open_by_openat2(int directory, const char* path, int flags, unsigned mode) noexcept {
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

// One component after another. Mount points are crossed here, unlike above: only a privileged user
// can mount, and that user is trusted.
int open_by_components(int directory, char* path, int flags, unsigned mode) noexcept {
  if (path[0] == '/' || std::strstr(path, "..") != nullptr) {
    errno = EXDEV;
    return -1;
  }
  char* slash = std::strchr(path, '/');
  if (slash == nullptr) return ::openat(directory, path, flags | O_NOFOLLOW, mode);
  *slash = '\0';
  const int inner = ::openat(directory, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inner < 0) return -1;
  const int opened = ::openat(inner, slash + 1, flags | O_NOFOLLOW, mode);
  const int error = errno;
  ::close(inner);
  errno = error;
  return opened;
}

}  // namespace

int open_beneath(int directory, std::string_view path, int flags, unsigned mode) noexcept {
  char terminated[max_path_bytes + 1];
  if (path.empty() || path.size() > max_path_bytes) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(terminated, path.data(), path.size());
  terminated[path.size()] = '\0';
  flags |= O_CLOEXEC;
  // With O_PATH the kernel refuses the flags that speak of reading.
  if ((flags & O_PATH) == 0) flags |= O_NOCTTY | O_NONBLOCK;
  for (int attempt = 0;; ++attempt) {
    const int opened = open_by_openat2(directory, terminated, flags, mode);
    if (opened >= 0) return opened;
    // EAGAIN: something was renamed during the walk, and the kernel asks for another try.
    if ((errno == EINTR || errno == EAGAIN) && attempt < 16) continue;
    if (errno != ENOSYS && errno != EPERM) return -1;
    return open_by_components(directory, terminated, flags, mode);
  }
}

}  // namespace larder::os
