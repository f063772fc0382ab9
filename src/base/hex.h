// Lower-case hex.
#ifndef LARDER_BASE_HEX_H_
#define LARDER_BASE_HEX_H_

#include <cstdint>
#include <span>
#include <string>

namespace larder {

inline std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

// -1 for anything but 0-9 and a-f.
constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace larder

#endif  // LARDER_BASE_HEX_H_
