// System calls that are counted, and refused on request. A test program that lists system_calls.cc
// has these functions of the C library replaced by ones that do so; the machine's kernel, which may
// be newer than the one that a test is about, then does the rest.
#ifndef LARDER_TESTS_UNIT_SYSTEM_CALLS_H_
#define LARDER_TESTS_UNIT_SYSTEM_CALLS_H_

#include <array>
#include <cstddef>

namespace larder {

enum class Call {
  fallocate,            // mode 0
  fallocate_keep_size,  // every other mode
  get_flags,            // ioctl(FS_IOC_GETFLAGS): answered with SystemCalls::flags
  set_flags,            // ioctl(FS_IOC_SETFLAGS): kept in SystemCalls::flags
  getrlimit,            // of the file size
  populate,             // madvise(MADV_POPULATE_READ), the question about support included
  pwritev,
};
inline constexpr std::size_t call_kinds = static_cast<std::size_t>(Call::pwritev) + 1;

inline constexpr int for_ever = -1;

struct WatchedCall {
  int count = 0;     // calls, the refused ones included
  int os_error = 0;  // what it is refused with
  int refusals = 0;  // how many of the next calls are refused, or for_ever
};

struct SystemCalls {
  std::array<WatchedCall, call_kinds> watched;
  std::size_t longest_write_bytes = 0;  // what pwritev writes at most at a time; 0: everything
  int flags = 0;

  WatchedCall& of(Call call) { return watched[static_cast<std::size_t>(call)]; }

  void refuse(Call call, int os_error, int times = for_ever) {
    of(call).os_error = os_error;
    of(call).refusals = times;
  }
};

// Those of this thread.
extern thread_local SystemCalls system_calls;

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_SYSTEM_CALLS_H_
