// The names of a pack store's files. Numbers in them have a fixed width: lower-case hex, leading
// zeros, nothing else, so that one number has one name.
#ifndef LARDER_FORMAT_PACK_NAME_H_
#define LARDER_FORMAT_PACK_NAME_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hex.h"

namespace larder::format {

// In the root, beside the marker and the lock file.
inline constexpr std::string_view state_name = "state";
inline constexpr std::string_view segments_name = "segments";
inline constexpr std::string_view large_name = "large";

inline void append_hex(std::string& to, std::uint64_t number, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    to.push_back("0123456789abcdef"[number >> shift & 15]);
  }
}

// Takes exactly `digits` (at most 16) off the front of `text`; nullopt, and `text` untouched, when
// it does not begin so.
inline std::optional<std::uint64_t> take_hex(std::string_view& text, std::size_t digits) noexcept {
  if (text.size() < digits) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text.substr(0, digits)) {
    const int digit = hex_digit(c);
    if (digit < 0) return std::nullopt;
    number = number << 4 | static_cast<std::uint64_t>(digit);
  }
  text.remove_prefix(digits);
  return number;
}

}  // namespace larder::format

#endif  // LARDER_FORMAT_PACK_NAME_H_
