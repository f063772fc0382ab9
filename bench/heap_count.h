#ifndef LARDER_BENCH_HEAP_COUNT_H_
#define LARDER_BENCH_HEAP_COUNT_H_

#include <cstdint>

namespace larder::bench {

// How often this thread has called operator new, of any kind. What C libraries allocate with malloc
// is not in it.
std::uint64_t heap_allocations();

}  // namespace larder::bench

#endif  // LARDER_BENCH_HEAP_COUNT_H_
