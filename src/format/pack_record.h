// One record of a segment: 192 bytes of header, the stored payload, the recipe; then zeros up to
// the next multiple of 64. Pure bytes; docs/FORMAT.md explains them.
//
//   at  bytes
//    0  4   magic "LRec"
//    4  2   version, 1
//    6  1   kind
//    7  1   codec
//    8  4   flags: 1 = supersedes
//   12  4   written at, seconds since 1970
//   16  8   key id, 0 = no key
//   24  8   sequence
//   32  4   raw bytes of the payload
//   36  4   stored bytes of the payload
//   40  4   recipe bytes
//   44  4   place: offset in the segment / 64
//   48  32  fingerprint
//   80  32  BLAKE3 of the stored payload (large: of the payload in its file; removed: zero)
//  112  16  BLAKE3 of the recipe, its first half (removed and large: zero)
//  128  32  tag: BLAKE3 keyed by the segment's key, over the 128 bytes before it
//  160  8   check: FNV-1a over bytes 0..47 as 6 little-endian 64-bit words
//  168  24  authenticator: the first 24 bytes of BLAKE3 keyed by the record key of its key id, over
//           bytes 0..127 with flags, written at and place as zero; zero when there is no key
//
// The segment's key comes from the store's id, the segment's number and its random bytes, and the
// place is under the tag: a record is good only where it was written. The payload is under the tag
// by its digest. Everybody can make a tag; it finds accidents. Only who has the secret can make an
// authenticator; it says nothing of the place, so that who has not can carry a record elsewhere.
#ifndef LARDER_FORMAT_PACK_RECORD_H_
#define LARDER_FORMAT_PACK_RECORD_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/derived_keys.h"
#include "base/digest.h"
#include "larder/fingerprint.h"

namespace larder::format {

inline constexpr std::size_t pack_unit_bytes = 64;  // alignment of everything in a segment
inline constexpr std::size_t record_header_bytes = 192;
inline constexpr std::size_t max_record_bytes = (std::size_t{1} << 23) - pack_unit_bytes;

constexpr std::uint64_t round_to_unit(std::uint64_t bytes) noexcept {
  return (bytes + pack_unit_bytes - 1) / pack_unit_bytes * pack_unit_bytes;
}

using StoreId = std::array<std::byte, 16>;

struct SegmentIdentity {
  StoreId store;
  std::uint32_t number = 0;
  std::array<std::byte, 16> random;

  bool operator==(const SegmentIdentity&) const = default;
};

// The key of a pack store with that marker's id, for derive_keys.
inline constexpr std::string_view record_key_context = "larder 2026-11-26 record key v1";

// The key of every tag in one segment.
using SegmentKey = std::array<std::uint8_t, 32>;
SegmentKey segment_key(const SegmentIdentity& segment) noexcept;

enum class RecordKind : std::uint8_t {
  artifact = 1,
  removed = 2,  // there is no entry of this fingerprint as of this sequence
  large = 3,    // the payload is in a file of its own: see large_file_key
};

enum class Codec : std::uint8_t { none = 0, zstd = 1 };

struct Record {
  RecordKind kind = RecordKind::artifact;
  Codec codec = Codec::none;
  bool supersedes = false;  // an older record of the fingerprint may exist in the store
  std::uint32_t written_s = 0;
  std::uint64_t key_id = 0;
  std::uint64_t sequence = 0;
  std::uint32_t raw_bytes = 0;
  std::uint32_t stored_bytes = 0;  // what follows the header; 0 unless kind is artifact
  std::uint32_t recipe_bytes = 0;
  Fingerprint fingerprint;
  Digest payload_digest = {};
  std::array<std::uint8_t, 16> recipe_digest = {};  // of an artifact, an empty recipe's too
  std::array<std::uint8_t, 24> authenticator = {};  // see authenticate; zero without a key

  // Header, payload and recipe, up to the next record.
  std::uint64_t total_bytes() const noexcept {
    return round_to_unit(record_header_bytes + std::uint64_t{stored_bytes} + recipe_bytes);
  }
  // What a hit reads.
  std::uint64_t hit_bytes() const noexcept { return record_header_bytes + stored_bytes; }
};

// What a record keeps of a wall clock.
constexpr std::uint32_t record_time(std::int64_t now_s) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(now_s, 0, 0xffffffff));
}

using RecordHeader = std::array<std::byte, record_header_bytes>;

// `place` is the record's offset in its segment divided by pack_unit_bytes.
RecordHeader encode_record(const Record& record, const SegmentKey& key,
                           std::uint32_t place) noexcept;

// Sets key id and authenticator, when everything else that is under it is set: all but flags and
// time. With no key, both are zero.
void authenticate(Record& record, const DerivedKey& key) noexcept;
bool is_authentic(const Record& record, const DerivedKey& key) noexcept;

enum class RecordVerdict {
  good,
  damaged,
  other_key,  // of decode_authentic: a record by its check, but not of that key
};

// Verifies the header alone: check, tag, place, bounds (raw and stored lengths, kind, codec), but
// not the authenticator. Fills `record` when good. Reads at most record_header_bytes; fewer are
// damaged. What was written at another place, or in another segment or store, is damaged. The
// fingerprint is the caller's to compare.
RecordVerdict decode_record(std::span<const std::byte> header, const SegmentKey& key,
                            std::uint32_t place, Record& record) noexcept;

// The same by the authenticator of a key in place of the tag, for who has been led to a record: it
// was made for that entry of this store by somebody who has the secret, wherever it stood then.
RecordVerdict decode_authentic(std::span<const std::byte> header, const DerivedKey& key,
                               std::uint32_t place, Record& record) noexcept;

// As decode_record for each, or as decode_authentic where `authentic` is set, but with their tags
// computed side by side, which takes a third of the time. `verdict` and what `record` points to are
// the answer.
struct HeaderToDecode {
  std::span<const std::byte> header;
  const SegmentKey* key = nullptr;
  const DerivedKey* authentic = nullptr;
  std::uint32_t place = 0;
  Record* record = nullptr;
  RecordVerdict verdict = RecordVerdict::damaged;
};
void decode_records(std::span<HeaderToDecode> headers) noexcept;

// Whether these bytes, read from behind the header, are the ones that were put.
bool payload_is_good(const Record& record, std::span<const std::byte> stored) noexcept;
bool recipe_is_good(const Record& record, std::string_view recipe) noexcept;
std::array<std::uint8_t, 16> recipe_digest(std::string_view recipe) noexcept;

// The name under which the large-file store keeps the payload of a `large` record: different for
// each fingerprint, payload and key, so that a new value never stands in the place of an old one.
Fingerprint large_file_key(const Fingerprint& fingerprint, const Digest& payload_digest,
                           std::uint64_t key_id) noexcept;
inline Fingerprint large_file_key(const Record& record) noexcept {
  return large_file_key(record.fingerprint, record.payload_digest, record.key_id);
}

}  // namespace larder::format

#endif  // LARDER_FORMAT_PACK_RECORD_H_
