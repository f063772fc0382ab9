// Reserved fields are zero.
#ifndef LARDER_BASE_ZERO_BYTES_H_
#define LARDER_BASE_ZERO_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <span>

namespace larder {

inline bool is_zero(std::span<const std::byte> bytes) noexcept {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace larder

#endif  // LARDER_BASE_ZERO_BYTES_H_
