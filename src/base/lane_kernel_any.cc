// For every processor: SSE2 on x86-64, NEON on ARM.
#include "base/lane_rounds.h"

namespace larder {

void compress_4_lanes(LaneState& state, std::uint32_t blocks) noexcept {
  compress<4>(state, blocks);
}

}  // namespace larder
