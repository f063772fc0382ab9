#ifndef LARDER_BENCH_CLOCK_H_
#define LARDER_BENCH_CLOCK_H_

#include <chrono>

namespace larder::bench {

using Clock = std::chrono::steady_clock;

inline double ns_since(Clock::time_point began) {
  return std::chrono::duration<double, std::nano>(Clock::now() - began).count();
}

}  // namespace larder::bench

#endif  // LARDER_BENCH_CLOCK_H_
