// Little-endian loads and stores, whatever the machine.
#ifndef LARDER_BASE_BYTE_ORDER_H_
#define LARDER_BASE_BYTE_ORDER_H_

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace larder {

template <std::unsigned_integral T>
constexpr T load_little(const std::byte* from) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(static_cast<T>(from[i]) << (8 * i));
  }
  return value;
}

template <std::unsigned_integral T>
constexpr void store_little(std::byte* to, T value) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    to[i] = static_cast<std::byte>(value >> (8 * i));
  }
}

}  // namespace larder

#endif  // LARDER_BASE_BYTE_ORDER_H_
