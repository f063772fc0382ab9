// The shared index of a pack store, and its small `state` file. Pure bytes; both are hints that can
// be rebuilt from the segments. docs/FORMAT.md explains them.
//
// index.<generation, 16 hex digits> = header (4096 bytes), then 2^n slots of 16 bytes
//    0  8   magic "LARDidx\n"
//    8  4   version, 1
//   12  4   n
//   16  16  store id
//   32  8   generation
//   40  8   check: FNV-1a over bytes 0..39 as 5 little-endian 64-bit words
//   64  8   used slots (changes while the index is in use)
//
// slot: 8 bytes of slot tag (0: never used), 8 bytes of location (0: no entry)
//    bits 0..24   segment number
//    bits 25..44  place (offset in the segment / 64)
//    bits 45..61  units that a hit reads (header and stored payload, rounded up / 64)
//    bit  62      visited: read since the last eviction step
//    bit  63      frozen: this table is being replaced; change nothing, wait for the next one
//
// A slot's first position is the high n bits of its tag; collisions go to the next slot, round the
// end.
#ifndef LARDER_FORMAT_PACK_INDEX_H_
#define LARDER_FORMAT_PACK_INDEX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "format/pack_record.h"
#include "larder/fingerprint.h"

namespace larder::format {

inline constexpr std::size_t index_header_bytes = 4096;
inline constexpr std::size_t slot_bytes = 16;
inline constexpr std::uint64_t visited_bit = 1ull << 62;
inline constexpr std::uint64_t frozen_bit = 1ull << 63;
inline constexpr std::uint64_t place_mask = (1ull << 62) - 1;  // a location without its two marks
inline constexpr std::uint32_t max_segment_number = (1u << 25) - 1;
inline constexpr std::size_t index_used_at = 64;  // offset of the counter of used slots

struct Location {
  std::uint32_t segment = 0;
  std::uint32_t place = 0;
  std::uint32_t units = 0;

  constexpr std::uint64_t word() const noexcept {
    return std::uint64_t{segment} | std::uint64_t{place} << 25 | std::uint64_t{units} << 45;
  }
  static constexpr Location of(std::uint64_t word) noexcept {
    return {.segment = static_cast<std::uint32_t>(word & max_segment_number),
            .place = static_cast<std::uint32_t>(word >> 25 & 0xfffff),
            .units = static_cast<std::uint32_t>(word >> 45 & 0x1ffff)};
  }
  constexpr std::uint64_t offset_bytes() const noexcept {
    return std::uint64_t{place} * pack_unit_bytes;
  }
  constexpr std::uint64_t hit_bytes() const noexcept {
    return std::uint64_t{units} * pack_unit_bytes;
  }
  bool operator==(const Location&) const = default;
};

// Turns fingerprints into slot tags: a mixture with the store's id, so that nobody who can only
// choose fingerprints can crowd one part of the table. Entries of one fingerprint under different
// keys are different entries. Never 0.
class SlotHash {
 public:
  explicit SlotHash(const StoreId& store) noexcept;
  std::uint64_t operator()(const Fingerprint& fingerprint, std::uint64_t key_id) const noexcept;

 private:
  std::array<std::uint64_t, 12> secret_;  // the last two are not used
};

struct IndexHeader {
  StoreId store;
  std::uint64_t generation = 0;
  std::uint32_t log2_slots = 0;

  std::uint64_t slots() const noexcept { return std::uint64_t{1} << log2_slots; }
  std::uint64_t file_bytes() const noexcept { return index_header_bytes + slots() * slot_bytes; }
};

inline constexpr std::uint32_t min_log2_slots = 12;
inline constexpr std::uint32_t max_log2_slots = 40;

void encode_index_header(const IndexHeader& header,
                         std::span<std::byte, index_header_bytes> into) noexcept;
// nullopt when damaged, or when a file of `file_bytes` cannot hold it.
std::optional<IndexHeader> decode_index_header(std::span<const std::byte> bytes,
                                               std::uint64_t file_bytes) noexcept;

std::string index_name(std::uint64_t generation);
std::optional<std::uint64_t> parse_index_name(std::string_view name) noexcept;

// state: 4096 bytes, mapped by every process, made once and never replaced. The words from 64 on
// change while the store is open; `clean check` vouches for them after a clean close only.
//    0  8   magic "LARDsta\n"
//    8  4   version, 1
//   12  4   zero
//   16  16  store id
//   32  8   check: FNV-1a over bytes 0..31 as 4 little-endian 64-bit words
//   64 ...  the words of enum StateWord, 8 bytes each
//  512 ...  one word for each sync of a segment that is under way or did not end well; 0: free
inline constexpr std::size_t state_bytes = 4096;
inline constexpr std::size_t state_words_at = 64;
inline constexpr std::size_t state_marks_at = 512;
inline constexpr std::size_t state_marks = (state_bytes - state_marks_at) / 8;

// What every put changes stands on cache lines of its own: every look-up reads the first one.
enum class StateWord : std::uint32_t {
  dirty = 0,          // 1: the index may not be what the segments say; see shelf.cc
  clean_check = 1,    // FNV-1a over all words, dirty and this one as 0; counts while dirty is 0
  generation = 2,     // of the index
  removal_epoch = 3,  // raised by every removal
  gone_segments = 4,  // raised when a segment is unlinked: close what is open of it
  open_sessions = 5,  // processes that changed the index and have not closed it cleanly
  next_segment = 6,   // the next number to give to a segment
  partial_index = 7,  // 1: a rebuild beside others has not ended; what the index lacks may be there
  sequence = 8,       // the next one to give to a record
  forgotten = 9,  // not 0: the index may lack what a rebuild would find, without a durable removal
  taking_out = 10,     // evictions and removals, begun and not ended: index and segments differ
  rebuilds = 11,       // of the index beside others, begun: what was compared is compared again
  unread_below = 12,   // sequences that a segment may hold which could not be read for the index
  entries = 16,        // about: live slots
  segment_bytes = 17,  // about: blocks of all segments
  first_hint = 24,     // segments that may have room: number + 1, 0 = none
};
inline constexpr std::size_t state_hints = 16;
inline constexpr std::size_t state_words = 24 + state_hints;

// A word of a sync.
//    bits 0..25   segment number + 1
//    bits 26..47  with bit 63: the place from which on nothing is believed
//    bits 48..62  check: garbage must hide nothing
//    bit  63      the sync failed
struct SyncMark {
  std::uint32_t segment = 0;
  std::optional<std::uint32_t> good_until_place = {};  // of one that failed

  constexpr std::uint64_t word() const noexcept {
    const std::uint64_t failed =
        good_until_place ? 1ull << 63 | std::uint64_t{*good_until_place} << 26 : 0;
    const std::uint64_t word = failed | (std::uint64_t{segment} + 1);
    return word | check_of(word);
  }
  // nullopt: free, or no mark at all.
  static constexpr std::optional<SyncMark> of(std::uint64_t word) noexcept {
    const std::uint64_t number = word & 0x3ffffff;
    if (number == 0 || number > std::uint64_t{max_segment_number} + 1) return std::nullopt;
    if (check_of(word & ~check_mask) != (word & check_mask)) return std::nullopt;
    SyncMark mark{.segment = static_cast<std::uint32_t>(number - 1)};
    if (word >> 63 != 0) mark.good_until_place = static_cast<std::uint32_t>(word >> 26 & 0x3fffff);
    return mark;
  }
  bool operator==(const SyncMark&) const = default;

 private:
  static constexpr std::uint64_t check_mask = 0x7fffull << 48;
  static constexpr std::uint64_t check_of(std::uint64_t word) noexcept {
    return word * 0x9e3779b97f4a7c15 >> 1 & check_mask;
  }
};

void encode_state_header(const StoreId& store, std::span<std::byte, state_bytes> into) noexcept;
std::optional<StoreId> decode_state_header(std::span<const std::byte> bytes) noexcept;

// FNV-1a, 64 bit, over words instead of bytes: any change within one word is found for certain.
std::uint64_t check_of_words(std::span<const std::byte> bytes) noexcept;
std::uint64_t check_of_words(std::span<const std::uint64_t> words) noexcept;

}  // namespace larder::format

#endif  // LARDER_FORMAT_PACK_INDEX_H_
