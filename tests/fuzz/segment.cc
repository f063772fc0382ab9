// What stands around the records of a segment: header, summary, footer, trailer.
//
//   byte: bits 0 to 1 = which part, bit 2 = lengths and magic are made to fit, bit 3 = its tag or
//   check is made anew; u32: place; u32: a bit to turn over; segment (4 + 32 bytes); the part
#include "format/pack_segment.h"

#include "base/digest.h"
#include "format/pack_index.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

using format::Footer;
using format::SegmentHeader;
using format::SegmentKey;
using format::SummaryEntry;

// docs/FORMAT.md once more, in numbers of its own.
constexpr std::size_t unit = 64;
constexpr std::uint32_t most_units = 1u << 20;
constexpr std::size_t entry_bytes = 24;
constexpr std::size_t end_bytes = 64;  // of a footer, and of a trailer
constexpr std::size_t at_end_tag = 32;

struct Case {
  std::uint8_t how = 0;
  std::uint32_t place = 0;
  std::uint32_t bit = 0;
  format::SegmentIdentity segment = {};
  SegmentKey key = {};

  bool fits() const { return (how & 4) != 0; }
  bool seals() const { return (how & 8) != 0; }
};

void look_at_header(std::span<const std::byte> bytes, std::uint32_t bit) {
  const auto header = format::decode_segment_header(bytes);
  if (!header) return;
  require(bytes.size() >= unit && header->identity.number < 1u << 25);
  require(equal(format::encode_segment_header(*header), bytes.first(unit)));
  Bytes spoilt = copy_of(bytes.first(unit));
  flip(spoilt, bit);
  require(!format::decode_segment_header(spoilt));
}

void test_header(const Case& given, Bytes bytes) {
  look_at_header(bytes, given.bit);
  if (given.segment.number <= format::max_segment_number) {
    const SegmentHeader header{.identity = given.segment, .created_at_sequence = given.bit};
    const auto encoded = format::encode_segment_header(header);
    const auto decoded = format::decode_segment_header(encoded);
    require(decoded && decoded->identity == given.segment &&
            decoded->created_at_sequence == given.bit);
  }
  bytes.resize(unit);
  if (given.fits()) overlay(bytes, 0, bytes_of("LARDseg\n\1"));
  if (given.seals()) {
    store_little(bytes.data() + 56, format::check_of_words(std::span(bytes).first(56)));
  }
  look_at_header(bytes, given.bit);
}

void check_entries(std::span<const SummaryEntry> entries, std::uint32_t place) {
  std::uint64_t free = 2;  // behind the two headers
  for (const SummaryEntry& entry : entries) {
    require(entry.slot_tag != 0 && entry.place >= free);
    require(entry.hit_units >= 3 && entry.hit_units <= (8u << 20) / unit - 1);
    free = std::uint64_t{entry.place} + entry.hit_units;
    require(free <= place);
  }
}

void check_footer(const Footer& footer, std::uint32_t place) {
  require(footer.summary_place >= 2 && footer.summary_place <= most_units);
  require(footer.entries * 3ull <= footer.summary_place);
  require(footer.summary_bytes() >= footer.entries * entry_bytes);
  require(footer.summary_place + footer.summary_bytes() / unit == place);
}

// The tag of a summary and its footer, and what else must fit.
void make_summary(std::span<std::byte> bytes, const Case& given) {
  if (bytes.size() < end_bytes) return;
  const auto summary = bytes.first(bytes.size() - end_bytes);
  const auto footer = bytes.last(end_bytes);
  if (given.fits()) {
    overlay(footer, 0, bytes_of("LARDsum\n"));
    store_little(footer.data() + 12, given.place);
    const auto claimed = load_little<std::uint32_t>(footer.data() + 8);
    const std::size_t room = summary.size() / entry_bytes;
    if (claimed > room) store_little(footer.data() + 8, static_cast<std::uint32_t>(room));
  }
  if (!given.seals()) return;
  Hasher hasher = Hasher::keyed(given.key);
  const Digest tag = hasher.update(summary).update(footer.first(at_end_tag)).finish();
  overlay(footer, at_end_tag, std::as_bytes(std::span(tag)));
}

void check_summary(std::span<const std::byte> bytes, const std::vector<SummaryEntry>& entries,
                   const Case& given) {
  check_entries(entries, given.place);
  // Lowest and highest sequence are what the writer says; all else follows from the entries.
  Bytes again = format::encode_summary(entries, given.key, given.place);
  require(again.size() == bytes.size());
  const std::size_t footer = bytes.size() - end_bytes;
  overlay(again, footer + 16, bytes.subspan(footer + 16, 16));
  make_summary(again, {.how = 8, .key = given.key});
  require(equal(again, bytes));
  Bytes spoilt = copy_of(bytes);
  flip(spoilt, given.bit);
  require(!format::decode_summary(spoilt, given.key, given.place));
  require(!format::decode_summary(bytes, given.key, given.place ^ 1));
}

void look_at_summary(std::span<const std::byte> bytes, const Case& given) {
  const auto entries = format::decode_summary(bytes, given.key, given.place);
  if (entries) check_summary(bytes, *entries, given);
}

void test_summary(const Case& given, Bytes bytes) {
  look_at_summary(bytes, given);
  make_summary(bytes, given);
  look_at_summary(bytes, given);
}

// Entries that a writer may have.
void test_entries(const Case& given, std::span<const std::byte> bytes) {
  Input input(bytes);
  std::vector<SummaryEntry> entries;
  std::uint32_t free = 2;
  while (!input.at_end()) {
    const std::uint32_t place = free + input.byte() % 4;
    const std::uint32_t units = 3 + input.number<std::uint16_t>() % 1000;
    if (place + units > most_units) break;
    entries.push_back({.slot_tag = input.number<std::uint64_t>() | 1,
                       .place = place,
                       .hit_units = units,
                       .sequence = input.number<std::uint64_t>(),
                       .removed = input.byte() % 2 == 1,
                       .supersedes = input.byte() % 2 == 1});
    free = place + units;
  }
  const Bytes encoded = format::encode_summary(entries, given.key, free);
  Case at = given;
  at.place = free;
  require(format::decode_summary(encoded, at.key, free) == entries);
  look_at_summary(encoded, at);
}

void test_ends(const Case& given, Bytes bytes) {
  bytes.resize(std::max(bytes.size(), 2 * end_bytes));
  if (given.fits()) overlay(bytes, 0, bytes_of("LARDsum\n"));
  const auto footer = format::decode_footer(bytes, given.place);
  if (!footer) return;
  check_footer(*footer, given.place);
  auto trailer = std::span(bytes).subspan(end_bytes);
  const auto made = format::encode_trailer(*footer, given.key, given.place);
  const bool good = format::trailer_is_good(trailer, *footer, given.key, given.place);
  require(good == equal(made, trailer.first(end_bytes)));
  Bytes spoilt = copy_of(made);
  require(format::trailer_is_good(spoilt, *footer, given.key, given.place));
  flip(spoilt, given.bit);
  require(!format::trailer_is_good(spoilt, *footer, given.key, given.place));
  // Of another footer, or elsewhere.
  Footer other = *footer;
  other.tag[given.bit % other.tag.size()] ^= 1;
  require(!format::trailer_is_good(made, other, given.key, given.place));
  require(!format::trailer_is_good(made, *footer, given.key, given.place + 1));
  require(!format::trailer_is_good(std::span(made).first(end_bytes - 1), *footer, given.key,
                                   given.place));
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  Case given{.how = input.byte(),
             .place = input.number<std::uint32_t>(),
             .bit = input.number<std::uint32_t>()};
  given.segment.number = input.number<std::uint32_t>();
  given.segment.store = input.array<format::StoreId>();
  given.segment.random = input.array<decltype(given.segment.random)>();
  given.key = segment_key(given.segment);
  Bytes part = copy_of(input.rest());
  switch (given.how & 3) {
    case 0: return test_header(given, std::move(part));
    case 1: return test_summary(given, std::move(part));
    case 2: return test_entries(given, part);
    default: return test_ends(given, std::move(part));
  }
}

}  // namespace larder::fuzz
