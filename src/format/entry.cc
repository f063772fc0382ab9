#include "format/entry.h"

#include <cstring>

#include "base/byte_order.h"
#include "base/zero_bytes.h"

namespace larder::format {
namespace {

// Offsets in the header of the larder layout.
constexpr std::size_t at_magic = 0;
constexpr std::size_t at_version = 8;
constexpr std::size_t at_codec = 10;
constexpr std::size_t at_flags = 11;
constexpr std::size_t at_recipe_bytes = 12;
constexpr std::size_t at_key_id = 16;
constexpr std::size_t at_raw_bytes = 24;
constexpr std::size_t at_stored_bytes = 32;
constexpr std::size_t at_sequence = 40;
constexpr std::size_t at_fingerprint = 48;
constexpr std::size_t at_recipe_digest = 80;
constexpr std::size_t at_reserved = 112;
static_assert(at_reserved + 16 == header_bytes);

constexpr std::string_view magic = "LARDart\n";  // a text-mode copy damages the last byte
constexpr std::uint8_t codec_none = 0;

std::byte* put_bytes(std::byte* to, const void* from, std::size_t count) noexcept {
  if (count != 0) std::memcpy(to, from, count);
  return to + count;
}

// BLAKE3's key derivation separates entry tags from every other use of BLAKE3 over the same bytes.
Hasher hasher_of_tag(const DerivedKey& key) noexcept {
  static const Hasher initial = Hasher::derive("larder 2026-11-22 entry tag v1");
  return key.id == 0 ? initial : Hasher::keyed(key.bytes);
}

bool header_is_sound(const std::byte* header, std::uint64_t file_bytes) noexcept {
  const auto stored = load_little<std::uint64_t>(header + at_stored_bytes);
  const auto recipe = load_little<std::uint32_t>(header + at_recipe_bytes);
  return std::memcmp(header + at_magic, magic.data(), magic.size()) == 0 &&
         load_little<std::uint16_t>(header + at_version) == entry_version &&
         load_little<std::uint8_t>(header + at_codec) == codec_none &&
         load_little<std::uint8_t>(header + at_flags) == 0 && recipe <= Recipe::max_encoded_bytes &&
         stored <= max_payload_bytes_larder &&
         load_little<std::uint64_t>(header + at_raw_bytes) == stored &&
         is_zero({header + at_reserved, header_bytes - at_reserved}) &&
         file_bytes == header_bytes + stored + tag_bytes + recipe;
}

DecodedEntry decode_larder(std::span<const std::byte> file, const Fingerprint& fingerprint,
                           std::span<const DerivedKey> keys) noexcept {
  if (file.size() < header_bytes + tag_bytes) return {};
  const std::byte* header = file.data();
  if (!header_is_sound(header, file.size())) return {};
  const auto key_id = load_little<std::uint64_t>(header + at_key_id);
  const auto stored = load_little<std::uint64_t>(header + at_stored_bytes);
  const DerivedKey* key = find_key(keys, key_id);
  if (key == nullptr) {
    return {.verdict = Verdict::other_key,
            .payload_offset = header_bytes,
            .payload_bytes = stored,
            .key_id = key_id,
            .recipe = {}};
  }
  const auto tag = file.subspan(header_bytes + stored).first<tag_bytes>();
  // Header and payload in one piece: BLAKE3 fills its lanes from the first chunk on, and after a
  // header by itself it would not, which costs half as much again at 16 KiB.
  const Digest wanted = hasher_of_tag(*key).update(file.first(header_bytes + stored)).finish();
  if (!equal_constant_time(tag, wanted)) return {};
  // Under the tag, so this is what tells that a good file stands under another entry's name.
  if (std::memcmp(header + at_fingerprint, fingerprint.bytes.data(), 32) != 0) return {};
  const auto recipe = file.subspan(header_bytes + stored + tag_bytes);
  return {.verdict = Verdict::good,
          .payload_offset = header_bytes,
          .payload_bytes = stored,
          .key_id = key_id,
          .recipe = {reinterpret_cast<const char*>(recipe.data()), recipe.size()}};
}

DecodedEntry decode_vyre(std::span<const std::byte> file) noexcept {
  if (file.size() < tag_bytes) return {};
  const auto payload = file.first(file.size() - tag_bytes);
  if (!equal_constant_time(file.last<tag_bytes>(), blake3(payload))) return {};
  return {
      .verdict = Verdict::good, .payload_offset = 0, .payload_bytes = payload.size(), .recipe = {}};
}

}  // namespace

std::uint64_t smallest_file(FileLayout layout) noexcept {
  return layout == FileLayout::larder ? header_bytes + tag_bytes : tag_bytes;
}

std::uint64_t largest_file(FileLayout layout, std::uint64_t max_payload_bytes) noexcept {
  const std::uint64_t recipe = layout == FileLayout::larder ? Recipe::max_encoded_bytes : 0;
  return smallest_file(layout) + max_payload_bytes + recipe;
}

std::uint64_t EncodedEntry::file_bytes() const noexcept {
  return smallest_file(layout) + payload.size() + recipe.size();
}

std::array<std::span<const std::byte>, 4> EncodedEntry::pieces() const noexcept {
  const std::span<const std::byte> head(header);
  return {layout == FileLayout::larder ? head : head.first(0), payload,
          std::as_bytes(std::span(tag)), std::as_bytes(std::span(recipe.data(), recipe.size()))};
}

EncodedEntry encode_entry(FileLayout layout, const Fingerprint& fingerprint,
                          std::span<const std::byte> payload, std::string_view recipe,
                          const DerivedKey& key) noexcept {
  EncodedEntry entry{.header = {}, .tag = {}, .payload = payload, .recipe = {}, .layout = layout};
  if (layout == FileLayout::vyre) {
    entry.tag = blake3(payload);
    return entry;
  }
  entry.recipe = recipe;
  std::byte* header = entry.header.data();
  put_bytes(header + at_magic, magic.data(), magic.size());
  store_little(header + at_version, entry_version);
  store_little(header + at_codec, codec_none);
  store_little(header + at_recipe_bytes, static_cast<std::uint32_t>(recipe.size()));
  store_little(header + at_key_id, key.id);
  store_little(header + at_raw_bytes, std::uint64_t{payload.size()});
  store_little(header + at_stored_bytes, std::uint64_t{payload.size()});
  store_little(header + at_sequence, std::uint64_t{0});
  put_bytes(header + at_fingerprint, fingerprint.bytes.data(), fingerprint.bytes.size());
  const Digest recipe_digest = blake3(recipe);
  put_bytes(header + at_recipe_digest, recipe_digest.data(), recipe_digest.size());
  entry.tag = hasher_of_tag(key).update(entry.header).update(payload).finish();
  return entry;
}

DecodedEntry decode_entry(FileLayout layout, std::span<const std::byte> file,
                          const Fingerprint& fingerprint,
                          std::span<const DerivedKey> keys) noexcept {
  return layout == FileLayout::larder ? decode_larder(file, fingerprint, keys) : decode_vyre(file);
}

bool header_is_plausible(FileLayout layout, std::span<const std::byte> header,
                         std::uint64_t file_bytes) noexcept {
  if (layout == FileLayout::vyre) return true;
  return header.size() >= header_bytes && header_is_sound(header.data(), file_bytes);
}

bool recipe_is_good(std::span<const std::byte> file, const DecodedEntry& entry) noexcept {
  if (entry.payload_offset == 0) return entry.recipe.empty();
  const auto expected = file.subspan(at_recipe_digest).first<32>();
  return equal_constant_time(expected, blake3(entry.recipe));
}

std::optional<std::uint64_t> claimed_key_id(FileLayout layout, std::span<const std::byte> header,
                                            std::uint64_t file_bytes) noexcept {
  if (layout == FileLayout::vyre || !header_is_plausible(layout, header, file_bytes)) {
    return std::nullopt;
  }
  return load_little<std::uint64_t>(header.data() + at_key_id);
}

std::uint64_t claimed_payload_bytes(FileLayout layout, std::span<const std::byte> header,
                                    std::uint64_t file_bytes) noexcept {
  if (layout == FileLayout::vyre) return file_bytes < tag_bytes ? 0 : file_bytes - tag_bytes;
  if (!header_is_plausible(layout, header, file_bytes)) return 0;
  return load_little<std::uint64_t>(header.data() + at_raw_bytes);
}

}  // namespace larder::format
