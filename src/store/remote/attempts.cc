#include "store/remote/attempts.h"

#include <algorithm>
#include <thread>

namespace larder {
namespace {

using remote::Clock;
using remote::milliseconds;

// The first time at once: a kept connection that the server has closed meanwhile is the common
// case. Then up to 10 ms, then up to 20: whoever failed at the same time does not come back at the
// same time, by the last digits of his clock.
Clock::duration pause_after(int tries) noexcept {
  const Clock::duration most = milliseconds(10) * (tries - 1);
  if (most.count() == 0) return most;
  return Clock::duration((Clock::now().time_since_epoch().count() / 64) % most.count());
}

}  // namespace

bool Attempts::again(const Error& error, int tries) const {
  if (!may_pass(error.code) || tries >= most || stop_.stop_requested()) return false;
  const Clock::duration pause = pause_after(tries);
  // Without time for an answer there is no point in asking.
  if (Clock::now() + pause + std::min(timeouts_.connect, timeouts_.data) / 2 >= end_) return false;
  std::this_thread::sleep_for(pause);
  return true;
}

}  // namespace larder
