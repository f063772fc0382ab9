// What no store that reads owned bytes can be faster than, measured beside the stores.
#ifndef LARDER_BENCH_SUITES_FLOOR_H_
#define LARDER_BENCH_SUITES_FLOOR_H_

#include <cstddef>
#include <cstdint>

#include "suites.h"

namespace larder::bench {

// Notes the median time of reading `size_bytes` at a random place of one file that is open and in
// the page cache, into memory that is there, and of hashing what was read.
void show_floor(const Context& context, std::size_t size_bytes, std::uint64_t entries);

}  // namespace larder::bench

#endif  // LARDER_BENCH_SUITES_FLOOR_H_
