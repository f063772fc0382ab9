// Compiled with -mavx512f -mavx512vl: nothing of it may run before lanes.cc has asked the
// processor.
#include "base/lane_rounds.h"

namespace larder {

void compress_8_lanes_avx512(LaneState& state, std::uint32_t blocks) noexcept {
  compress<8>(state, blocks);
}

void compress_16_lanes_avx512(LaneState& state, std::uint32_t blocks) noexcept {
  compress<16>(state, blocks);
}

}  // namespace larder
