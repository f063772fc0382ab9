#include "base/digest.h"

extern "C" {  // the header of version 1.3.1 does not say so itself
#include <blake3.h>
}

#include <cstring>
#include <new>

namespace larder {
namespace {

blake3_hasher* state_of(std::byte* bytes) noexcept {
  return std::launder(reinterpret_cast<blake3_hasher*>(bytes));
}

const blake3_hasher* state_of(const std::byte* bytes) noexcept {
  return std::launder(reinterpret_cast<const blake3_hasher*>(bytes));
}

}  // namespace

Hasher::Hasher() noexcept {
  static_assert(sizeof(blake3_hasher) <= sizeof state_ && alignof(blake3_hasher) <= 16);
  blake3_hasher_init(new (state_.data()) blake3_hasher);
}

Hasher Hasher::derive(std::string_view context) noexcept {
  Hasher hasher;
  blake3_hasher_init_derive_key_raw(state_of(hasher.state_.data()), context.data(), context.size());
  return hasher;
}

Hasher Hasher::keyed(std::span<const std::uint8_t, 32> key) noexcept {
  Hasher hasher;
  blake3_hasher_init_keyed(state_of(hasher.state_.data()), key.data());
  return hasher;
}

Hasher& Hasher::update(std::span<const std::byte> bytes) noexcept {
  blake3_hasher_update(state_of(state_.data()), bytes.data(), bytes.size());
  return *this;
}

Digest Hasher::finish() const noexcept {
  Digest digest;
  blake3_hasher_finalize(state_of(state_.data()), digest.data(), digest.size());
  return digest;
}

Digest blake3(std::span<const std::byte> bytes) noexcept { return Hasher().update(bytes).finish(); }

bool equal_constant_time(std::span<const std::byte, 32> a, const Digest& b) noexcept {
  unsigned difference = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference |= static_cast<unsigned>(a[i]) ^ static_cast<unsigned>(b[i]);
  }
  return difference == 0;
}

}  // namespace larder
