#include "format/pack_index.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/byte_order.h"
#include "base/digest.h"
#include "base/zero_bytes.h"
#include "format/pack_name.h"

namespace larder::format {
namespace {

constexpr std::size_t magic_bytes = 8;
constexpr std::string_view index_magic = "LARDidx\n";
constexpr std::string_view state_magic = "LARDsta\n";
constexpr std::string_view index_prefix = "index.";
constexpr std::uint32_t index_version = 1;
constexpr std::uint32_t state_version = 1;

constexpr std::size_t at_version = 8;
constexpr std::size_t at_log2_slots = 12;  // in the state: reserved
constexpr std::size_t at_store = 16;
constexpr std::size_t at_generation = 32;
constexpr std::size_t at_index_check = 40;
constexpr std::size_t at_state_check = 32;

constexpr std::string_view slot_context = "larder 2026-11-22 slot tag v1";
constexpr std::uint64_t golden_ratio = 0x9e3779b97f4a7c15;

constexpr std::uint64_t fnv_start = 0xcbf29ce484222325;
constexpr std::uint64_t fnv_prime = 0x100000001b3;

bool begins(std::span<const std::byte> bytes, std::string_view magic,
            std::uint32_t version) noexcept {
  return std::memcmp(bytes.data(), magic.data(), magic_bytes) == 0 &&
         load_little<std::uint32_t>(bytes.data() + at_version) == version;
}

StoreId store_in(const std::byte* header) noexcept {
  StoreId store;
  std::memcpy(store.data(), header + at_store, store.size());
  return store;
}

bool check_is_good(std::span<const std::byte> bytes, std::size_t at_check) noexcept {
  return load_little<std::uint64_t>(bytes.data() + at_check) ==
         check_of_words(bytes.first(at_check));
}

}  // namespace

SlotHash::SlotHash(const StoreId& store) noexcept {
  for (std::size_t part = 0; part < 3; ++part) {
    const std::array<std::byte, 1> number{static_cast<std::byte>(part)};
    Hasher hasher = Hasher::derive(slot_context);
    const Digest digest = hasher.update(store).update(number).finish();
    const auto* from = reinterpret_cast<const std::byte*>(digest.data());
    for (std::size_t i = 0; i < 4; ++i) {
      secret_[4 * part + i] = load_little<std::uint64_t>(from + 8 * i);
    }
  }
}

// Multilinear: the high half of sum(s[i] * w[i]), five secret numbers of 128 bits, five words of
// 64, the last of them the key id. For two different entries, whatever they are, it is equal with a
// chance of 2^-63. The bijection behind it breaks up the regular steps that regular fingerprints
// would make.
std::uint64_t SlotHash::operator()(const Fingerprint& fingerprint,
                                   std::uint64_t key_id) const noexcept {
  const auto* from = reinterpret_cast<const std::byte*>(fingerprint.bytes.data());
  __extension__ using Wide = unsigned __int128;
  Wide sum = (Wide{secret_[9]} << 64 | secret_[8]) * key_id;
  for (std::size_t i = 0; i < 4; ++i) {
    const Wide secret = Wide{secret_[2 * i + 1]} << 64 | secret_[2 * i];
    sum += secret * load_little<std::uint64_t>(from + 8 * i);
  }
  auto tag = static_cast<std::uint64_t>(sum >> 64);
  tag = (tag ^ tag >> 32) * golden_ratio;
  return tag == 0 ? 1 : tag;
}

void encode_index_header(const IndexHeader& header,
                         std::span<std::byte, index_header_bytes> into) noexcept {
  assert(header.log2_slots >= min_log2_slots && header.log2_slots <= max_log2_slots);
  std::ranges::fill(into, std::byte{0});
  std::byte* to = into.data();
  std::memcpy(to, index_magic.data(), magic_bytes);
  store_little(to + at_version, index_version);
  store_little(to + at_log2_slots, header.log2_slots);
  std::memcpy(to + at_store, header.store.data(), header.store.size());
  store_little(to + at_generation, header.generation);
  store_little(to + at_index_check, check_of_words({to, at_index_check}));
}

std::optional<IndexHeader> decode_index_header(std::span<const std::byte> bytes,
                                               std::uint64_t file_bytes) noexcept {
  if (bytes.size() < index_header_bytes) return std::nullopt;
  bytes = bytes.first(index_header_bytes);
  if (!begins(bytes, index_magic, index_version)) return std::nullopt;
  const IndexHeader header{.store = store_in(bytes.data()),
                           .generation = load_little<std::uint64_t>(bytes.data() + at_generation),
                           .log2_slots = load_little<std::uint32_t>(bytes.data() + at_log2_slots)};
  const bool sound =
      header.log2_slots >= min_log2_slots && header.log2_slots <= max_log2_slots &&
      check_is_good(bytes, at_index_check) &&
      is_zero(bytes.subspan(at_index_check + 8, index_used_at - at_index_check - 8)) &&
      is_zero(bytes.subspan(index_used_at + 8)) && file_bytes >= header.file_bytes();
  if (!sound) return std::nullopt;
  return header;
}

std::string index_name(std::uint64_t generation) {
  std::string name(index_prefix);
  append_hex(name, generation, 16);
  return name;
}

std::optional<std::uint64_t> parse_index_name(std::string_view name) noexcept {
  if (!name.starts_with(index_prefix)) return std::nullopt;
  name.remove_prefix(index_prefix.size());
  const auto generation = take_hex(name, 16);
  return name.empty() ? generation : std::nullopt;
}

void encode_state_header(const StoreId& store, std::span<std::byte, state_bytes> into) noexcept {
  std::ranges::fill(into, std::byte{0});
  std::byte* to = into.data();
  std::memcpy(to, state_magic.data(), magic_bytes);
  store_little(to + at_version, state_version);
  std::memcpy(to + at_store, store.data(), store.size());
  store_little(to + at_state_check, check_of_words({to, at_state_check}));
}

std::optional<StoreId> decode_state_header(std::span<const std::byte> bytes) noexcept {
  constexpr std::size_t words_end = state_words_at + state_words * 8;
  if (bytes.size() < state_bytes) return std::nullopt;
  bytes = bytes.first(state_bytes);
  const bool sound =
      begins(bytes, state_magic, state_version) && is_zero(bytes.subspan(at_log2_slots, 4)) &&
      check_is_good(bytes, at_state_check) &&
      is_zero(bytes.subspan(at_state_check + 8, state_words_at - at_state_check - 8)) &&
      is_zero(bytes.subspan(words_end, state_marks_at - words_end));
  if (!sound) return std::nullopt;
  return store_in(bytes.data());
}

std::uint64_t check_of_words(std::span<const std::byte> bytes) noexcept {
  std::uint64_t check = fnv_start;
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    check = (check ^ load_little<std::uint64_t>(bytes.data() + at)) * fnv_prime;
  }
  return check;
}

std::uint64_t check_of_words(std::span<const std::uint64_t> words) noexcept {
  std::uint64_t check = fnv_start;
  for (const std::uint64_t word : words) check = (check ^ word) * fnv_prime;
  return check;
}

}  // namespace larder::format
