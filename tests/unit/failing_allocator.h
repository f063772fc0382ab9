// Memory that runs out on request. A test program that lists failing_allocator.cc has its allocator
// replaced.
#ifndef LARDER_TESTS_UNIT_FAILING_ALLOCATOR_H_
#define LARDER_TESTS_UNIT_FAILING_ALLOCATOR_H_

#include <limits>

namespace larder {

inline constexpr int never = std::numeric_limits<int>::max();

// How many allocations of this thread succeed before one fails; after that one, all succeed.
extern thread_local int before_failure;
extern thread_local bool has_failed;

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_FAILING_ALLOCATOR_H_
