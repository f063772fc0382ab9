// The index and the state: what is refused, what fits in a slot, and how slots are chosen.
#include "format/pack_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "tests/unit/pack_bytes.h"

namespace larder::format {
namespace {

// Every segment number, place and length that the format allows goes through a location.
constexpr Location largest{.segment = max_segment_number,
                           .place = max_segment_bytes / pack_unit_bytes - 1,
                           .units = max_record_bytes / pack_unit_bytes};
static_assert(Location::of(largest.word()) == largest);
static_assert(Location::of(largest.word() | visited_bit | frozen_bit) == largest);
static_assert(largest.word() == place_mask);
static_assert((largest.word() & (visited_bit | frozen_bit)) == 0);
static_assert((place_mask | visited_bit | frozen_bit) == ~std::uint64_t{0});
constexpr bool alone(Location location) { return Location::of(location.word()) == location; }
static_assert(alone({.segment = max_segment_number}) && alone({.place = 0xfffff}) &&
              alone({.units = 0x1ffff}) && alone({}));
static_assert(Location{.place = records_at / pack_unit_bytes}.word() != 0,
              "no record has the location of an empty slot");
static_assert(largest.offset_bytes() == max_segment_bytes - pack_unit_bytes);
static_assert(largest.hit_bytes() == max_record_bytes);
static_assert(state_words_at + state_words * 8 <= 512, "one sector: never torn");
static_assert(state_words_at + state_words * 8 <= state_marks_at);
constexpr bool alone(SyncMark mark) { return SyncMark::of(mark.word()) == mark; }
static_assert(alone(SyncMark{.segment = 0}) && alone(SyncMark{.segment = max_segment_number}));
static_assert(alone(SyncMark{.segment = max_segment_number, .good_until_place = 0}));
static_assert(alone(SyncMark{.segment = 0, .good_until_place = (96u << 20) / pack_unit_bytes}));
static_assert(!SyncMark::of(0) && !SyncMark::of(1ull << 63) && !SyncMark::of(0x3ffffff));
static_assert(!SyncMark::of(SyncMark{.segment = 5}.word() ^ 1ull << 63));

using IndexBytes = std::array<std::byte, index_header_bytes>;
using StateBytes = std::array<std::byte, state_bytes>;

const IndexHeader some_header{.store = counting_from(1), .generation = 5, .log2_slots = 13};

IndexBytes index_bytes(const IndexHeader& header = some_header) {
  IndexBytes bytes;
  bytes.fill(std::byte{0xee});
  encode_index_header(header, bytes);
  return bytes;
}

bool is_index(std::span<const std::byte> bytes,
              std::uint64_t file_bytes = some_header.file_bytes()) {
  return decode_index_header(bytes, file_bytes).has_value();
}

TEST(IndexHeader, RoundTrips) {
  for (const std::uint32_t log2_slots : {min_log2_slots, 20u, max_log2_slots}) {
    const IndexHeader written{
        .store = counting_from(1), .generation = ~0ull, .log2_slots = log2_slots};
    const auto read = decode_index_header(index_bytes(written), written.file_bytes());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->store, written.store);
    EXPECT_EQ(read->generation, written.generation);
    EXPECT_EQ(read->log2_slots, log2_slots);
  }
}

TEST(IndexHeader, EveryFlippedBitIsSeenButTheCountersOwn) {
  auto bytes = index_bytes();
  flip_each_bit(bytes, [&](std::size_t bit) {
    const bool is_counter = bit / 8 >= index_used_at && bit / 8 < index_used_at + 8;
    EXPECT_EQ(is_index(bytes), is_counter) << bit;
  });
}

TEST(IndexHeader, EveryTruncationOfItAndOfItsFileIsSeen) {
  const auto bytes = index_bytes();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(is_index(std::span(bytes).first(length))) << length;
  }
  EXPECT_EQ(some_header.file_bytes(), 4096u + (16u << 13));
  EXPECT_TRUE(is_index(bytes, some_header.file_bytes()));
  EXPECT_TRUE(is_index(bytes, some_header.file_bytes() + 1));
  EXPECT_FALSE(is_index(bytes, some_header.file_bytes() - 1));
  EXPECT_FALSE(is_index(bytes, 0));
}

TEST(IndexHeader, SizesAreBoundedThoughTheCheckIsRight) {
  for (const std::uint32_t log2_slots : {0u, min_log2_slots - 1, max_log2_slots + 1, 64u, ~0u}) {
    auto bytes = index_bytes();
    store_little(bytes.data() + 12, log2_slots);
    store_little(bytes.data() + 40, check_of_words(std::span<const std::byte>(bytes).first(40)));
    EXPECT_FALSE(is_index(bytes, std::numeric_limits<std::uint64_t>::max())) << log2_slots;
  }
}

// Crafts one byte and makes the check right again.
template <std::size_t Size>
auto crafted(const std::array<std::byte, Size>& good, std::size_t check_at, std::size_t offset,
             std::uint8_t value) {
  auto bytes = good;
  bytes[offset] = static_cast<std::byte>(value);
  store_little(bytes.data() + check_at,
               check_of_words(std::span<const std::byte>(bytes).first(check_at)));
  return bytes;
}

TEST(IndexHeader, IsOfThisVersionAlone) {
  EXPECT_TRUE(is_index(crafted(index_bytes(), 40, 0, 'L')));
  EXPECT_FALSE(is_index(crafted(index_bytes(), 40, 7, '\r')));
  for (const std::size_t offset : {8u, 9u, 10u, 11u}) {
    EXPECT_FALSE(is_index(crafted(index_bytes(), 40, offset, 2))) << offset;
  }
}

TEST(IndexName, RoundTripsAndNothingElseIsOne) {
  EXPECT_EQ(index_name(0xab), "index.00000000000000ab");
  for (const std::uint64_t generation : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    EXPECT_EQ(parse_index_name(index_name(generation)), generation);
  }
  for (const std::string_view name :
       {"", "index", "index.", "index.1", "index.00000000000000AB", "Index.00000000000000ab",
        "index.000000000000000g", "index.00000000000000ab ", " index.00000000000000ab",
        "index.+0000000000000ab", "index.-000000000000001", "index.0x000000000000ab",
        "index.0000000000000000ab", "index.00000000000000ab.tmp", "index-00000000000000ab",
        "../index.00000000000000ab", "index.000000000000000\n"}) {
    EXPECT_FALSE(parse_index_name(name)) << name;
  }
  EXPECT_FALSE(parse_index_name(std::string_view("index.00000000000000ab\0", 23)));
}

TEST(StateHeader, EveryFlippedBitIsSeenButThoseOfTheWords) {
  StateBytes bytes;
  bytes.fill(std::byte{0xee});
  encode_state_header(counting_from(1), bytes);
  EXPECT_EQ(decode_state_header(bytes), counting_from(1));
  flip_each_bit(bytes, [&](std::size_t bit) {
    const std::size_t at = bit / 8;
    const bool is_word = at >= state_words_at && at < state_words_at + state_words * 8;
    EXPECT_EQ(decode_state_header(bytes).has_value(), is_word || at >= state_marks_at) << bit;
  });
}

TEST(StateHeader, IsOfThisVersionAlone) {
  StateBytes good;
  encode_state_header(counting_from(1), good);
  EXPECT_TRUE(decode_state_header(crafted(good, 32, 0, 'L')));
  EXPECT_FALSE(decode_state_header(crafted(good, 32, 7, '\r')));
  for (const std::size_t offset : {8u, 9u, 10u, 11u, 12u, 13u, 14u, 15u}) {
    EXPECT_FALSE(decode_state_header(crafted(good, 32, offset, 2))) << offset;
  }
}

TEST(StateHeader, EveryTruncationIsSeen) {
  StateBytes bytes;
  encode_state_header(counting_from(1), bytes);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_state_header(std::span(bytes).first(length))) << length;
  }
}

TEST(CheckOfWords, IsTheSameOverBytesAndWordsAndSeesEveryBit) {
  std::array<std::byte, 40> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  std::array<std::uint64_t, 5> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = load_little<std::uint64_t>(bytes.data() + 8 * i);
  }
  const std::span<const std::byte> view(bytes);
  const std::uint64_t check = check_of_words(view);
  EXPECT_EQ(check_of_words(std::span<const std::uint64_t>(words)), check);
  flip_each_bit(bytes, [&](std::size_t bit) { EXPECT_NE(check_of_words(view), check) << bit; });
  EXPECT_NE(check_of_words(view.first(32)), check);
}

Fingerprint with_word(std::size_t word, std::uint64_t value) {
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < 8; ++i) {
    fingerprint.bytes[8 * word + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  return fingerprint;
}

TEST(SlotHash, DependsOnTheStoreAndOnEveryBit) {
  const SlotHash hash(counting_from(1));
  Fingerprint fingerprint = fingerprint_of("one");
  const std::uint64_t tag = hash(fingerprint, 0);
  EXPECT_EQ(SlotHash(counting_from(1))(fingerprint, 0), tag);
  EXPECT_NE(SlotHash(counting_from(2))(fingerprint, 0), tag);
  flip_each_bit(std::as_writable_bytes(std::span(fingerprint.bytes)),
                [&](std::size_t bit) { EXPECT_NE(hash(fingerprint, 0), tag) << bit; });
}

TEST(SlotHash, IsNeverTheTagOfAnUnusedSlot) {
  EXPECT_NE(SlotHash(counting_from(1))(Fingerprint{}, 0), 0u) << "the sum over zero words is zero";
}

using Family = Fingerprint (*)(std::uint64_t number);

Fingerprint with_equal_words(std::uint64_t number) {
  Fingerprint fingerprint = with_word(0, number);
  for (std::size_t at = 8; at < 32; ++at) fingerprint.bytes[at] = fingerprint.bytes[at % 8];
  return fingerprint;
}

// Fingerprints as they come, and as somebody might choose them.
constexpr Family families[] = {
    [](std::uint64_t i) { return fingerprint_of(std::to_string(i)); },
    [](std::uint64_t i) { return with_word(0, i); },
    [](std::uint64_t i) { return with_word(1, i << 49); },
    [](std::uint64_t i) { return with_word(2, i << 20); },
    [](std::uint64_t i) { return with_word(3, i * 0xfffffffb); },
    with_equal_words,
};

TEST(SlotHash, GivesDifferentFingerprintsDifferentTags) {
  constexpr std::uint64_t count = 1u << 15;  // as many as the third family has
  const SlotHash hash(counting_from(1));
  for (const Family family : families) {
    std::vector<std::uint64_t> tags;
    for (std::uint64_t i = 0; i < count; ++i) tags.push_back(hash(family(i), 0));
    std::ranges::sort(tags);
    EXPECT_EQ(std::ranges::adjacent_find(tags), tags.end());
  }
}

// The longest way from a first position to a free slot in a table that is half full.
std::uint64_t longest_probe(std::span<const Fingerprint> fingerprints, const StoreId& store) {
  std::vector<bool> taken(2 * fingerprints.size());
  const SlotHash hash(store);
  const int shift = std::countl_zero(taken.size() - 1);
  std::uint64_t longest = 0;
  for (const Fingerprint& fingerprint : fingerprints) {
    std::uint64_t slot = hash(fingerprint, 0) >> shift;
    std::uint64_t probes = 1;
    for (; taken[slot]; slot = (slot + 1) % taken.size()) ++probes;
    taken[slot] = true;
    longest = std::max(longest, probes);
  }
  return longest;
}

// Random tags give 16, and 60 in the worst of thousands of stores. Without its last step the hash
// gives some stores, one in a thousand, a thousand probes.
TEST(SlotHash, SpreadsWhateverFingerprintsAreChosenInEveryStore) {
  for (const Family& family : families) {
    std::vector<Fingerprint> fingerprints;
    for (std::uint64_t i = 0; i < 2048; ++i) fingerprints.push_back(family(i));
    std::uint64_t longest = 0;
    for (std::uint32_t number = 0; number < 2000; ++number) {
      StoreId store = {};
      store_little(store.data(), number);
      longest = std::max(longest, longest_probe(fingerprints, store));
    }
    EXPECT_LT(longest, 120u) << "family " << &family - families;
  }
}

}  // namespace
}  // namespace larder::format
