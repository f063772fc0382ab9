// BLAKE3's compression function in up to 16 lanes of a vector: each lane has a message of its own.
// What calls these functions is lanes.cc; nobody else should.
#ifndef LARDER_BASE_LANE_KERNEL_H_
#define LARDER_BASE_LANE_KERNEL_H_

#include <cstdint>

namespace larder {

inline constexpr int max_lanes = 16;

// The state of each lane in columns: words[3][5] is the third word of the fifth lane. Arrays of the
// language, because a kernel that is compiled for AVX-512 must not leave behind an inline function
// of the C++ library that the linker could choose for everybody.
struct alignas(64) LaneState {
  std::uint32_t chaining[8][max_lanes];
  std::uint32_t counter_low[max_lanes];
  std::uint32_t counter_high[max_lanes];
  std::uint32_t flags[max_lanes];        // of each block,
  std::uint32_t first_flags[max_lanes];  // of the first one besides,
  std::uint32_t last_flags[max_lanes];   // of the last one besides
  std::uint32_t last_bytes[max_lanes];   // of the last block; all others are whole
  const unsigned char* data[max_lanes];  // 64 bytes for each block but the last
  const unsigned char* last[max_lanes];  // the last block, 64 bytes
};

// Compresses `blocks` blocks of each of the first N lanes into its chaining value. All N must have
// bytes to read, used or not. The machine must have what the name says.
void compress_4_lanes(LaneState& state, std::uint32_t blocks) noexcept;
void compress_8_lanes_avx2(LaneState& state, std::uint32_t blocks) noexcept;
void compress_8_lanes_avx512(LaneState& state, std::uint32_t blocks) noexcept;
void compress_16_lanes_avx512(LaneState& state, std::uint32_t blocks) noexcept;

}  // namespace larder

#endif  // LARDER_BASE_LANE_KERNEL_H_
