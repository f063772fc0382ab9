// Records cut, flipped, moved and crafted: never good where they were not written.
#include "format/pack_record.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "larder/recipe.h"
#include "larder/store.h"
#include "tests/unit/pack_bytes.h"

namespace larder::format {
namespace {

constexpr std::uint32_t place = 5;

// One unit more of `units` than the longest that a hit can name would not fit in a location.
static_assert(max_record_bytes / pack_unit_bytes == 0x1ffff);
static_assert(max_segment_bytes / pack_unit_bytes - 1 == 0xfffff);
static_assert(max_segment_number == 0x1ffffff);
static_assert(record_header_bytes % pack_unit_bytes == 0, "a payload is aligned where it lies");
static_assert(round_to_unit(0) == 0 && round_to_unit(1) == 64 && round_to_unit(64) == 64);

RecordVerdict verdict_of(std::span<const std::byte> header, Record* into = nullptr) {
  Record record;
  const auto verdict = decode_record(header, key_of_tests(), place, record);
  if (into != nullptr) *into = record;
  return verdict;
}

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.codec, b.codec);
  EXPECT_EQ(a.supersedes, b.supersedes);
  EXPECT_EQ(a.written_s, b.written_s);
  EXPECT_EQ(a.key_id, b.key_id);
  EXPECT_EQ(a.sequence, b.sequence);
  EXPECT_EQ(a.raw_bytes, b.raw_bytes);
  EXPECT_EQ(a.stored_bytes, b.stored_bytes);
  EXPECT_EQ(a.recipe_bytes, b.recipe_bytes);
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  EXPECT_EQ(a.payload_digest, b.payload_digest);
  EXPECT_EQ(a.recipe_digest, b.recipe_digest);
}

std::vector<Record> good_records() {
  std::vector<Record> records = {artifact_record(""), artifact_record("payload", "recipe")};
  Record record = artifact_record("payload");
  record.supersedes = true;
  record.key_id = 0x1122334455667788;
  record.sequence = ~std::uint64_t{0};
  record.written_s = ~std::uint32_t{0};
  records.push_back(record);
  record = artifact_record("compressed", "recipe");
  record.codec = Codec::zstd;
  record.raw_bytes = max_payload_bytes_larder;
  records.push_back(record);
  records.push_back({.kind = RecordKind::removed, .sequence = 9, .fingerprint = {}});
  records.push_back(large_record(max_payload_bytes_larder));
  record = artifact_record("");
  record.recipe_bytes = Recipe::max_encoded_bytes;
  record.raw_bytes = record.stored_bytes =
      max_record_bytes - record_header_bytes - Recipe::max_encoded_bytes;
  records.push_back(record);
  return records;
}

// 40 headers, of three segments, good and bad in turns: each as decode_record sees it alone.
TEST(PackRecord, SideBySideAsOneByOne) {
  const auto records = good_records();
  std::array<SegmentKey, 3> keys = {key_of_tests(), blake3("second"), blake3("third")};
  for (std::size_t count = 0; count <= 40; ++count) {
    std::vector<RecordHeader> headers;
    std::vector<Record> read(count);
    std::vector<HeaderToDecode> all;
    for (std::size_t i = 0; i < count; ++i) {
      headers.push_back(encode_record(records[i % records.size()], keys[i % 3], place));
      if (i % 5 == 3) headers.back()[i * 7 % record_header_bytes] ^= std::byte{1};
    }
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back({.header = std::span(headers[i]).first(i % 7 == 6 ? 191 : 192),
                     .key = &keys[(i + (i % 4 == 1 ? 1 : 0)) % 3],
                     .place = i % 11 == 10 ? place + 1 : place,
                     .record = &read[i]});
    }
    decode_records(all);
    for (std::size_t i = 0; i < count; ++i) {
      Record alone;
      ASSERT_EQ(all[i].verdict, decode_record(all[i].header, *all[i].key, all[i].place, alone));
      expect_same(read[i], alone);
    }
  }
}

TEST(PackRecord, RoundTrips) {
  for (const Record& written : good_records()) {
    Record read;
    const auto header = encode_record(written, key_of_tests(), place);
    ASSERT_EQ(verdict_of(header, &read), RecordVerdict::good);
    expect_same(read, written);
    EXPECT_LE(read.total_bytes(), max_record_bytes);
    EXPECT_EQ(read.total_bytes() % pack_unit_bytes, 0u);
  }
}

TEST(PackRecord, EveryFlippedBitOfTheHeaderIsDamaged) {
  for (const Record& written : good_records()) {
    if (written.key_id != 0) continue;
    auto header = encode_record(written, key_of_tests(), place);
    flip_each_bit(header, [&](std::size_t bit) {
      EXPECT_EQ(verdict_of(header), RecordVerdict::damaged) << bit;
    });
    EXPECT_EQ(verdict_of(header), RecordVerdict::good);
  }
}

DerivedKey own_key() { return {.id = 7, .bytes = blake3("ours")}; }

Record authentic_record() {
  Record record = artifact_record("payload", "recipe");
  authenticate(record, own_key());
  return record;
}

RecordVerdict authentic_verdict_of(std::span<const std::byte> header, const DerivedKey& key) {
  Record record;
  return decode_authentic(header, key, place, record);
}

TEST(PackRecord, WithoutTheSecretARecordIsKnownByItsTag) {
  Record read;
  const Record written = authentic_record();
  const auto header = encode_record(written, key_of_tests(), place);
  ASSERT_EQ(verdict_of(header, &read), RecordVerdict::good);
  expect_same(read, written);
  EXPECT_EQ(read.authenticator, written.authenticator);
}

TEST(PackRecord, EveryFlippedBitUnderAKeyIsDamagedForWhoHasIt) {
  auto header = encode_record(authentic_record(), key_of_tests(), place);
  const auto is_in = [](std::size_t bit, std::size_t from, std::size_t until) {
    return bit >= from * 8 && bit < until * 8;
  };
  flip_each_bit(header, [&](std::size_t bit) {
    // The tag itself is for those who have no secret.
    const bool is_tag = is_in(bit, 128, 160);
    EXPECT_EQ(authentic_verdict_of(header, own_key()),
              is_tag ? RecordVerdict::good : RecordVerdict::damaged)
        << bit;
    const bool is_authenticator = is_in(bit, 168, 192);
    EXPECT_EQ(verdict_of(header), is_authenticator ? RecordVerdict::good : RecordVerdict::damaged)
        << bit;
  });
}

// Who knows everything but the secret makes tag and check right.
TEST(PackRecord, WhatIsForgedUnderAKeyIsDamaged) {
  const auto header = encode_record(authentic_record(), key_of_tests(), place);
  for (const std::size_t offset : {6u, 7u, 16u, 24u, 32u, 36u, 40u, 48u, 79u, 80u, 111u, 112u}) {
    auto forged = header;
    forged[offset] ^= std::byte{1};
    seal_again(forged, key_of_tests());
    EXPECT_NE(authentic_verdict_of(forged, own_key()), RecordVerdict::good) << offset;
  }
  Record forged = artifact_record("evil");
  authenticate(forged, {.id = own_key().id, .bytes = blake3("theirs")});
  EXPECT_EQ(authentic_verdict_of(encode_record(forged, key_of_tests(), place), own_key()),
            RecordVerdict::damaged);
  EXPECT_FALSE(is_authentic(forged, own_key()));
}

TEST(PackRecord, WhatNamesAnotherKeyOrNoneIsTold) {
  const auto unkeyed = encode_record(artifact_record("payload"), key_of_tests(), place);
  EXPECT_EQ(authentic_verdict_of(unkeyed, own_key()), RecordVerdict::other_key);
  EXPECT_FALSE(is_authentic(artifact_record("payload"), own_key()));
  EXPECT_FALSE(is_authentic(artifact_record("payload"), {}));
  const auto keyed = encode_record(authentic_record(), key_of_tests(), place);
  EXPECT_EQ(authentic_verdict_of(keyed, {.id = 8, .bytes = own_key().bytes}),
            RecordVerdict::other_key);
}

// Carried by somebody without the secret: another place, segment and time, the same authenticator.
TEST(PackRecord, StaysAuthenticElsewhereAndLater) {
  Record record = authentic_record();
  record.written_s += 1000;
  record.supersedes = true;
  const auto header = encode_record(record, blake3("another segment"), place + 1);
  Record read;
  EXPECT_EQ(decode_authentic(header, own_key(), place + 1, read), RecordVerdict::good);
  EXPECT_EQ(decode_authentic(header, own_key(), place, read), RecordVerdict::damaged);
  record.sequence += 1;
  EXPECT_FALSE(is_authentic(record, own_key()));
}

TEST(PackRecord, SideBySideWithAKeyAsOneByOne) {
  const DerivedKey key = own_key();
  std::vector<RecordHeader> headers;
  for (std::uint64_t i = 0; i < 20; ++i) {
    Record record = artifact_record("payload");
    record.sequence = i;
    authenticate(record, {.id = i % 5 == 4 ? 8u : 7u, .bytes = blake3(i % 3 == 2 ? "x" : "ours")});
    headers.push_back(encode_record(record, key_of_tests(), place));
  }
  std::vector<Record> read(headers.size());
  std::vector<HeaderToDecode> all;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    all.push_back({.header = headers[i], .authentic = &key, .place = place, .record = &read[i]});
  }
  decode_records(all);
  std::size_t good = 0;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    Record alone;
    ASSERT_EQ(all[i].verdict, decode_authentic(headers[i], key, place, alone)) << i;
    EXPECT_EQ(read[i].sequence, alone.sequence);
    good += all[i].verdict == RecordVerdict::good ? 1 : 0;
  }
  EXPECT_EQ(good, 11u);
}

TEST(PackRecord, EveryTruncationIsDamagedAndWhatFollowsDoesNotMatter) {
  const auto header = encode_record(artifact_record("payload"), key_of_tests(), place);
  for (std::size_t length = 0; length < header.size(); ++length) {
    // A copy of its own, so that a read behind it is found by AddressSanitizer.
    const std::vector<std::byte> cut(header.begin(), header.begin() + static_cast<long>(length));
    EXPECT_EQ(verdict_of(cut), RecordVerdict::damaged) << length;
  }
  std::vector<std::byte> longer(header.begin(), header.end());
  longer.push_back(std::byte{1});
  EXPECT_EQ(verdict_of(longer), RecordVerdict::good);
}

TEST(PackRecord, IsDamagedAtAnotherPlace) {
  const auto header = encode_record(artifact_record("payload"), key_of_tests(), place);
  Record record;
  for (std::uint32_t other = 0; other < 1000; ++other) {
    EXPECT_EQ(decode_record(header, key_of_tests(), other, record) == RecordVerdict::good,
              other == place);
  }
  // The place is under the tag: writing another one into the header does not move the record.
  auto moved = header;
  store_little(moved.data() + 44, place + 1);
  store_little(moved.data() + 160, check_of_words(std::span<const std::byte>(moved).first(48)));
  EXPECT_EQ(decode_record(moved, key_of_tests(), place + 1, record), RecordVerdict::damaged);
}

TEST(PackRecord, IsDamagedInAnotherSegmentOrStore) {
  const auto header = encode_record(artifact_record("payload"), key_of_tests(), place);
  SegmentIdentity other_store = identity();
  other_store.store[15] ^= std::byte{1};
  SegmentIdentity other_number = identity();
  ++other_number.number;
  SegmentIdentity other_random = identity();
  other_random.random[0] ^= std::byte{1};
  for (const SegmentIdentity& other : {other_store, other_number, other_random}) {
    Record record;
    EXPECT_EQ(decode_record(header, segment_key(other), place, record), RecordVerdict::damaged);
  }
}

// So that a good record found through a wrong slot is told by comparing fingerprints.
TEST(PackRecord, IsDamagedUnderAnotherFingerprint) {
  const Record record = artifact_record("payload");
  auto header = encode_record(record, key_of_tests(), place);
  std::memcpy(header.data() + 48, fingerprint_of("another").bytes.data(), 32);
  EXPECT_EQ(verdict_of(header), RecordVerdict::damaged);
}

struct Crafted {
  const char* what;
  std::size_t offset;
  std::vector<std::uint8_t> bytes;
};

std::vector<std::uint8_t> little(std::uint32_t number) {
  std::vector<std::uint8_t> bytes(4);
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(number >> (8 * i));
  return bytes;
}

RecordVerdict verdict_of_crafted(const Record& record, const Crafted& crafted) {
  auto header = encode_record(record, key_of_tests(), place);
  for (std::size_t i = 0; i < crafted.bytes.size(); ++i) {
    header[crafted.offset + i] = static_cast<std::byte>(crafted.bytes[i]);
  }
  seal_again(header, key_of_tests());
  return verdict_of(header);
}

TEST(PackRecord, WhatNoWriterWritesIsDamagedThoughItsTagIsRight) {
  const Record artifact = artifact_record("payload", "recipe");
  const Crafted cases[] = {
      {"magic", 0, {'l'}},
      {"version 0", 4, {0}},
      {"version 2", 4, {2}},
      {"version 257", 5, {1}},
      {"kind 0", 6, {0}},
      {"kind 4", 6, {4}},
      {"kind 255", 6, {255}},
      {"a tombstone with lengths", 6, {2}},
      {"a large one with stored bytes", 6, {3}},
      {"codec 2", 7, {2}},
      {"flag 2", 8, {2}},
      {"a high flag", 11, {0x80}},
      {"raw is not stored", 32, {8}},
      {"stored is not raw", 36, {8}},
      {"a recipe too long", 40, little(Recipe::max_encoded_bytes + 1)},
      {"a recipe far too long", 40, little(~0u)},
      {"another place", 44, {place + 1}},
  };
  ASSERT_EQ(verdict_of_crafted(artifact, {"nothing", 0, {}}), RecordVerdict::good);
  for (const Crafted& crafted : cases) {
    EXPECT_EQ(verdict_of_crafted(artifact, crafted), RecordVerdict::damaged) << crafted.what;
  }
  for (std::size_t offset = 168; offset < record_header_bytes; ++offset) {
    EXPECT_EQ(verdict_of_crafted(artifact, {"reserved", offset, {1}}), RecordVerdict::damaged);
  }
}

TEST(PackRecord, LengthsAreBoundedForEachKind) {
  Record zstd = artifact_record("compressed");
  zstd.codec = Codec::zstd;
  EXPECT_EQ(verdict_of_crafted(zstd, {"raw", 32, little(1u << 30)}), RecordVerdict::good);
  EXPECT_EQ(verdict_of_crafted(zstd, {"raw", 32, little((1u << 30) + 1)}), RecordVerdict::damaged);
  EXPECT_EQ(verdict_of_crafted(zstd, {"stored", 36, little(max_record_bytes - 192)}),
            RecordVerdict::good);
  for (const std::uint32_t stored : {std::uint32_t{max_record_bytes - 191}, 1u << 30, ~0u}) {
    EXPECT_EQ(verdict_of_crafted(zstd, {"stored", 36, little(stored)}), RecordVerdict::damaged);
  }
  const Record removed{.kind = RecordKind::removed, .fingerprint = {}};
  const Record large = large_record(0);
  for (const std::size_t length : {36u, 40u}) {
    EXPECT_EQ(verdict_of_crafted(removed, {"", length, {1}}), RecordVerdict::damaged);
    EXPECT_EQ(verdict_of_crafted(large, {"", length, {1}}), RecordVerdict::damaged);
  }
  EXPECT_EQ(verdict_of_crafted(removed, {"raw", 32, {1}}), RecordVerdict::damaged);
  EXPECT_EQ(verdict_of_crafted(large, {"raw", 32, {1}}), RecordVerdict::good);
  EXPECT_EQ(verdict_of_crafted(removed, {"codec", 7, {1}}), RecordVerdict::damaged);
  EXPECT_EQ(verdict_of_crafted(large, {"codec", 7, {1}}), RecordVerdict::damaged);
}

TEST(PackRecord, ADigestOfNothingIsZero) {
  const Record removed{.kind = RecordKind::removed, .fingerprint = {}};
  EXPECT_EQ(verdict_of_crafted(removed, {"payload", 111, {1}}), RecordVerdict::damaged);
  EXPECT_EQ(verdict_of_crafted(removed, {"recipe", 112, {1}}), RecordVerdict::damaged);
  EXPECT_EQ(verdict_of_crafted(large_record(7), {"payload", 111, {1}}), RecordVerdict::good);
  EXPECT_EQ(verdict_of_crafted(large_record(7), {"recipe", 127, {1}}), RecordVerdict::damaged);
}

TEST(PackRecord, MustEndInTheSegment) {
  constexpr std::uint32_t units = max_segment_bytes / pack_unit_bytes;
  const Record record{.kind = RecordKind::removed, .fingerprint = {}};
  auto header = encode_record(record, key_of_tests(), units - 3);
  Record read;
  EXPECT_EQ(decode_record(header, key_of_tests(), units - 3, read), RecordVerdict::good);
  for (const std::uint32_t behind : {units - 2, units, ~0u}) {
    store_little(header.data() + 44, behind);
    seal_again(header, key_of_tests());
    EXPECT_EQ(decode_record(header, key_of_tests(), behind, read), RecordVerdict::damaged);
  }
}

TEST(PackPayload, EveryFlippedBitAndEveryOtherLengthIsSeen) {
  const std::string payload = "a payload of some length, longer than one block of the digest is";
  const Record record = artifact_record(payload);
  std::vector<std::byte> stored(bytes_of(payload).begin(), bytes_of(payload).end());
  EXPECT_TRUE(payload_is_good(record, stored));
  flip_each_bit(stored,
                [&](std::size_t bit) { EXPECT_FALSE(payload_is_good(record, stored)) << bit; });
  for (std::size_t length = 0; length < stored.size(); ++length) {
    EXPECT_FALSE(payload_is_good(record, std::span(stored).first(length))) << length;
  }
  stored.push_back(std::byte{0});
  EXPECT_FALSE(payload_is_good(record, stored));
  EXPECT_TRUE(payload_is_good(artifact_record(""), {}));
  Record shorter = artifact_record(payload);
  --shorter.stored_bytes;
  EXPECT_FALSE(payload_is_good(shorter, bytes_of(payload))) << "the digest alone is right";
}

TEST(PackPayload, OfALargeRecordIsTheWholeFile) {
  const Record record = large_record(7);
  EXPECT_TRUE(payload_is_good(record, bytes_of("payload")));
  EXPECT_FALSE(payload_is_good(record, bytes_of("payloae")));
  EXPECT_FALSE(payload_is_good(record, {}));
}

TEST(PackRecipe, EveryFlippedBitAndEveryOtherLengthIsSeen) {
  std::string recipe = "the recipe";
  const Record record = artifact_record("payload", recipe);
  EXPECT_TRUE(recipe_is_good(record, recipe));
  flip_each_bit(std::as_writable_bytes(std::span(recipe)),
                [&](std::size_t bit) { EXPECT_FALSE(recipe_is_good(record, recipe)) << bit; });
  for (std::size_t length = 0; length < recipe.size(); ++length) {
    EXPECT_FALSE(recipe_is_good(record, std::string_view(recipe).substr(0, length))) << length;
  }
  EXPECT_TRUE(recipe_is_good(artifact_record("payload"), ""));
}

// What a digest begins with must not be good for a recipe of another length.
TEST(PackRecipe, LengthAndDigestMustBothFit) {
  Record record = artifact_record("payload", "the recipe");
  --record.recipe_bytes;
  EXPECT_FALSE(recipe_is_good(record, "the recipe"));
}

TEST(LargeFileKey, DiffersForEachFingerprintPayloadAndKey) {
  const Fingerprint fingerprint = fingerprint_of("one");
  const Digest digest = blake3("payload");
  const Fingerprint key = large_file_key(fingerprint, digest, 0);
  EXPECT_EQ(key, large_file_key(fingerprint, digest, 0));
  EXPECT_NE(key, large_file_key(fingerprint_of("two"), digest, 0));
  EXPECT_NE(key, large_file_key(fingerprint, blake3("other"), 0));
  EXPECT_NE(key, large_file_key({.bytes = digest}, fingerprint.bytes, 0));
  EXPECT_NE(key, large_file_key(fingerprint, digest, 1));
  EXPECT_NE(large_file_key(fingerprint, digest, 2), large_file_key(fingerprint, digest, 1));
  EXPECT_NE(key, fingerprint);
}

// Somebody stores a segment as an artifact, and the header around it is damaged: no scan may take
// the records inside for records.
TEST(PackRecord, RecordsInsideAPayloadAreNotFoundWhereTheyLie) {
  const auto inner = encode_record(artifact_record("inner"), key_of_tests(), place);
  std::vector<std::byte> segment(64 * 64);
  std::memcpy(segment.data() + 10 * 64 + record_header_bytes, inner.data(), inner.size());
  for (std::uint32_t at = 0; at + 3 <= 64; ++at) {
    Record record;
    EXPECT_EQ(decode_record(std::span(segment).subspan(at * 64), key_of_tests(), at, record),
              RecordVerdict::damaged);
  }
}

}  // namespace
}  // namespace larder::format
