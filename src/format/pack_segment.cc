#include "format/pack_segment.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>

#include "base/byte_order.h"
#include "base/zero_bytes.h"
#include "format/pack_index.h"
#include "format/pack_name.h"

namespace larder::format {
namespace {

constexpr std::size_t magic_bytes = 8;
constexpr std::string_view segment_magic = "LARDseg\n";
constexpr std::string_view footer_magic = "LARDsum\n";
constexpr std::string_view trailer_magic = "LARDdur\n";
constexpr std::uint16_t segment_version = 1;

// Offsets in the header.
constexpr std::size_t at_version = 8;
constexpr std::size_t at_reserved = 10;
constexpr std::size_t at_number = 12;
constexpr std::size_t at_store = 16;
constexpr std::size_t at_random = 32;
constexpr std::size_t at_sequence = 48;
constexpr std::size_t at_check = 56;

// In an entry of the summary, in the word at 8.
constexpr std::uint32_t place_bits = (1u << 20) - 1;
constexpr std::uint32_t removed_flag = 1u << 20;
constexpr std::uint32_t supersedes_flag = 1u << 21;

// In footer and trailer.
constexpr std::size_t at_end_tag = 32;

constexpr std::uint32_t max_units = max_segment_bytes / pack_unit_bytes;
constexpr std::uint32_t min_record_units = record_header_bytes / pack_unit_bytes;

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) noexcept {
  return std::memcmp(bytes.data(), magic.data(), magic_bytes) == 0;
}

void store_entry(std::byte* to, const SummaryEntry& entry) noexcept {
  assert(entry.place <= place_bits);
  store_little(to, entry.slot_tag);
  store_little(to + 8, entry.place | (entry.removed ? removed_flag : 0u) |
                           (entry.supersedes ? supersedes_flag : 0u));
  store_little(to + 12, entry.hit_units);
  store_little(to + 16, entry.sequence);
}

SummaryEntry load_entry(const std::byte* from) noexcept {
  const auto word = load_little<std::uint32_t>(from + 8);
  return {.slot_tag = load_little<std::uint64_t>(from),
          .place = word & place_bits,
          .hit_units = load_little<std::uint32_t>(from + 12),
          .sequence = load_little<std::uint64_t>(from + 16),
          .removed = (word & removed_flag) != 0,
          .supersedes = (word & supersedes_flag) != 0};
}

struct Places {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// Bounded although a tag covers it: who can read the store can make the tag.
bool entry_is_sound(const std::byte* from, const SummaryEntry& entry, Places within) noexcept {
  return load_little<std::uint32_t>(from + 8) < (supersedes_flag << 1) && entry.slot_tag != 0 &&
         entry.place >= within.begin && entry.hit_units >= min_record_units &&
         entry.hit_units <= max_record_bytes / pack_unit_bytes &&
         std::uint64_t{entry.place} + entry.hit_units <= within.end;
}

Digest summary_tag(std::span<const std::byte> summary, std::span<const std::byte> footer,
                   const SegmentKey& key) noexcept {
  Hasher hasher = Hasher::keyed(key);
  return hasher.update(summary).update(footer.first(at_end_tag)).finish();
}

Digest trailer_tag(std::span<const std::byte> trailer, const Digest& footer_tag,
                   const SegmentKey& key) noexcept {
  Hasher hasher = Hasher::keyed(key);
  hasher.update(trailer.first(at_end_tag));
  return hasher.update(std::as_bytes(std::span(footer_tag))).finish();
}

void put_tag(std::span<std::byte> to, const Digest& tag) noexcept {
  std::memcpy(to.data() + at_end_tag, tag.data(), tag.size());
}

}  // namespace

std::array<std::byte, segment_header_bytes> encode_segment_header(
    const SegmentHeader& header) noexcept {
  assert(header.identity.number <= max_segment_number);
  std::array<std::byte, segment_header_bytes> bytes{};
  std::byte* to = bytes.data();
  std::memcpy(to, segment_magic.data(), magic_bytes);
  store_little(to + at_version, segment_version);
  store_little(to + at_number, header.identity.number);
  std::memcpy(to + at_store, header.identity.store.data(), 16);
  std::memcpy(to + at_random, header.identity.random.data(), 16);
  store_little(to + at_sequence, header.created_at_sequence);
  store_little(to + at_check, check_of_words({to, at_check}));
  return bytes;
}

std::optional<SegmentHeader> decode_segment_header(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < segment_header_bytes || !begins_with(bytes, segment_magic)) {
    return std::nullopt;
  }
  const std::byte* from = bytes.data();
  SegmentHeader header;
  header.identity.number = load_little<std::uint32_t>(from + at_number);
  std::memcpy(header.identity.store.data(), from + at_store, 16);
  std::memcpy(header.identity.random.data(), from + at_random, 16);
  header.created_at_sequence = load_little<std::uint64_t>(from + at_sequence);
  const bool sound =
      load_little<std::uint16_t>(from + at_version) == segment_version &&
      load_little<std::uint16_t>(from + at_reserved) == 0 &&
      header.identity.number <= max_segment_number &&
      load_little<std::uint64_t>(from + at_check) == check_of_words({from, at_check});
  if (!sound) return std::nullopt;
  return header;
}

bool is_of_other_version(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= at_version + sizeof(std::uint16_t) && begins_with(bytes, segment_magic) &&
         load_little<std::uint16_t>(bytes.data() + at_version) != segment_version;
}

SummaryEntry summary_entry(const Record& record, std::uint64_t slot_tag,
                           std::uint32_t place) noexcept {
  return {
      .slot_tag = slot_tag,
      .place = place,
      .hit_units = static_cast<std::uint32_t>(round_to_unit(record.hit_bytes()) / pack_unit_bytes),
      .sequence = record.sequence,
      .removed = record.kind == RecordKind::removed,
      .supersedes = record.supersedes};
}

std::vector<std::byte> encode_summary(std::span<const SummaryEntry> entries, const SegmentKey& key,
                                      std::uint32_t place) {
  const std::size_t summary_bytes = round_to_unit(entries.size() * summary_entry_bytes);
  std::vector<std::byte> bytes(summary_bytes + footer_bytes);
  std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t highest = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    store_entry(bytes.data() + i * summary_entry_bytes, entries[i]);
    lowest = std::min(lowest, entries[i].sequence);
    highest = std::max(highest, entries[i].sequence);
  }
  const auto summary = std::span(bytes).first(summary_bytes);
  const auto footer = std::span(bytes).subspan(summary_bytes);
  std::memcpy(footer.data(), footer_magic.data(), magic_bytes);
  store_little(footer.data() + 8, static_cast<std::uint32_t>(entries.size()));
  store_little(footer.data() + 12, place);
  store_little(footer.data() + 16, lowest);
  store_little(footer.data() + 24, highest);
  put_tag(footer, summary_tag(summary, footer, key));
  return bytes;
}

std::optional<Footer> decode_footer(std::span<const std::byte> bytes,
                                    std::uint32_t place) noexcept {
  if (bytes.size() < footer_bytes || !begins_with(bytes, footer_magic)) return std::nullopt;
  Footer footer{.entries = load_little<std::uint32_t>(bytes.data() + 8),
                .summary_place = load_little<std::uint32_t>(bytes.data() + 12),
                .lowest_sequence = load_little<std::uint64_t>(bytes.data() + 16),
                .highest_sequence = load_little<std::uint64_t>(bytes.data() + 24)};
  std::memcpy(footer.tag.data(), bytes.data() + at_end_tag, footer.tag.size());
  const bool sound = footer.summary_place >= records_at / pack_unit_bytes &&
                     footer.summary_place <= max_units &&
                     footer.entries <= footer.summary_place / min_record_units &&
                     footer.summary_place + footer.summary_bytes() / pack_unit_bytes == place;
  if (!sound) return std::nullopt;
  return footer;
}

std::optional<std::vector<SummaryEntry>> decode_summary(std::span<const std::byte> bytes,
                                                        const SegmentKey& key,
                                                        std::uint32_t place) {
  if (bytes.size() < footer_bytes) return std::nullopt;
  const auto summary = bytes.first(bytes.size() - footer_bytes);
  const auto end = bytes.last(footer_bytes);
  const auto footer_place = static_cast<std::uint32_t>(place + summary.size() / pack_unit_bytes);
  const auto footer = decode_footer(end, footer_place);
  if (!footer || footer->summary_place != place) return std::nullopt;
  if (footer->summary_bytes() != summary.size()) return std::nullopt;
  const Digest tag = summary_tag(summary, end, key);
  if (!equal_constant_time(end.subspan<at_end_tag, 32>(), tag)) return std::nullopt;

  std::vector<SummaryEntry> entries(footer->entries);
  Places free{.begin = records_at / pack_unit_bytes, .end = place};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::byte* from = summary.data() + i * summary_entry_bytes;
    entries[i] = load_entry(from);
    if (!entry_is_sound(from, entries[i], free)) return std::nullopt;
    free.begin = entries[i].place + entries[i].hit_units;
  }
  if (!is_zero(summary.subspan(entries.size() * summary_entry_bytes))) return std::nullopt;
  return entries;
}

std::array<std::byte, trailer_bytes> encode_trailer(const Footer& footer, const SegmentKey& key,
                                                    std::uint32_t footer_place) noexcept {
  std::array<std::byte, trailer_bytes> bytes{};
  std::memcpy(bytes.data(), trailer_magic.data(), magic_bytes);
  store_little(bytes.data() + 8, footer_place);
  put_tag(bytes, trailer_tag(bytes, footer.tag, key));
  return bytes;
}

bool trailer_is_good(std::span<const std::byte> bytes, const Footer& footer, const SegmentKey& key,
                     std::uint32_t footer_place) noexcept {
  if (bytes.size() < trailer_bytes) return false;
  const auto expected = encode_trailer(footer, key, footer_place);
  return std::memcmp(bytes.data(), expected.data(), expected.size()) == 0;
}

std::string segment_name(std::uint32_t number) {
  std::string name;
  append_hex(name, number, 8);
  return name += ".seg";
}

std::string bad_segment_name(std::uint32_t number, std::uint32_t good_until_place) {
  std::string name;
  append_hex(name, number, 8);
  name += '.';
  append_hex(name, good_until_place, 8);
  return name += ".bad";
}

std::optional<SegmentName> parse_segment_name(std::string_view name) noexcept {
  const auto number = take_hex(name, 8);
  if (!number || *number > max_segment_number) return std::nullopt;
  SegmentName parsed{.number = static_cast<std::uint32_t>(*number)};
  if (name == ".seg") return parsed;
  if (!name.starts_with('.')) return std::nullopt;
  name.remove_prefix(1);
  const auto place = take_hex(name, 8);
  if (!place || name != ".bad") return std::nullopt;
  parsed.good_until_place = static_cast<std::uint32_t>(*place);
  return parsed;
}

}  // namespace larder::format
