// The header of one record of a segment.
//
//   byte: bit 0 = magic, version and place are made right, bit 1 = the check, bit 2 = the tag, bit
//   3 = key id and authenticator, before check and tag; u32: place; u32: a bit to turn over;
//   segment (4 + 32 bytes); the header
#include "format/pack_record.h"

#include "base/digest.h"
#include "format/pack_segment.h"
#include "larder/recipe.h"
#include "larder/store.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

using format::Codec;
using format::Record;
using format::RecordKind;
using format::RecordVerdict;
using format::SegmentKey;

// docs/FORMAT.md once more, in numbers of its own.
constexpr std::size_t at_place = 44;
constexpr std::size_t at_key_id = 16;
constexpr std::size_t at_tag = 128;
constexpr std::size_t at_check = 160;
constexpr std::size_t at_authenticator = 168;
constexpr std::uint64_t segment_bytes = 64ull << 20;
constexpr std::uint64_t largest_record_bytes = (8ull << 20) - 64;

constexpr DerivedKey our_key{.id = 7, .bytes = {7}};

// With flags, time and place as zero: whoever carries the record elsewhere may change them.
void make_authentic(std::span<std::byte> header) {
  store_little(header.data() + at_key_id, our_key.id);
  Bytes front = copy_of(header.first(at_tag));
  std::ranges::fill(std::span(front).subspan(8, 8), std::byte{});
  std::ranges::fill(std::span(front).subspan(at_place, 4), std::byte{});
  Hasher hasher = Hasher::keyed(our_key.bytes);
  const Digest digest = hasher.update(front).finish();
  overlay(header, at_authenticator, std::as_bytes(std::span(digest)).first(24));
}

void make_tag(std::span<std::byte> header, const SegmentKey& key) {
  Hasher hasher = Hasher::keyed(key);
  const Digest tag = hasher.update(header.first(at_tag)).finish();
  overlay(header, at_tag, std::as_bytes(std::span(tag)));
}

void make_check(std::span<std::byte> header) {
  std::uint64_t check = 0xcbf29ce484222325;
  for (std::size_t at = 0; at < 48; at += 8) {
    check = (check ^ load_little<std::uint64_t>(header.data() + at)) * 0x100000001b3;
  }
  store_little(header.data() + at_check, check);
}

void make_frame(std::span<std::byte> header, std::uint32_t place) {
  overlay(header, 0, bytes_of("LRec"));
  store_little(header.data() + 4, std::uint16_t{1});
  store_little(header.data() + at_place, place);
}

void check_bounds(const Record& record, std::uint32_t place) {
  require(record.raw_bytes <= max_payload_bytes_larder);
  require(record.recipe_bytes <= Recipe::max_encoded_bytes);
  const std::uint64_t total = record.total_bytes();
  require(total <= largest_record_bytes && total >= 192 && total % 64 == 0);
  require(total >= 192ull + record.stored_bytes + record.recipe_bytes);
  require(std::uint64_t{place} * 64 + total <= segment_bytes);
  const auto kind = static_cast<int>(record.kind);
  const auto codec = static_cast<int>(record.codec);
  require(kind >= 1 && kind <= 3 && codec <= 1);
  require(codec == 1 || kind != 1 || record.raw_bytes == record.stored_bytes);
  require(kind == 1 || (record.stored_bytes == 0 && record.recipe_bytes == 0 && codec == 0));
  require(kind != 2 || record.raw_bytes == 0);
}

struct Place {
  SegmentKey key;
  std::uint32_t units = 0;
};

RecordVerdict verdict_at(std::span<const std::byte> header, const Place& place) {
  Record record;
  return decode_record(header, place.key, place.units, record);
}

bool same(const Record& a, const Record& b, const Place& place) {
  return encode_record(a, place.key, place.units) == encode_record(b, place.key, place.units);
}

void check_good(std::span<const std::byte> header, const Record& record, const Place& place,
                std::uint32_t bit) {
  check_bounds(record, place.units);
  require(equal(format::encode_record(record, place.key, place.units), header));
  require(verdict_at(header, {place.key, place.units + 1}) != RecordVerdict::good);
  Bytes spoilt = copy_of(header);
  flip(spoilt, bit);
  // The authenticator of a key is for its owner to judge.
  if (record.key_id != 0) overlay(spoilt, at_authenticator, header.subspan(at_authenticator));
  if (!equal(spoilt, header)) require(verdict_at(spoilt, place) != RecordVerdict::good);
  SegmentKey other = place.key;
  other[bit % other.size()] ^= 1;
  require(verdict_at(header, {other, place.units}) != RecordVerdict::good);
}

RecordVerdict authentic_at(std::span<const std::byte> header, const DerivedKey& key,
                           std::uint32_t place) {
  Record record;
  return decode_authentic(header, key, place, record);
}

// Nobody else made it, nothing of it can be changed, and it is good wherever it is carried.
void check_authentic(std::span<const std::byte> header, const Record& record, const Place& place,
                     std::uint32_t bit) {
  check_bounds(record, place.units);
  require(record.key_id == our_key.id && is_authentic(record, our_key));
  DerivedKey other = our_key;
  other.bytes[bit % other.bytes.size()] ^= 1;
  require(authentic_at(header, other, place.units) == RecordVerdict::damaged);
  require(!is_authentic(record, other));
  other = our_key;
  other.id += 1;
  require(authentic_at(header, other, place.units) == RecordVerdict::other_key);
  require(authentic_at(header, our_key, place.units + 1) != RecordVerdict::good);
  Bytes spoilt = copy_of(header);
  flip(spoilt, bit);
  overlay(spoilt, at_tag, header.subspan(at_tag, at_check - at_tag));  // it is not asked
  if (!equal(spoilt, header)) {
    require(authentic_at(spoilt, our_key, place.units) != RecordVerdict::good);
  }
  Record carried = record;
  carried.supersedes = !carried.supersedes;
  carried.written_s = bit;
  const auto elsewhere = encode_record(carried, place.key, place.units / 2);
  require(verdict_at(elsewhere, {place.key, place.units / 2}) == RecordVerdict::good);
  require(authentic_at(elsewhere, our_key, place.units / 2) == RecordVerdict::good);
}

// Side by side each says what it says alone, in a second group too, which takes longer.
void check_many(std::span<const std::byte> header, const Place& place, RecordVerdict alone,
                const Record& record, const DerivedKey* authentic = nullptr) {
  std::array<Record, 18> records;
  std::array<format::HeaderToDecode, 18> room;
  const auto headers = std::span(room).first(place.units % 16 == 0 ? room.size() : 2);
  const Bytes nothing(192);
  for (std::size_t i = 0; i < headers.size(); ++i) {
    headers[i] = {.header = i % 3 == 1 ? std::span<const std::byte>(nothing) : header,
                  .key = &place.key,
                  .authentic = authentic,
                  .place = place.units,
                  .record = &records[i]};
  }
  decode_records(headers);
  for (std::size_t i = 0; i < headers.size(); ++i) {
    require(headers[i].verdict == (i % 3 == 1 ? RecordVerdict::damaged : alone));
    if (headers[i].verdict == RecordVerdict::good) require(same(records[i], record, place));
  }
}

void look_at(std::span<const std::byte> header, const Place& place, std::uint32_t bit) {
  Record record;
  const RecordVerdict verdict = decode_record(header, place.key, place.units, record);
  if (verdict == RecordVerdict::good) check_good(header, record, place, bit);
  require(verdict != RecordVerdict::other_key);
  if (header.size() < format::record_header_bytes) require(verdict == RecordVerdict::damaged);
  check_many(header, place, verdict, record);
}

void look_at_authentic(std::span<const std::byte> header, const Place& place, std::uint32_t bit) {
  Record record;
  const RecordVerdict verdict = decode_authentic(header, our_key, place.units, record);
  if (verdict == RecordVerdict::good) check_authentic(header, record, place, bit);
  if (header.size() < format::record_header_bytes) require(verdict == RecordVerdict::damaged);
  if (verdict == RecordVerdict::other_key) {
    require(load_little<std::uint64_t>(header.data() + at_key_id) != our_key.id);
  }
  check_many(header, place, verdict, record, &our_key);
}

Record record_of(Input& input, std::span<const std::byte> stored, std::string_view recipe) {
  Record record{.kind = static_cast<RecordKind>(1 + input.byte() % 3),
                .supersedes = input.byte() % 2 == 1,
                .written_s = input.number<std::uint32_t>(),
                .key_id = input.number<std::uint64_t>(),
                .sequence = input.number<std::uint64_t>(),
                .fingerprint = {input.array<decltype(Fingerprint::bytes)>()}};
  if (record.kind == RecordKind::large) {
    record.raw_bytes = input.number<std::uint32_t>() % (max_payload_bytes_larder + 1);
    record.payload_digest = input.array<Digest>();
  } else if (record.kind == RecordKind::artifact) {
    record.codec = static_cast<Codec>(input.byte() % 2);
    record.stored_bytes = static_cast<std::uint32_t>(stored.size());
    record.raw_bytes = record.stored_bytes + (record.codec == Codec::zstd ? input.byte() : 0u);
    record.payload_digest = blake3(stored);
    record.recipe_bytes = static_cast<std::uint32_t>(recipe.size());
    record.recipe_digest = format::recipe_digest(recipe);
  }
  return record;
}

// What was encoded is found again, and its payload and recipe are told from all others.
void encode_and_look(std::span<const std::byte> bytes, const Place& place, std::uint32_t bit) {
  Input input(bytes);
  const std::string recipe = text_of(input.take(input.byte()));
  const Bytes stored = copy_of(input.take(input.byte()));
  const Record record = record_of(input, stored, recipe);
  const Place at{place.key, place.units % 1'000'000};
  const auto header = format::encode_record(record, at.key, at.units);
  require(verdict_at(header, at) == RecordVerdict::good);
  look_at(header, at, bit);
  look_at_authentic(header, at, bit);
  Record ours = record;
  authenticate(ours, our_key);
  const auto authentic = format::encode_record(ours, at.key, at.units);
  require(verdict_at(authentic, at) == RecordVerdict::good);
  require(authentic_at(authentic, our_key, at.units) == RecordVerdict::good);
  look_at_authentic(authentic, at, bit);
  if (record.kind != RecordKind::artifact) return;
  require(payload_is_good(record, stored) && recipe_is_good(record, recipe));
  Bytes spoilt = stored;
  spoilt.push_back({});
  require(!payload_is_good(record, spoilt) && !recipe_is_good(record, recipe + 'x'));
  spoilt.pop_back();
  if (spoilt.empty()) return;
  flip(spoilt, bit);
  require(!payload_is_good(record, spoilt));
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t how = input.byte();
  const auto place = input.number<std::uint32_t>();
  const auto bit = input.number<std::uint32_t>();
  format::SegmentIdentity segment;
  segment.number = input.number<std::uint32_t>();
  segment.store = input.array<format::StoreId>();
  segment.random = input.array<decltype(segment.random)>();
  const Place at{segment_key(segment), place};
  Bytes header = copy_of(input.take(format::record_header_bytes));
  encode_and_look(header, at, bit);
  look_at(header, at, bit);
  look_at_authentic(header, at, bit);
  header.resize(format::record_header_bytes);
  if ((how & 1) != 0) make_frame(header, place);
  if ((how & 8) != 0) make_authentic(header);
  if ((how & 2) != 0) make_check(header);
  if ((how & 4) != 0) make_tag(header, at.key);
  look_at(header, at, bit);
  look_at_authentic(header, at, bit);
}

}  // namespace larder::fuzz
