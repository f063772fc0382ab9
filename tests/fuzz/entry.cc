// The file of one entry, in both layouts.
//
//   byte: bit 0 = vyre, bit 1 = lengths are made to fit, bit 2 = the tag is made anew, bit 3 = 5000
//   zeros follow, more than a recipe may have, bit 4 = the reader has keys, bit 5 = the key id is
//   that of the second one
//   u32: a bit to turn over; then the file
#include "format/entry.h"

#include "base/digest.h"
#include "base/zero_bytes.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

using format::DecodedEntry;
using format::Verdict;

// docs/FORMAT.md once more, in numbers of its own.
constexpr std::size_t at_recipe_bytes = 12;
constexpr std::size_t at_key_id = 16;
constexpr std::size_t at_raw_bytes = 24;
constexpr std::size_t at_stored_bytes = 32;
constexpr std::size_t at_sequence = 40;
constexpr std::size_t at_fingerprint = 48;
constexpr std::size_t at_recipe_digest = 80;
constexpr std::size_t header_bytes = 128;
constexpr std::size_t around_bytes = 160;

constexpr DerivedKey keys[] = {{.id = 7, .bytes = {7}}, {.id = 9, .bytes = {9}}};

// Who reads: with keys, or without.
using Reader = std::span<const DerivedKey>;

void fit_lengths(std::span<std::byte> file) {
  if (file.size() < around_bytes) return;
  const std::uint64_t room = file.size() - around_bytes;
  const auto recipe = load_little<std::uint32_t>(file.data() + at_recipe_bytes);
  if (recipe > room) return;
  store_little(file.data() + at_raw_bytes, room - recipe);
  store_little(file.data() + at_stored_bytes, room - recipe);
}

void name_second_key(std::span<std::byte> file) {
  if (file.size() >= header_bytes) store_little(file.data() + at_key_id, keys[1].id);
}

Hasher tag_hasher(std::uint64_t key_id) {
  const DerivedKey* key = find_key(keys, key_id);
  return key == nullptr ? Hasher::derive("larder 2026-11-22 entry tag v1")
                        : Hasher::keyed(key->bytes);
}

// Over the payload that the header claims, where there is one.
void make_tag(std::span<std::byte> file) {
  if (file.size() < around_bytes) return;
  const auto stored = load_little<std::uint64_t>(file.data() + at_stored_bytes);
  if (stored > file.size() - around_bytes) return;
  Hasher hasher = tag_hasher(load_little<std::uint64_t>(file.data() + at_key_id));
  const Digest tag = hasher.update(file.first(header_bytes + stored)).finish();
  overlay(file, header_bytes + stored, std::as_bytes(std::span(tag)));
}

void make_vyre_tag(std::span<std::byte> file) {
  if (file.size() < 32) return;
  const Digest digest = blake3(file.first(file.size() - 32));
  overlay(file, file.size() - 32, std::as_bytes(std::span(digest)));
}

Fingerprint named_in(std::span<const std::byte> file) {
  Fingerprint fingerprint;
  if (file.size() >= header_bytes) {
    std::memcpy(fingerprint.bytes.data(), file.data() + at_fingerprint, 32);
  }
  return fingerprint;
}

Bytes joined(const format::EncodedEntry& encoded) {
  Bytes file;
  for (const auto piece : encoded.pieces()) file.insert(file.end(), piece.begin(), piece.end());
  require(file.size() == encoded.file_bytes());
  return file;
}

// What is accepted is what encode_entry makes of it; but a sequence may stand there, and a recipe
// that was damaged since.
void check_canonical(FileLayout layout, std::span<const std::byte> file, const DecodedEntry& entry,
                     const Fingerprint& fingerprint) {
  const auto payload = file.subspan(entry.payload_offset, entry.payload_bytes);
  const DerivedKey* key = find_key(keys, entry.key_id);
  Bytes again = joined(format::encode_entry(layout, fingerprint, payload, entry.recipe,
                                            key == nullptr ? DerivedKey{} : *key));
  require(again.size() == file.size());
  if (layout == FileLayout::larder) {
    require(entry.recipe.size() <= Recipe::max_encoded_bytes);
    require(entry.payload_bytes <= max_payload_bytes_larder);
    if (!recipe_is_good(file, entry)) {
      overlay(again, at_recipe_digest, file.subspan(at_recipe_digest, 32));
    }
    overlay(again, at_sequence, file.subspan(at_sequence, 8));
    make_tag(again);
  }
  require(equal(again, file));
}

// Whoever lacks the secret, or the key, and whoever has keys where there is none.
void check_other_readers(std::span<const std::byte> file, const DecodedEntry& entry,
                         const Fingerprint& fingerprint) {
  const auto verdict = [&](Reader reader) {
    return format::decode_entry(FileLayout::larder, file, fingerprint, reader).verdict;
  };
  const DerivedKey* key = find_key(keys, entry.key_id);
  if (key == nullptr) return require(verdict(keys) == Verdict::other_key);
  DerivedKey forged = *key;
  forged.bytes[0] ^= 1;
  require(verdict(Reader(&forged, 1)) == Verdict::damaged);
  require(verdict(format::unkeyed) == Verdict::other_key);
}

void check_good(FileLayout layout, std::span<const std::byte> file, const DecodedEntry& entry,
                std::uint64_t bit, Reader reader) {
  const Fingerprint fingerprint = named_in(file);
  require(layout == FileLayout::vyre || find_key(reader, entry.key_id) != nullptr);
  check_canonical(layout, file, entry, fingerprint);
  require(format::header_is_plausible(layout, file, file.size()));
  require(format::claimed_payload_bytes(layout, file, file.size()) == entry.payload_bytes);

  Bytes spoilt = copy_of(file.first(file.size() - entry.recipe.size()));
  flip(spoilt, bit);
  spoilt.resize(file.size());
  overlay(spoilt, file.size() - entry.recipe.size(), bytes_of(entry.recipe));
  require(format::decode_entry(layout, spoilt, fingerprint, reader).verdict != Verdict::good);
  const Bytes cut = copy_of(file.first(file.size() - 1));
  require(format::decode_entry(layout, cut, fingerprint, reader).verdict != Verdict::good);
  if (layout == FileLayout::vyre) return;
  Fingerprint other = fingerprint;
  other.bytes[bit % 32] ^= 1;
  require(format::decode_entry(layout, file, other, reader).verdict == Verdict::damaged);
  check_other_readers(file, entry, fingerprint);
}

void look_at(FileLayout layout, std::span<const std::byte> file, std::uint64_t bit, Reader reader) {
  const DecodedEntry entry = format::decode_entry(layout, file, named_in(file), reader);
  static_cast<void>(format::claimed_payload_bytes(layout, file, file.size()));
  if (entry.verdict == Verdict::good) return check_good(layout, file, entry, bit, reader);
  require(entry.recipe.empty());
  if (entry.verdict == Verdict::damaged) return require(entry.payload_bytes == 0);
  require(layout == FileLayout::larder);
  require(find_key(reader, load_little<std::uint64_t>(file.data() + at_key_id)) == nullptr);
  require(format::claimed_key_id(layout, file, file.size()) == entry.key_id);
  require(entry.payload_offset + entry.payload_bytes + 32 <= file.size());
}

// What was encoded is found again.
void encode_and_look(FileLayout layout, std::span<const std::byte> bytes, std::uint64_t bit,
                     Reader reader) {
  Input input(bytes);
  const auto recipe = layout == FileLayout::larder ? text_of(input.take(input.byte())) : "";
  const auto fingerprint = Fingerprint{input.array<decltype(Fingerprint::bytes)>()};
  const Bytes payload = copy_of(input.rest());
  const Bytes file =
      joined(format::encode_entry(layout, fingerprint, payload, recipe, reader.front()));
  const DecodedEntry entry = format::decode_entry(layout, file, fingerprint, reader);
  require(entry.verdict == Verdict::good && entry.recipe == recipe);
  require(equal(std::span(file).subspan(entry.payload_offset, entry.payload_bytes), payload));
  require(recipe_is_good(file, entry));
  look_at(layout, file, bit, reader);
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t how = input.byte();
  const auto bit = input.number<std::uint32_t>();
  const auto layout = (how & 1) == 0 ? FileLayout::larder : FileLayout::vyre;
  Bytes file = copy_of(input.rest());
  const Reader reader = (how & 16) != 0 ? Reader(keys) : Reader(format::unkeyed);
  encode_and_look(layout, file, bit, reader);
  if ((how & 8) != 0) file.resize(file.size() + 5000);
  if (layout == FileLayout::larder) {
    if ((how & 2) != 0) fit_lengths(file);
    if ((how & 32) != 0) name_second_key(file);
    if ((how & 4) != 0) make_tag(file);
  } else if ((how & 4) != 0) {
    make_vyre_tag(file);
  }
  look_at(layout, file, bit, reader);
}

}  // namespace larder::fuzz
