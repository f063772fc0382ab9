// A fingerprint: 32 bytes, the BLAKE3 digest of everything that a compiled result depends on.
#ifndef LARDER_FINGERPRINT_H_
#define LARDER_FINGERPRINT_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "larder/export.h"

namespace larder LARDER_PUBLIC {

struct Fingerprint {
  static constexpr std::size_t size_bytes = 32;

  std::array<std::uint8_t, size_bytes> bytes{};

  // Exactly 64 lower-case hex digits, as hex() writes them; anything else is nullopt.
  static std::optional<Fingerprint> from_hex(std::string_view text) noexcept;

  // 64 lower-case hex digits.
  std::string hex() const;

  friend auto operator<=>(const Fingerprint&, const Fingerprint&) = default;
};

}  // namespace larder

// A fingerprint is a digest already: any eight bytes of it are a good hash. Callers may choose the
// fingerprints of untrusted input, so tables that face such callers must mix in a secret.
template <>
struct std::hash<larder::Fingerprint> {
  std::size_t operator()(const larder::Fingerprint& fingerprint) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, fingerprint.bytes.data() + 8, sizeof value);
    return value;
  }
};

#endif  // LARDER_FINGERPRINT_H_
