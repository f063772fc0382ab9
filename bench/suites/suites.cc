#include "suites.h"

#include <array>

namespace larder::bench {
namespace {

constexpr std::uint64_t gib = 1ull << 30;

constexpr std::array all = {
    Suite{"sweep", run_sweep, 20 * gib, 2 * gib},
    Suite{"flush", run_flush, 2 * gib, gib / 4},
};

}  // namespace

std::span<const Suite> suites() { return all; }

}  // namespace larder::bench
