// Until when a call may wait: for a moment, or until somebody asks it to stop.
#ifndef LARDER_OS_WAIT_LIMIT_H_
#define LARDER_OS_WAIT_LIMIT_H_

#include <algorithm>
#include <chrono>
#include <stop_token>

namespace larder::os {

struct WaitLimit {
  using Clock = std::chrono::steady_clock;
  using milliseconds = std::chrono::milliseconds;

  Clock::time_point deadline;
  std::stop_token stop = {};

  // Never negative; 0 as well once it was asked to stop.
  milliseconds left() const noexcept {
    if (stop.stop_requested()) return milliseconds(0);
    return std::max(std::chrono::ceil<milliseconds>(deadline - Clock::now()), milliseconds(0));
  }

  // What a system call may wait before `left` is looked at again: a stop does not wake it, and an
  // hour is what an int of milliseconds holds with ease.
  milliseconds slice() const noexcept {
    constexpr milliseconds longest = std::chrono::hours(1), until_stop_is_seen(50);
    return std::min(left(), stop.stop_possible() ? until_stop_is_seen : longest);
  }
};

}  // namespace larder::os

#endif  // LARDER_OS_WAIT_LIMIT_H_
