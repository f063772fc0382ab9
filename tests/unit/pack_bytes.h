// Bytes of a pack store for the tests of its format, good ones and crafted ones.
#ifndef LARDER_TESTS_UNIT_PACK_BYTES_H_
#define LARDER_TESTS_UNIT_PACK_BYTES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_order.h"
#include "base/digest.h"
#include "format/pack_index.h"
#include "format/pack_record.h"
#include "format/pack_segment.h"

namespace larder::format {

inline std::array<std::byte, 16> counting_from(std::uint8_t first) {
  std::array<std::byte, 16> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(first + i);
  return bytes;
}

inline SegmentIdentity identity() {
  return {.store = counting_from(0x10), .number = 42, .random = counting_from(0x80)};
}

inline SegmentKey key_of_tests() { return segment_key(identity()); }

inline Fingerprint fingerprint_of(std::string_view text) { return {.bytes = blake3(text)}; }

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline Record artifact_record(std::string_view payload, std::string_view recipe = {}) {
  return {.written_s = 1'800'000'000,
          .sequence = 7,
          .raw_bytes = static_cast<std::uint32_t>(payload.size()),
          .stored_bytes = static_cast<std::uint32_t>(payload.size()),
          .recipe_bytes = static_cast<std::uint32_t>(recipe.size()),
          .fingerprint = fingerprint_of("a fingerprint"),
          .payload_digest = blake3(payload),
          .recipe_digest = recipe_digest(recipe)};
}

// Of the payload "payload" in a file of its own, whatever `raw_bytes` says.
inline Record large_record(std::uint32_t raw_bytes) {
  return {.kind = RecordKind::large,
          .raw_bytes = raw_bytes,
          .fingerprint = fingerprint_of("a fingerprint"),
          .payload_digest = blake3("payload")};
}

// What somebody makes who has the key and no manners: tag and check are right for whatever the
// header says.
inline void seal_again(RecordHeader& header, const SegmentKey& key) {
  const auto bytes = std::span(header);
  const Digest tag = Hasher::keyed(key).update(bytes.first(128)).finish();
  std::memcpy(header.data() + 128, tag.data(), tag.size());
  store_little(header.data() + 160, check_of_words(std::span<const std::byte>(bytes.first(48))));
}

// Calls `see` with each bit in turn flipped.
template <typename See>
void flip_each_bit(std::span<std::byte> bytes, See&& see) {
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1u << (bit % 8));
    bytes[bit / 8] ^= mask;
    see(bit);
    bytes[bit / 8] ^= mask;
  }
}

}  // namespace larder::format

#endif  // LARDER_TESTS_UNIT_PACK_BYTES_H_
