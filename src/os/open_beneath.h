// openat that follows no link in any component and does not leave the directory.
#ifndef LARDER_OS_OPEN_BENEATH_H_
#define LARDER_OS_OPEN_BENEATH_H_

#include <string_view>

namespace larder::os {

// A descriptor, or -1 with errno set, as openat. O_CLOEXEC, O_NOCTTY and O_NONBLOCK are always on,
// so that neither a FIFO nor a terminal can hold us. `mode` counts with O_CREAT and O_TMPFILE.
// openat2 with RESOLVE_BENEATH, NO_SYMLINKS, NO_MAGICLINKS and NO_XDEV; where the kernel or a
// sandbox refuses openat2, one O_NOFOLLOW openat per component.
int open_beneath(int directory, std::string_view path, int flags, unsigned mode = 0) noexcept;

}  // namespace larder::os

#endif  // LARDER_OS_OPEN_BENEATH_H_
