#include "suites.h"

#include <array>

namespace larder::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t gib = 1ull << 30;

constexpr std::array all = {
    Suite{"sweep", run_sweep, 20 * gib, 2 * gib, 16s},
    Suite{"mix", run_mix, 12 * gib, gib, 8s},
    Suite{"growth", run_growth, 24 * gib, gib / 2, 8s},
    Suite{"flush", run_flush, 2 * gib, gib / 4, 4s},
    Suite{"scale", run_scale, 4 * gib, gib / 2, 8s},
    Suite{"detect", run_detect, gib, gib / 2, 8s},
};

}  // namespace

std::span<const Suite> suites() { return all; }

}  // namespace larder::bench
