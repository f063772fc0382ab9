// The time of day.
#ifndef LARDER_OS_WALL_CLOCK_H_
#define LARDER_OS_WALL_CLOCK_H_

#include <cstdint>

namespace larder {

// Seconds since 1970. It jumps when somebody sets it: never measure a length of time with it.
std::int64_t wall_clock_s() noexcept;

}  // namespace larder

#endif  // LARDER_OS_WALL_CLOCK_H_
