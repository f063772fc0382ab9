#include "larder/fingerprint.h"

#include "base/hex.h"

namespace larder {

std::optional<Fingerprint> Fingerprint::from_hex(std::string_view text) noexcept {
  if (text.size() != 2 * size_bytes) return std::nullopt;
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < size_bytes; ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    fingerprint.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return fingerprint;
}

std::string Fingerprint::hex() const { return to_hex(bytes); }

}  // namespace larder
