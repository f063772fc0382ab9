// Little-endian loads and stores, whatever the machine.
#ifndef LARDER_BASE_BYTE_ORDER_H_
#define LARDER_BASE_BYTE_ORDER_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace larder {

// One load or store where the machine is little-endian: a loop over bytes is what compilers make of
// a loop over bytes, and every header is read and written with these.
template <std::unsigned_integral T>
constexpr T load_little(const std::byte* from) noexcept {
  T value = 0;
  if consteval {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value |= static_cast<T>(static_cast<T>(from[i]) << (8 * i));
    }
  } else {
    std::memcpy(&value, from, sizeof(T));
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  }
  return value;
}

template <std::unsigned_integral T>
constexpr void store_little(std::byte* to, T value) noexcept {
  if consteval {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      to[i] = static_cast<std::byte>(value >> (8 * i));
    }
  } else {
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    std::memcpy(to, &value, sizeof(T));
  }
}

}  // namespace larder

#endif  // LARDER_BASE_BYTE_ORDER_H_
