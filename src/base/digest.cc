#include "base/digest.h"

extern "C" {  // the header of version 1.3.1 does not say so itself
#include <blake3.h>
}

#include <cassert>
#include <cstring>
#include <new>

#include "base/blake3_internal.h"
#include "base/lanes.h"

namespace larder {
namespace {

blake3_hasher* state_of(std::byte* bytes) noexcept {
  return std::launder(reinterpret_cast<blake3_hasher*>(bytes));
}

const blake3_hasher* state_of(const std::byte* bytes) noexcept {
  return std::launder(reinterpret_cast<const blake3_hasher*>(bytes));
}

#ifdef LARDER_BLAKE3_INTERNAL
// A message of one chunk is a chain of compressions; making and copying a hasher would cost more
// than the first of them.
Digest short_digest(KeyWords chaining, std::uint8_t flags,
                    std::span<const std::byte> message) noexcept {
  flags |= chunk_start_flag;
  const auto* block = reinterpret_cast<const std::uint8_t*>(message.data());
  std::size_t left = message.size();
  for (; left > block_bytes; left -= block_bytes, block += block_bytes) {
    blake3_compress_in_place(chaining.data(), block, block_bytes, 0, flags);
    flags &= ~chunk_start_flag;
  }
  std::uint8_t padded[block_bytes] = {};
  if (left != 0 && left != block_bytes) {
    std::memcpy(padded, block, left);
  }
  blake3_compress_in_place(chaining.data(), left == block_bytes ? block : padded,
                           static_cast<std::uint8_t>(left), 0, flags | chunk_end_flag | root_flag);
  Digest digest;
  store_words(chaining, digest.data());
  return digest;
}
#endif

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

Digest blake3(std::span<const std::byte> bytes) noexcept {
#ifdef LARDER_BLAKE3_INTERNAL
  if (bytes.size() <= chunk_bytes) return short_digest(plain_key_words, 0, bytes);
#endif
  return Hasher().update(bytes).finish();
}

Digest blake3_keyed_short(std::span<const std::uint8_t, 32> key,
                          std::span<const std::byte> message) noexcept {
  assert(message.size() <= chunk_bytes);
#ifdef LARDER_BLAKE3_INTERNAL
  return short_digest(key_words(key), keyed_flag, message);
#else
  return Hasher::keyed(key).update(message).finish();
#endif
}

bool equal_constant_time(std::span<const std::byte, 32> a, const Digest& b) noexcept {
  unsigned difference = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference |= static_cast<unsigned>(a[i]) ^ static_cast<unsigned>(b[i]);
  }
  return difference == 0;
}

}  // namespace larder
