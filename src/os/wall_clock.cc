#include "os/wall_clock.h"

#include <ctime>

namespace larder {

// The clock that the kernel stamps files with: some milliseconds late, and a quarter of the price.
// It is asked at every put whose store has a greatest age.
std::int64_t wall_clock_s() noexcept {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

}  // namespace larder
