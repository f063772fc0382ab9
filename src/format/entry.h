// The bytes of one entry file, in both layouts. Constants and pure functions; docs/FORMAT.md
// explains them and has an example that tests/unit/format_document_test.cc parses.
#ifndef LARDER_FORMAT_ENTRY_H_
#define LARDER_FORMAT_ENTRY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

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

// `recipe` has at most Recipe::max_encoded_bytes.
EncodedEntry encode_entry(FileLayout layout, const Fingerprint& fingerprint,
                          std::span<const std::byte> payload, std::string_view recipe) noexcept;

enum class Verdict {
  good,
  damaged,    // not what was put under this fingerprint: torn, flipped, swapped, cut
  other_key,  // whole by its shape, but made with a key that this store does not have
};

struct DecodedEntry {
  Verdict verdict = Verdict::damaged;
  std::size_t payload_offset = 0;
  std::size_t payload_bytes = 0;
  std::string_view recipe;  // not verified: see recipe_is_good
};

// Verifies a whole file. The payload is what was put for `fingerprint` when the verdict is good (in
// the vyre layout: for some fingerprint). Reads untrusted bytes safely.
DecodedEntry decode_entry(FileLayout layout, std::span<const std::byte> file,
                          const Fingerprint& fingerprint) noexcept;

// Whether the first header_bytes of a file of this length can belong to a good entry: tells garbage
// before much of it is read. Always true in the vyre layout.
bool header_is_plausible(FileLayout layout, std::span<const std::byte> header,
                         std::uint64_t file_bytes) noexcept;

// Whether the recipe of a good entry is the one that was put. It is not read on a hit: hashing it
// would double the cost of a small one.
bool recipe_is_good(std::span<const std::byte> file, const DecodedEntry& entry) noexcept;

// The length of the payload as an unverified header claims it, for listings; 0 without a header.
std::uint64_t claimed_payload_bytes(FileLayout layout, std::span<const std::byte> header,
                                    std::uint64_t file_bytes) noexcept;

}  // namespace larder::format

#endif  // LARDER_FORMAT_ENTRY_H_
