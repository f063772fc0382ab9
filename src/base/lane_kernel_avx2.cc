// Compiled with -mavx2: nothing of it may run before lanes.cc has asked the processor.
#include "base/lane_rounds.h"

namespace larder {

void compress_8_lanes_avx2(LaneState& state, std::uint32_t blocks) noexcept {
  compress<8>(state, blocks);
}

}  // namespace larder
