// Calls to a store, as bytes say: what the targets `operations` and `faults` have in common.
#ifndef LARDER_TESTS_FUZZ_CALLS_H_
#define LARDER_TESTS_FUZZ_CALLS_H_

#include <cstdint>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/store_world.h"

namespace larder::fuzz {

inline constexpr std::size_t most_calls = 48;

// Bits 0 to 1 = kind, 2 to 3 = budget, 4 = compression, 5 = the second one only reads, 6 = with a
// key, 7 = with two, of which each of the two stores writes with another one.
StoreChoice choice_of(std::uint8_t how);

// One call to the store that the world has turned to, and what it takes.
void do_next(StoreWorld& world, Input& input, std::uint8_t what);

}  // namespace larder::fuzz

#endif  // LARDER_TESTS_FUZZ_CALLS_H_
