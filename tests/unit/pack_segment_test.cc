// The ends of segments cut, flipped, moved and crafted; and the names of their files.
#include "format/pack_segment.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "tests/unit/pack_bytes.h"

namespace larder::format {
namespace {

constexpr std::uint32_t summary_at = 4000;

SummaryEntry entry_at(std::uint32_t place, std::uint32_t units = 3) {
  return {.slot_tag = place * 0x0101010101010101u,
          .place = place,
          .hit_units = units,
          .sequence = 1000 + place};
}

std::vector<SummaryEntry> some_entries(std::size_t count) {
  std::vector<SummaryEntry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back(entry_at(static_cast<std::uint32_t>(2 + 3 * i)));
    entries.back().removed = i % 3 == 1;
    entries.back().supersedes = i % 2 == 1;
  }
  return entries;
}

std::vector<std::byte> summary_of(std::span<const SummaryEntry> entries) {
  return encode_summary(entries, key_of_tests(), summary_at);
}

bool is_good(std::span<const std::byte> summary) {
  return decode_summary(summary, key_of_tests(), summary_at).has_value();
}

Footer footer_in(std::span<const std::byte> summary) {
  const auto units = (summary.size() - footer_bytes) / pack_unit_bytes;
  const auto footer =
      decode_footer(summary.last(footer_bytes), summary_at + static_cast<std::uint32_t>(units));
  EXPECT_TRUE(footer);
  return footer.value_or(Footer{});
}

TEST(SegmentHeader, RoundTrips) {
  const SegmentHeader written{.identity = identity(), .created_at_sequence = 99};
  const auto read = decode_segment_header(encode_segment_header(written));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->identity, written.identity);
  EXPECT_EQ(read->created_at_sequence, 99u);
}

TEST(SegmentHeader, EveryFlippedBitAndEveryTruncationIsSeen) {
  auto bytes = encode_segment_header({.identity = identity(), .created_at_sequence = 99});
  flip_each_bit(bytes, [&](std::size_t bit) { EXPECT_FALSE(decode_segment_header(bytes)) << bit; });
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(length));
    EXPECT_FALSE(decode_segment_header(cut)) << length;
  }
}

TEST(SegmentHeader, WhatNoWriterWritesIsRefusedThoughItsCheckIsRight) {
  const auto good = encode_segment_header({.identity = identity()});
  const auto crafted = [&](std::size_t offset, std::uint8_t value) {
    auto bytes = good;
    bytes[offset] = static_cast<std::byte>(value);
    store_little(bytes.data() + 56, check_of_words(std::span<const std::byte>(bytes).first(56)));
    return decode_segment_header(bytes).has_value();
  };
  EXPECT_TRUE(crafted(0, 'L'));
  EXPECT_FALSE(crafted(0, 'l'));
  EXPECT_FALSE(crafted(8, 0)) << "version";
  EXPECT_FALSE(crafted(8, 2)) << "version";
  EXPECT_FALSE(crafted(9, 1)) << "version";
  EXPECT_FALSE(crafted(10, 1)) << "reserved";
  EXPECT_FALSE(crafted(11, 1)) << "reserved";
  EXPECT_TRUE(crafted(15, 1)) << "the largest number has 25 bits";
  EXPECT_FALSE(crafted(15, 2)) << "a number that no location can hold";
}

TEST(SegmentSummary, RoundTrips) {
  for (const std::size_t count : {0, 1, 2, 5, 8, 1000}) {
    const auto entries = some_entries(count);
    const auto bytes = summary_of(entries);
    EXPECT_EQ(bytes.size() % pack_unit_bytes, 0u);
    const auto read = decode_summary(bytes, key_of_tests(), summary_at);
    ASSERT_TRUE(read) << count;
    EXPECT_EQ(*read, entries);
    const Footer footer = footer_in(bytes);
    EXPECT_EQ(footer.entries, count);
    EXPECT_EQ(footer.summary_place, summary_at);
    EXPECT_EQ(footer.summary_bytes() + footer_bytes, bytes.size());
    const auto none = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(footer.lowest_sequence, count == 0 ? none : 1002);
    EXPECT_EQ(footer.highest_sequence, count == 0 ? 0 : 1002 + 3 * (count - 1));
  }
}

TEST(SegmentSummary, TellsOfARecordWhatTheIndexNeeds) {
  Record record = artifact_record("payload", "recipe");
  record.supersedes = true;
  const SummaryEntry entry = summary_entry(record, 11, 22);
  EXPECT_EQ(entry, (SummaryEntry{.slot_tag = 11,
                                 .place = 22,
                                 .hit_units = 4,
                                 .sequence = 7,
                                 .removed = false,
                                 .supersedes = true}));
  EXPECT_TRUE(summary_entry({.kind = RecordKind::removed, .fingerprint = {}}, 1, 2).removed);
  EXPECT_EQ(summary_entry(large_record(7), 11, 22).hit_units, 3u);
}

TEST(SegmentSummary, EveryFlippedBitIsSeen) {
  for (const std::size_t count : {0, 1, 5}) {
    auto bytes = summary_of(some_entries(count));
    flip_each_bit(bytes, [&](std::size_t bit) { EXPECT_FALSE(is_good(bytes)) << bit; });
    EXPECT_TRUE(is_good(bytes));
  }
}

TEST(SegmentSummary, EveryTruncationIsSeen) {
  const auto bytes = summary_of(some_entries(5));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto cut = static_cast<long>(length);
    EXPECT_FALSE(is_good(std::vector(bytes.begin(), bytes.begin() + cut))) << length;
    EXPECT_FALSE(is_good(std::vector(bytes.end() - cut, bytes.end()))) << length;
  }
  auto longer = bytes;
  longer.resize(bytes.size() + pack_unit_bytes);
  EXPECT_FALSE(is_good(longer));
}

TEST(SegmentSummary, IsDamagedElsewhere) {
  const auto bytes = summary_of(some_entries(5));
  EXPECT_FALSE(decode_summary(bytes, key_of_tests(), summary_at + 1));
  EXPECT_FALSE(decode_summary(bytes, key_of_tests(), 0));
  EXPECT_FALSE(decode_summary(bytes, key_of_tests(), ~0u));
  SegmentIdentity other = identity();
  ++other.number;
  EXPECT_FALSE(decode_summary(bytes, segment_key(other), summary_at));
}

// One tag, one length: zeros more than the padding has are nobody's, even under a tag.
TEST(SegmentSummary, ZerosBehindThePaddingAreRefused) {
  const auto bytes = summary_of(some_entries(5));
  const std::size_t summary_bytes = bytes.size() - footer_bytes;
  for (const std::size_t more : {1u, 40u, 63u}) {
    std::vector<std::byte> longer = bytes;
    longer.insert(longer.begin() + static_cast<std::ptrdiff_t>(summary_bytes), more, std::byte{0});
    Hasher hasher = Hasher::keyed(key_of_tests());
    const auto footer = std::span(longer).last(footer_bytes);
    hasher.update(std::span(longer).first(summary_bytes + more)).update(footer.first(32));
    const Digest tag = hasher.finish();
    std::memcpy(footer.data() + 32, tag.data(), tag.size());
    EXPECT_FALSE(is_good(longer)) << more;
  }
}

// With a tag that is right, as somebody makes them who can read the store.
TEST(SegmentSummary, EntriesThatNoWriterWritesAreRefused) {
  const auto refused = [](std::vector<SummaryEntry> entries) {
    return !is_good(summary_of(entries));
  };
  EXPECT_FALSE(refused({entry_at(2), entry_at(5)}));
  EXPECT_TRUE(refused({entry_at(0)})) << "in the header";
  EXPECT_TRUE(refused({entry_at(1)})) << "in the second header";
  EXPECT_TRUE(refused({entry_at(5), entry_at(2)})) << "out of order";
  EXPECT_TRUE(refused({entry_at(5), entry_at(5)})) << "twice";
  EXPECT_TRUE(refused({entry_at(5, 4), entry_at(8)})) << "overlapping";
  EXPECT_TRUE(refused({entry_at(5, 2)})) << "shorter than a header";
  EXPECT_TRUE(refused({entry_at(5, 0)}));
  EXPECT_FALSE(refused({entry_at(summary_at - 3)}));
  EXPECT_TRUE(refused({entry_at(summary_at - 2)})) << "reaches into the summary";
  EXPECT_TRUE(refused({entry_at(5, ~0u)}));
  EXPECT_TRUE(refused({entry_at(0xfffff)}));
  constexpr std::uint32_t longest = max_record_bytes / pack_unit_bytes;
  const auto far_summary = [](std::uint32_t units) {
    const std::uint32_t place = max_segment_bytes / pack_unit_bytes;
    const SummaryEntry entry = entry_at(2, units);
    return decode_summary(encode_summary({&entry, 1}, key_of_tests(), place), key_of_tests(), place)
        .has_value();
  };
  EXPECT_TRUE(far_summary(longest));
  EXPECT_FALSE(far_summary(longest + 1)) << "more than a location holds";
  SummaryEntry no_tag = entry_at(5);
  no_tag.slot_tag = 0;
  EXPECT_TRUE(refused({no_tag})) << "would end a search in the index";
}

void tag_again(std::vector<std::byte>& bytes) {
  const auto covered = std::span(bytes).first(bytes.size() - 32);
  const Digest tag = Hasher::keyed(key_of_tests()).update(covered).finish();
  std::memcpy(bytes.data() + covered.size(), tag.data(), tag.size());
}

TEST(SegmentSummary, ReservedBitsAndPaddingAreZero) {
  const auto good = summary_of(some_entries(1));
  for (const std::size_t offset :
       {std::size_t{10}, std::size_t{11}, std::size_t{24}, std::size_t{63}}) {
    auto bytes = good;
    bytes[offset] |= std::byte{0x80};
    tag_again(bytes);
    EXPECT_FALSE(is_good(bytes)) << offset;
  }
  auto same = good;
  tag_again(same);
  EXPECT_EQ(same, good);
}

TEST(SegmentSummary, BeginsWhereItsFooterSays) {
  auto bytes = summary_of(some_entries(3));
  store_little(bytes.data() + 128 + 8, 2u);  // two entries need one unit less
  store_little(bytes.data() + 128 + 12, summary_at + 1);
  std::memset(bytes.data() + 48, 0, 24);
  tag_again(bytes);
  EXPECT_FALSE(is_good(bytes));
}

TEST(SegmentFooter, ClaimsAreBounded) {
  const auto claims = [](std::uint32_t entries, std::uint32_t summary_place, std::uint32_t place) {
    auto bytes = encode_summary({}, key_of_tests(), 0);
    store_little(bytes.data() + 8, entries);
    store_little(bytes.data() + 12, summary_place);
    return decode_footer(bytes, place).has_value();
  };
  constexpr std::uint32_t last_place = max_segment_bytes / pack_unit_bytes;
  EXPECT_TRUE(claims(0, 2, 2));
  EXPECT_FALSE(claims(0, 1, 1)) << "in the headers";
  EXPECT_FALSE(claims(0, 0, 0));
  EXPECT_FALSE(claims(0, 2, 3)) << "not right behind the summary";
  EXPECT_TRUE(claims(1, 5, 6));
  EXPECT_FALSE(claims(2, 5, 6)) << "more entries than records fit";
  EXPECT_TRUE(claims(0, last_place, last_place));
  EXPECT_FALSE(claims(0, last_place + 1, last_place + 1));
  for (const std::uint32_t place : {0u, 6u, ~0u}) {
    EXPECT_FALSE(claims(~0u, ~0u, place));
    EXPECT_FALSE(claims(~0u, 5, place));
  }
}

TEST(SegmentFooter, EveryTruncationIsSeen) {
  const auto bytes = encode_summary({}, key_of_tests(), summary_at);
  EXPECT_TRUE(decode_footer(bytes, summary_at));
  auto other = bytes;
  other[0] ^= std::byte{1};
  EXPECT_FALSE(decode_footer(other, summary_at)) << "another magic";
  for (long length = 0; length < static_cast<long>(footer_bytes); ++length) {
    EXPECT_FALSE(decode_footer(std::vector(bytes.begin(), bytes.begin() + length), summary_at));
  }
}

class SegmentTrailer : public testing::Test {
 protected:
  const Footer footer_ = footer_in(summary_of(some_entries(5)));
  const std::uint32_t place_ = summary_at + 2;
  std::array<std::byte, trailer_bytes> bytes_ = encode_trailer(footer_, key_of_tests(), place_);

  bool is_good() const { return trailer_is_good(bytes_, footer_, key_of_tests(), place_); }
};

TEST_F(SegmentTrailer, EveryFlippedBitAndEveryTruncationIsSeen) {
  EXPECT_TRUE(is_good());
  flip_each_bit(bytes_, [&](std::size_t bit) { EXPECT_FALSE(is_good()) << bit; });
  for (long length = 0; length < static_cast<long>(trailer_bytes); ++length) {
    EXPECT_FALSE(trailer_is_good(std::vector(bytes_.begin(), bytes_.begin() + length), footer_,
                                 key_of_tests(), place_));
  }
}

TEST_F(SegmentTrailer, VouchesForNothingElse) {
  const Footer other = footer_in(summary_of(some_entries(6)));
  EXPECT_FALSE(trailer_is_good(bytes_, other, key_of_tests(), place_));
  EXPECT_FALSE(trailer_is_good(bytes_, footer_, key_of_tests(), place_ + 1));
  SegmentKey key = key_of_tests();
  key[31] ^= 1;
  EXPECT_FALSE(trailer_is_good(bytes_, footer_, key, place_));
}

TEST(SegmentName, RoundTrips) {
  EXPECT_EQ(segment_name(0x2a), "0000002a.seg");
  EXPECT_EQ(bad_segment_name(0x2a, 0x10000), "0000002a.00010000.bad");
  for (const std::uint32_t number : {0u, 1u, 0x2au, max_segment_number}) {
    const auto good = parse_segment_name(segment_name(number));
    ASSERT_TRUE(good);
    EXPECT_EQ(good->number, number);
    EXPECT_FALSE(good->good_until_place);
    const auto bad = parse_segment_name(bad_segment_name(number, 0xfedcba98));
    ASSERT_TRUE(bad);
    EXPECT_EQ(bad->number, number);
    EXPECT_EQ(bad->good_until_place, 0xfedcba98);
  }
}

TEST(SegmentName, NothingElseIsASegment) {
  for (const std::string_view name : {"",
                                      ".",
                                      "..",
                                      "seg",
                                      ".seg",
                                      "2a.seg",
                                      "0000002a",
                                      "0000002a.",
                                      "0000002a.se",
                                      "0000002a.seg ",
                                      " 000002a.seg",
                                      "0000002a.seg\n",
                                      "0000002A.seg",
                                      "0000002a.SEG",
                                      "+000002a.seg",
                                      "-0000001.seg",
                                      "0x00002a.seg",
                                      "00000_2a.seg",
                                      "0000002g.seg",
                                      "000000002a.seg",
                                      "02000000.seg",
                                      "ffffffff.seg",
                                      "0000002a.seg.seg",
                                      "0000002a.bad",
                                      "0000002a.00010000.seg",
                                      "0000002a.00010000",
                                      "0000002a.0001000.bad",
                                      "0000002a.000010000.bad",
                                      "0000002a.0001000G.bad",
                                      "0000002a.+0010000.bad",
                                      "0000002a.00010000.bad~",
                                      "0000002a..bad",
                                      "0000002a-00010000.bad",
                                      "02000000.00000000.bad",
                                      "../0002a.seg",
                                      "0000002a/seg",
                                      ".larder-00000000000000000000000000000000.tmp"}) {
    EXPECT_FALSE(parse_segment_name(name)) << name;
  }
  EXPECT_FALSE(parse_segment_name(std::string_view("0000002a.seg\0", 13)));
  EXPECT_FALSE(parse_segment_name(std::string_view("0000\00002a.seg", 13)));
}

TEST(SegmentName, EveryTruncationIsNone) {
  for (const std::string& name : {segment_name(42), bad_segment_name(42, 7)}) {
    for (std::size_t length = 0; length < name.size(); ++length) {
      EXPECT_FALSE(parse_segment_name(std::string_view(name).substr(0, length)));
    }
  }
}

}  // namespace
}  // namespace larder::format
