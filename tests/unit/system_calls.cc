#include "tests/unit/system_calls.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>

namespace larder {

thread_local SystemCalls system_calls;

namespace {

constexpr int populate_read = 22;  // MADV_POPULATE_READ, which older headers lack

// Counts the call; true when it is to fail with the errno that is now set.
bool refused(Call call) {
  WatchedCall& watched = system_calls.of(call);
  ++watched.count;
  if (watched.refusals == 0) return false;
  if (watched.refusals > 0) --watched.refusals;
  errno = watched.os_error;
  return true;
}

}  // namespace
}  // namespace larder

using larder::Call;
using larder::refused;
using larder::system_calls;

extern "C" {

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  if (refused(mode == 0 ? Call::fallocate : Call::fallocate_keep_size)) return -1;
  return static_cast<int>(::syscall(SYS_fallocate, descriptor, mode, offset, length));
}

int getrlimit(__rlimit_resource_t resource, rlimit* limit) noexcept {
  if (resource == RLIMIT_FSIZE && refused(Call::getrlimit)) return -1;
  return static_cast<int>(::syscall(SYS_prlimit64, 0, resource, nullptr, limit));
}

int madvise(void* address, std::size_t length, int advice) noexcept {
  if (advice == larder::populate_read && refused(Call::populate)) return -1;
  return static_cast<int>(::syscall(SYS_madvise, address, length, advice));
}

ssize_t pwritev(int descriptor, const iovec* pieces, int count, off_t offset) {
  if (refused(Call::pwritev)) return -1;
  const std::size_t most = system_calls.longest_write_bytes;
  if (most == 0) return ::syscall(SYS_pwritev, descriptor, pieces, count, offset, 0L);
  return ::pwrite(descriptor, pieces->iov_base, std::min(most, pieces->iov_len), offset);
}

int ioctl(int descriptor, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request == FS_IOC_GETFLAGS) {
    if (refused(Call::get_flags)) return -1;
    *static_cast<int*>(argument) = system_calls.flags;
    return 0;
  }
  if (request == FS_IOC_SETFLAGS) {
    if (refused(Call::set_flags)) return -1;
    system_calls.flags = *static_cast<const int*>(argument);
    return 0;
  }
  return static_cast<int>(::syscall(SYS_ioctl, descriptor, request, argument));
}
}
