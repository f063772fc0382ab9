#include "base/digest.h"

extern "C" {  // the header of version 1.3.1 does not say so itself
#include <blake3.h>
}

#include <bit>
#include <cassert>
#include <new>

#include "base/digest_many.h"
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
// Making and copying a hasher costs more than the first block of a message.
Digest short_digest(const KeyWords& key, std::uint8_t flags,
                    std::span<const std::byte> message) noexcept {
  Digest digest;
  hash_alone(short_job(key, flags, message, digest.data()), key, 0);
  return digest;
}

// A hasher hashes 15 chunks as 8, 4, 2 and 1, at twice the time of 16; only powers of two suit it.
bool is_for_lanes(std::size_t bytes) noexcept {
  return bytes <= max_lane_message_bytes && !std::has_single_bit(bytes) &&
         best_lane_level() != LaneLevel::any;
}
#endif

// BLAKE3 1.3.1 keeps what the processor can do in a plain variable, and asks at its first call: two
// threads' first calls would race. So that one is made here, before there are threads.
[[maybe_unused]] const Digest of_nothing = Hasher().finish();

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
  if (is_for_lanes(bytes.size())) {
    Digest digest;
    blake3_many(std::span(&bytes, 1), std::span(&digest, 1));
    return digest;
  }
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
