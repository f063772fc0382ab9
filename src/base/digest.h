// BLAKE3 behind a few functions. Several messages at once: digest_many.h.
#ifndef LARDER_BASE_DIGEST_H_
#define LARDER_BASE_DIGEST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace larder {

using Digest = std::array<std::uint8_t, 32>;

// BLAKE3 in steps. Copying a hasher copies its state: initialise a keyed or derived one once, and
// copy it for each message (deriving the key anew costs 120 ns).
class Hasher {
 public:
  Hasher() noexcept;  // plain hash

  // Key derivation mode: `context` must be hard-coded, globally unique and dated (BLAKE3's rule).
  static Hasher derive(std::string_view context) noexcept;
  static Hasher keyed(std::span<const std::uint8_t, 32> key) noexcept;

  Hasher& update(std::span<const std::byte> bytes) noexcept;
  Hasher& update(std::string_view text) noexcept {
    return update(std::as_bytes(std::span(text.data(), text.size())));
  }

  Digest finish() const noexcept;

 private:
  alignas(16) std::array<std::byte, 1920> state_;
};

Digest blake3(std::span<const std::byte> bytes) noexcept;

inline Digest blake3(std::string_view text) noexcept {
  return blake3(std::as_bytes(std::span(text.data(), text.size())));
}

// Hasher::keyed(key) over the message, at most 1024 bytes, without making a hasher.
Digest blake3_keyed_short(std::span<const std::uint8_t, 32> key,
                          std::span<const std::byte> message) noexcept;

// Compares all bytes whatever they are, so that timing does not tell where they differ.
bool equal_constant_time(std::span<const std::byte, 32> a, const Digest& b) noexcept;

}  // namespace larder

#endif  // LARDER_BASE_DIGEST_H_
