// The ends of a segment: its header, and what sealing adds. Pure bytes; docs/FORMAT.md explains.
//
//   segment = header (64 bytes), the header again, records, [summary, footer, [trailer]]
//
// header
//    0  8   magic "LARDseg\n"
//    8  2   version, 1
//   10  2   zero
//   12  4   number
//   16  16  store id
//   32  16  random
//   48  8   the store's sequence when the segment was made
//   56  8   check: FNV-1a over bytes 0..55 as 7 little-endian 64-bit words
//
// summary: 24 bytes for each good record, in the order of places
//    0  8   slot tag of the fingerprint (pack_index.h)
//    8  4   place (bits 0..19), removed (bit 20), supersedes (bit 21)
//   12  4   units of a hit (header and stored payload, rounded up)
//   16  8   sequence
// then zeros up to the next multiple of 64.
//
// footer
//    0  8   magic "LARDsum\n"
//    8  4   entries in the summary
//   12  4   place of the summary
//   16  8   lowest sequence of all records (2^64 - 1 without any)
//   24  8   highest sequence (0 without any)
//   32  32  tag: BLAKE3 keyed by the segment's key, over summary (with padding) and bytes 0..31
//
// trailer: written only after everything before it was synced: proof that the disk has it
//    0  8   magic "LARDdur\n"
//    8  4   place of the footer
//   12  20  zero
//   32  32  tag: BLAKE3 keyed by the segment's key, over bytes 0..31 and the footer's tag
#ifndef LARDER_FORMAT_PACK_SEGMENT_H_
#define LARDER_FORMAT_PACK_SEGMENT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/pack_record.h"

namespace larder::format {

inline constexpr std::size_t segment_header_bytes = 64;
// Behind two copies of the header: one flipped bit must not cost a segment.
inline constexpr std::uint64_t records_at = 2 * segment_header_bytes;
inline constexpr std::size_t summary_entry_bytes = 24;
inline constexpr std::size_t footer_bytes = 64;
inline constexpr std::size_t trailer_bytes = 64;
inline constexpr std::uint64_t max_segment_bytes = 64ull << 20;  // of header and records

struct SegmentHeader {
  SegmentIdentity identity;
  std::uint64_t created_at_sequence = 0;
};

std::array<std::byte, segment_header_bytes> encode_segment_header(
    const SegmentHeader& header) noexcept;

// nullopt: not the header of a segment of this version. Whether store and number are the expected
// ones is the caller's question.
std::optional<SegmentHeader> decode_segment_header(std::span<const std::byte> bytes) noexcept;

// Whether these bytes may be the header of a segment of another version of the format.
bool is_of_other_version(std::span<const std::byte> bytes) noexcept;

struct SummaryEntry {
  std::uint64_t slot_tag = 0;
  std::uint32_t place = 0;
  std::uint32_t hit_units = 0;
  std::uint64_t sequence = 0;
  bool removed = false;
  bool supersedes = false;

  bool operator==(const SummaryEntry&) const = default;
};

SummaryEntry summary_entry(const Record& record, std::uint64_t slot_tag,
                           std::uint32_t place) noexcept;

// Summary and footer, to be written at `place` (the end of the records).
std::vector<std::byte> encode_summary(std::span<const SummaryEntry> entries, const SegmentKey& key,
                                      std::uint32_t place);

struct Footer {
  std::uint32_t entries = 0;
  std::uint32_t summary_place = 0;
  std::uint64_t lowest_sequence = 0;
  std::uint64_t highest_sequence = 0;
  Digest tag = {};

  std::uint64_t summary_bytes() const noexcept {
    return round_to_unit(std::uint64_t{entries} * summary_entry_bytes);
  }
};

// Reads a footer as it claims to be; `place` is where these 64 bytes stand. nullopt when it cannot
// be one. Believe it only after decode_summary said so.
std::optional<Footer> decode_footer(std::span<const std::byte> bytes, std::uint32_t place) noexcept;

// `bytes` is the summary and its footer, as read from the summary's place. nullopt: damaged; scan
// the records instead.
std::optional<std::vector<SummaryEntry>> decode_summary(std::span<const std::byte> bytes,
                                                        const SegmentKey& key, std::uint32_t place);

std::array<std::byte, trailer_bytes> encode_trailer(const Footer& footer, const SegmentKey& key,
                                                    std::uint32_t footer_place) noexcept;

bool trailer_is_good(std::span<const std::byte> bytes, const Footer& footer, const SegmentKey& key,
                     std::uint32_t footer_place) noexcept;

// "0000002a.seg". A segment whose sync failed is "0000002a.00010000.bad": nothing from that place
// on may ever be believed.
std::string segment_name(std::uint32_t number);
std::string bad_segment_name(std::uint32_t number, std::uint32_t good_until_place);

struct SegmentName {
  std::uint32_t number = 0;
  std::optional<std::uint32_t> good_until_place = {};  // of a .bad one
};
std::optional<SegmentName> parse_segment_name(std::string_view name) noexcept;

}  // namespace larder::format

#endif  // LARDER_FORMAT_PACK_SEGMENT_H_
