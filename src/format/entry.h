// The bytes of one entry file, in both layouts. Constants and pure functions; docs/FORMAT.md
// explains them and has an example that tests/unit/format_document_test.cc parses.
#ifndef LARDER_FORMAT_ENTRY_H_
#define LARDER_FORMAT_ENTRY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/derived_keys.h"
#include "base/digest.h"
#include "larder/fingerprint.h"
#include "larder/recipe.h"
#include "larder/store.h"

namespace larder::format {

inline constexpr std::size_t header_bytes = 128;
inline constexpr std::size_t tag_bytes = 32;
inline constexpr std::uint16_t entry_version = 1;

// The smallest and largest file of a layout whose payload has at most `max_payload_bytes`.
std::uint64_t smallest_file(FileLayout layout) noexcept;
std::uint64_t largest_file(FileLayout layout, std::uint64_t max_payload_bytes) noexcept;

// What stands around the payload: [header] payload tag [recipe]; the bracketed parts are absent in
// the vyre layout. The views refer to the arguments of encode_entry.
struct EncodedEntry {
  std::array<std::byte, header_bytes> header;
  Digest tag;
  std::span<const std::byte> payload;
  std::string_view recipe;
  FileLayout layout = FileLayout::larder;

  std::uint64_t file_bytes() const noexcept;

  // In file order, ready for File::write_at. Refers to this object.
  std::array<std::span<const std::byte>, 4> pieces() const noexcept;
};

// The key of a file store with that marker's id, for derive_keys.
inline constexpr std::string_view entry_key_context = "larder 2026-11-26 entry key v1";

// The key of remote tiers with that namespace, for derive_keys: no server knows of a store's id.
inline constexpr std::string_view remote_entry_key_context =
    "larder 2026-11-26 remote entry key v1";

// `recipe` has at most Recipe::max_encoded_bytes. The vyre layout has no room for a key.
EncodedEntry encode_entry(FileLayout layout, const Fingerprint& fingerprint,
                          std::span<const std::byte> payload, std::string_view recipe,
                          const DerivedKey& key = {}) noexcept;

enum class Verdict {
  good,
  damaged,    // not what was put under this fingerprint: torn, flipped, swapped, cut
  other_key,  // whole by its shape, but made with a key that is not among the given ones
};

struct DecodedEntry {
  Verdict verdict = Verdict::damaged;
  std::size_t payload_offset = 0;
  std::size_t payload_bytes = 0;
  std::uint64_t key_id = 0;
  std::string_view recipe;  // not verified: see recipe_is_good
};

// What is written and read without a key: derive_keys of no secrets.
inline constexpr DerivedKey unkeyed[1] = {};

// Verifies a whole file. The payload is what was put for `fingerprint`, under one of `keys`, when
// the verdict is good (in the vyre layout: for some fingerprint). Of other_key, offset and length
// of the payload are as the entry claims. Reads untrusted bytes safely.
DecodedEntry decode_entry(FileLayout layout, std::span<const std::byte> file,
                          const Fingerprint& fingerprint,
                          std::span<const DerivedKey> keys = unkeyed) noexcept;

// Whether the first header_bytes of a file of this length can belong to a good entry: tells garbage
// before much of it is read. Always true in the vyre layout.
bool header_is_plausible(FileLayout layout, std::span<const std::byte> header,
                         std::uint64_t file_bytes) noexcept;

// Whether the recipe of a good entry is the one that was put. It is not read on a hit: hashing it
// would double the cost of a small one.
bool recipe_is_good(std::span<const std::byte> file, const DecodedEntry& entry) noexcept;

// The key id as an unverified header claims it; nullopt without a header, and in the vyre layout.
std::optional<std::uint64_t> claimed_key_id(FileLayout layout, std::span<const std::byte> header,
                                            std::uint64_t file_bytes) noexcept;

// The length of the payload as an unverified header claims it, for listings; 0 without a header.
std::uint64_t claimed_payload_bytes(FileLayout layout, std::span<const std::byte> header,
                                    std::uint64_t file_bytes) noexcept;

}  // namespace larder::format

#endif  // LARDER_FORMAT_ENTRY_H_
