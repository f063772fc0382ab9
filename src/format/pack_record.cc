#include "format/pack_record.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/byte_order.h"
#include "base/digest_many.h"
#include "format/pack_index.h"
#include "format/pack_segment.h"
#include "larder/recipe.h"
#include "larder/store.h"

namespace larder::format {
namespace {

constexpr std::size_t at_magic = 0;
constexpr std::size_t at_version = 4;
constexpr std::size_t at_kind = 6;
constexpr std::size_t at_codec = 7;
constexpr std::size_t at_flags = 8;
constexpr std::size_t at_written = 12;
constexpr std::size_t at_key_id = 16;
constexpr std::size_t at_sequence = 24;
constexpr std::size_t at_raw_bytes = 32;
constexpr std::size_t at_stored_bytes = 36;
constexpr std::size_t at_recipe_bytes = 40;
constexpr std::size_t at_place = 44;
constexpr std::size_t at_fingerprint = 48;
constexpr std::size_t at_payload_digest = 80;
constexpr std::size_t at_recipe_digest = 112;
constexpr std::size_t at_tag = 128;
constexpr std::size_t at_check = 160;
constexpr std::size_t at_authenticator = 168;
constexpr std::size_t authenticator_bytes = sizeof Record::authenticator;
constexpr std::size_t checked_bytes = at_fingerprint;
static_assert(at_authenticator + authenticator_bytes == record_header_bytes);

constexpr std::string_view magic = "LRec";
constexpr std::uint16_t record_version = 1;
constexpr std::uint32_t flag_supersedes = 1;
constexpr std::uint64_t no_key = 0;

// BLAKE3's key derivation keeps these apart from every other use of BLAKE3 over the same bytes.
constexpr std::string_view key_context = "larder 2026-11-22 segment key v1";
constexpr std::string_view large_context = "larder 2026-11-22 large file v1";

Digest tag_of(const std::byte* header, const SegmentKey& key) noexcept {
  return blake3_keyed_short(key, {header, at_tag});
}

using HeaderFront = std::array<std::byte, at_tag>;

// What the authenticator is over. A record that is carried elsewhere gets another place, and
// another time when it was read.
HeaderFront front_to_authenticate(const std::byte* header) noexcept {
  HeaderFront front;
  std::memcpy(front.data(), header, front.size());
  std::memset(front.data() + at_flags, 0, at_key_id - at_flags);
  std::memset(front.data() + at_place, 0, at_fingerprint - at_place);
  return front;
}

// In constant time, whatever the bytes are.
bool begins_digest(const std::byte* authenticator, const Digest& digest) noexcept {
  unsigned difference = 0;
  for (std::size_t i = 0; i < authenticator_bytes; ++i) {
    difference |= static_cast<unsigned>(authenticator[i]) ^ static_cast<unsigned>(digest[i]);
  }
  return difference == 0;
}

bool authenticator_is_sound(const std::byte* header) noexcept {
  std::uint64_t any = 0;
  for (std::size_t at = at_authenticator; at < record_header_bytes; at += 8) {
    any |= load_little<std::uint64_t>(header + at);
  }
  return any == 0 || load_little<std::uint64_t>(header + at_key_id) != no_key;
}

// What a record of this kind may say of its lengths.
bool lengths_are_sound(const Record& record) noexcept {
  if (record.raw_bytes > max_payload_bytes_larder) return false;
  if (record.recipe_bytes > Recipe::max_encoded_bytes) return false;
  if (record.total_bytes() > max_record_bytes) return false;
  switch (record.kind) {
    case RecordKind::artifact:
      return record.codec == Codec::zstd ||
             (record.codec == Codec::none && record.raw_bytes == record.stored_bytes);
    case RecordKind::removed:
      return record.codec == Codec::none && record.raw_bytes == 0 && record.stored_bytes == 0 &&
             record.recipe_bytes == 0;
    case RecordKind::large:
      return record.codec == Codec::none && record.stored_bytes == 0 && record.recipe_bytes == 0;
  }
  return false;
}

// A digest of nothing is zero, not a field to hide bytes in.
bool unused_digests_are_zero(const Record& record) noexcept {
  if (record.kind == RecordKind::artifact) return true;
  return record.recipe_digest == decltype(record.recipe_digest){} &&
         (record.kind == RecordKind::large || record.payload_digest == Digest{});
}

bool ends_in_segment(const Record& record, std::uint32_t place) noexcept {
  return std::uint64_t{place} * pack_unit_bytes + record.total_bytes() <= max_segment_bytes;
}

void read_lengths(const std::byte* header, Record& record) noexcept {
  record.kind = static_cast<RecordKind>(header[at_kind]);
  record.codec = static_cast<Codec>(header[at_codec]);
  record.raw_bytes = load_little<std::uint32_t>(header + at_raw_bytes);
  record.stored_bytes = load_little<std::uint32_t>(header + at_stored_bytes);
  record.recipe_bytes = load_little<std::uint32_t>(header + at_recipe_bytes);
}

void read_rest(const std::byte* header, Record& record) noexcept {
  record.supersedes = load_little<std::uint32_t>(header + at_flags) == flag_supersedes;
  record.written_s = load_little<std::uint32_t>(header + at_written);
  record.key_id = load_little<std::uint64_t>(header + at_key_id);
  record.sequence = load_little<std::uint64_t>(header + at_sequence);
  std::memcpy(record.fingerprint.bytes.data(), header + at_fingerprint, 32);
  std::memcpy(record.payload_digest.data(), header + at_payload_digest, 32);
  std::memcpy(record.recipe_digest.data(), header + at_recipe_digest, 16);
  std::memcpy(record.authenticator.data(), header + at_authenticator, authenticator_bytes);
}

// All that stands before the tag.
void write_front(const Record& record, std::uint32_t place, std::byte* to) noexcept {
  std::memcpy(to + at_magic, magic.data(), magic.size());
  store_little(to + at_version, record_version);
  to[at_kind] = static_cast<std::byte>(record.kind);
  to[at_codec] = static_cast<std::byte>(record.codec);
  store_little(to + at_flags, record.supersedes ? flag_supersedes : 0u);
  store_little(to + at_written, record.written_s);
  store_little(to + at_key_id, record.key_id);
  store_little(to + at_sequence, record.sequence);
  store_little(to + at_raw_bytes, record.raw_bytes);
  store_little(to + at_stored_bytes, record.stored_bytes);
  store_little(to + at_recipe_bytes, record.recipe_bytes);
  store_little(to + at_place, place);
  std::memcpy(to + at_fingerprint, record.fingerprint.bytes.data(), 32);
  std::memcpy(to + at_payload_digest, record.payload_digest.data(), 32);
  std::memcpy(to + at_recipe_digest, record.recipe_digest.data(), 16);
}

Digest authenticator_of(const Record& record, const DerivedKey& key) noexcept {
  RecordHeader header{};
  write_front(record, 0, header.data());
  return blake3_keyed_short(key.bytes, front_to_authenticate(header.data()));
}

bool check_is_good(const std::byte* header) noexcept {
  return load_little<std::uint64_t>(header + at_check) == check_of_words({header, checked_bytes});
}

// Cheap, and before the tag: what is no record of this place costs no BLAKE3.
bool begins_a_record(const std::byte* header, std::uint32_t place) noexcept {
  return std::memcmp(header + at_magic, magic.data(), magic.size()) == 0 &&
         load_little<std::uint16_t>(header + at_version) == record_version &&
         load_little<std::uint32_t>(header + at_place) == place &&
         load_little<std::uint32_t>(header + at_flags) <= flag_supersedes &&
         authenticator_is_sound(header) && check_is_good(header);
}

// All but the tag. Fills the lengths.
bool is_sound(std::span<const std::byte> header, std::uint32_t place, Record& read) noexcept {
  if (header.size() < record_header_bytes || !begins_a_record(header.data(), place)) return false;
  read_lengths(header.data(), read);
  return lengths_are_sound(read) && ends_in_segment(read, place);
}

RecordVerdict take(std::span<const std::byte> header, Record& read, Record& record) noexcept {
  read_rest(header.data(), read);
  if (!unused_digests_are_zero(read)) return RecordVerdict::damaged;
  record = read;
  return RecordVerdict::good;
}

// Given the tag that the header should have.
RecordVerdict judge(std::span<const std::byte> header, const Digest& tag, Record& read,
                    Record& record) noexcept {
  if (!equal_constant_time(header.subspan<at_tag, 32>(), tag)) return RecordVerdict::damaged;
  return take(header, read, record);
}

bool names(std::span<const std::byte> header, const DerivedKey& key) noexcept {
  return load_little<std::uint64_t>(header.data() + at_key_id) == key.id;
}

// Given the digest that the authenticator should begin.
RecordVerdict judge_authentic(std::span<const std::byte> header, const Digest& digest, Record& read,
                              Record& record) noexcept {
  if (!begins_digest(header.data() + at_authenticator, digest)) return RecordVerdict::damaged;
  return take(header, read, record);
}

}  // namespace

SegmentKey segment_key(const SegmentIdentity& segment) noexcept {
  std::array<std::byte, 4> number;
  store_little(number.data(), segment.number);
  Hasher hasher = Hasher::derive(key_context);
  return hasher.update(segment.store).update(number).update(segment.random).finish();
}

RecordHeader encode_record(const Record& record, const SegmentKey& key,
                           std::uint32_t place) noexcept {
  assert(lengths_are_sound(record) && ends_in_segment(record, place));
  assert(unused_digests_are_zero(record));
  RecordHeader header{};
  std::byte* to = header.data();
  write_front(record, place, to);
  const Digest tag = tag_of(to, key);
  std::memcpy(to + at_tag, tag.data(), tag.size());
  store_little(to + at_check, check_of_words({to, checked_bytes}));
  std::memcpy(to + at_authenticator, record.authenticator.data(), authenticator_bytes);
  return header;
}

void authenticate(Record& record, const DerivedKey& key) noexcept {
  record.key_id = key.id;
  record.authenticator = {};
  if (key.id == no_key) return;
  const Digest digest = authenticator_of(record, key);
  std::copy_n(digest.begin(), authenticator_bytes, record.authenticator.begin());
}

bool is_authentic(const Record& record, const DerivedKey& key) noexcept {
  const auto bytes = std::as_bytes(std::span(record.authenticator));
  return record.key_id == key.id && key.id != no_key &&
         begins_digest(bytes.data(), authenticator_of(record, key));
}

RecordVerdict decode_record(std::span<const std::byte> header, const SegmentKey& key,
                            std::uint32_t place, Record& record) noexcept {
  Record read;
  if (!is_sound(header, place, read)) return RecordVerdict::damaged;
  return judge(header, tag_of(header.data(), key), read, record);
}

RecordVerdict decode_authentic(std::span<const std::byte> header, const DerivedKey& key,
                               std::uint32_t place, Record& record) noexcept {
  Record read;
  if (!is_sound(header, place, read)) return RecordVerdict::damaged;
  if (!names(header, key)) return RecordVerdict::other_key;
  const HeaderFront front = front_to_authenticate(header.data());
  return judge_authentic(header, blake3_keyed_short(key.bytes, front), read, record);
}

void decode_records(std::span<HeaderToDecode> headers) noexcept {
  constexpr std::size_t group = 16;
  for (; headers.size() > group; headers = headers.subspan(group)) {
    decode_records(headers.first(group));
  }
  std::array<Record, group> read;
  std::array<HeaderToDecode*, group> sound;
  std::array<KeyedMessage, group> messages;
  std::array<Digest, group> tags;
  std::array<HeaderFront, group> fronts;
  std::size_t count = 0;
  for (HeaderToDecode& header : headers) {
    header.verdict = RecordVerdict::damaged;
    if (!is_sound(header.header, header.place, read[count])) continue;
    messages[count] = {.key = header.key, .bytes = header.header.first(at_tag)};
    if (header.authentic != nullptr) {
      header.verdict = RecordVerdict::other_key;
      if (!names(header.header, *header.authentic)) continue;
      fronts[count] = front_to_authenticate(header.header.data());
      messages[count] = {.key = &header.authentic->bytes, .bytes = fronts[count]};
    }
    sound[count++] = &header;
  }
  blake3_keyed_short_many(std::span(messages).first(count), std::span(tags).first(count));
  for (std::size_t i = 0; i < count; ++i) {
    const auto judge_one = sound[i]->authentic == nullptr ? judge : judge_authentic;
    sound[i]->verdict = judge_one(sound[i]->header, tags[i], read[i], *sound[i]->record);
  }
}

bool payload_is_good(const Record& record, std::span<const std::byte> stored) noexcept {
  const std::uint32_t expected =
      record.kind == RecordKind::large ? record.raw_bytes : record.stored_bytes;
  return stored.size() == expected && blake3(stored) == record.payload_digest;
}

bool recipe_is_good(const Record& record, std::string_view recipe) noexcept {
  return recipe.size() == record.recipe_bytes && recipe_digest(recipe) == record.recipe_digest;
}

std::array<std::uint8_t, 16> recipe_digest(std::string_view recipe) noexcept {
  const Digest whole = blake3(recipe);
  std::array<std::uint8_t, 16> half;
  std::copy_n(whole.begin(), half.size(), half.begin());
  return half;
}

Fingerprint large_file_key(const Fingerprint& fingerprint, const Digest& payload_digest,
                           std::uint64_t key_id) noexcept {
  Hasher hasher = Hasher::derive(large_context);
  hasher.update(std::as_bytes(std::span(fingerprint.bytes)));
  hasher.update(std::as_bytes(std::span(payload_digest)));
  if (key_id == no_key) return {.bytes = hasher.finish()};
  std::array<std::byte, 8> id;
  store_little(id.data(), key_id);
  return {.bytes = hasher.update(id).finish()};
}

}  // namespace larder::format
