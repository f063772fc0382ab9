// The header of an index, its slots, and the header of `state` with the words behind it.
//
//   byte: bit 0 = state, bit 1 = magic and version are made right, bit 2 = the check is made anew,
//   bit 3 = headers are encoded too; u64: the length of the file; u32: a bit to turn over; the
//   front of the header; the last two bytes of the input: a byte and where it stands in the rest of
//   the page
#include "format/pack_index.h"

#include "base/zero_bytes.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

using format::IndexHeader;
using format::Location;

using Page = std::array<std::byte, 4096>;
static_assert(sizeof(Page) == format::index_header_bytes && sizeof(Page) == format::state_bytes);

// docs/FORMAT.md once more, in numbers of its own.
constexpr std::size_t at_used = 64;
constexpr std::size_t at_words = 64;
constexpr std::size_t words_bytes = 40 * 8;
constexpr std::size_t marks_bytes = format::state_marks * 8;

void look_at_index(std::span<const std::byte> bytes, std::uint64_t file_bytes, std::uint32_t bit) {
  const auto header = format::decode_index_header(bytes, file_bytes);
  if (!header) return;
  require(header->log2_slots >= 12 && header->log2_slots <= 40);
  require(header->slots() == 1ull << header->log2_slots);
  require(file_bytes >= 4096 + (16ull << header->log2_slots));
  Page again;
  format::encode_index_header(*header, again);
  overlay(again, at_used, bytes.subspan(at_used, 8));
  require(equal(again, bytes.first(again.size())));
  require(!format::decode_index_header(bytes, header->file_bytes() - 1));
  require(!format::decode_index_header(bytes.first(again.size() - 1), file_bytes));
  flip(again, bit);
  const bool of_the_counter = bit % (8 * again.size()) / 64 == at_used / 8;
  require(format::decode_index_header(again, file_bytes).has_value() == of_the_counter);
}

void look_at_state(std::span<const std::byte> bytes, std::uint32_t bit) {
  const auto store = format::decode_state_header(bytes);
  if (!store) return;
  Page again;
  format::encode_state_header(*store, again);
  overlay(again, at_words, bytes.subspan(at_words, words_bytes));
  overlay(again, format::state_marks_at, bytes.subspan(format::state_marks_at, marks_bytes));
  require(equal(again, bytes.first(again.size())));
  require(!format::decode_state_header(bytes.first(again.size() - 1)));
  flip(again, bit);
  const std::size_t byte = bit / 8 % again.size();
  const bool of_a_word =
      (byte >= at_words && byte < at_words + words_bytes) || byte >= format::state_marks_at;
  require(format::decode_state_header(again).has_value() == of_a_word);
}

void check_slot(std::uint64_t word) {
  const Location location = Location::of(word);
  require(location.word() == (word & format::place_mask));
  require(Location::of(location.word()) == location);
  require(location.segment < 1u << 25 && location.place < 1u << 20 && location.units < 1u << 17);
  require(location.offset_bytes() == 64ull * location.place);
  require(location.hit_bytes() == 64ull * location.units);
}

void check_tags(const format::StoreId& store, Fingerprint fingerprint, std::uint32_t bit) {
  const format::SlotHash hash(store);
  const std::uint64_t key_id = bit / 256;
  const std::uint64_t tag = hash(fingerprint, key_id);
  require(tag != 0 && tag == format::SlotHash(store)(fingerprint, key_id));
  require(hash(fingerprint, key_id + 1) != tag);
  flip(std::as_writable_bytes(std::span(fingerprint.bytes)), bit);
  require(hash(fingerprint, key_id) != tag);
}

void encode_and_look(std::uint8_t how, std::uint64_t generation, const format::StoreId& store,
                     std::uint32_t bit) {
  const IndexHeader header{.store = store, .generation = generation, .log2_slots = 12 + how % 29u};
  Page page;
  format::encode_index_header(header, page);
  const auto decoded = format::decode_index_header(page, header.file_bytes());
  require(decoded && decoded->store == store && decoded->generation == generation &&
          decoded->log2_slots == header.log2_slots);
  look_at_index(page, header.file_bytes(), bit);
  format::encode_state_header(store, page);
  require(format::decode_state_header(page) == store);
  look_at_state(page, bit);
}

void make_frame(Page& page, bool is_state) {
  overlay(page, 0, bytes_of(is_state ? "LARDsta\n" : "LARDidx\n"));
  store_little(page.data() + 8, std::uint32_t{1});
}

void make_check(Page& page, std::size_t at) {
  store_little(page.data() + at, format::check_of_words(std::span(page).first(at)));
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t how = input.byte();
  const bool is_state = (how & 1) != 0;
  const auto file_bytes = input.number<std::uint64_t>();
  const auto bit = input.number<std::uint32_t>();
  const Bytes rest = copy_of(input.rest());
  if (is_state) look_at_state(rest, bit);
  if (!is_state) look_at_index(rest, file_bytes, bit);

  Page page = {};
  overlay(page, 0, rest);
  if (rest.size() > 2) {
    const auto last = std::span(rest).last(2);
    page[16 * std::to_integer<std::size_t>(last[1])] |= last[0];
  }
  if ((how & 2) != 0) make_frame(page, is_state);
  if ((how & 4) != 0) make_check(page, is_state ? 32 : 40);
  if (is_state) look_at_state(page, bit);
  if (!is_state) look_at_index(page, file_bytes, bit);

  Input again(rest);
  const auto store = again.array<format::StoreId>();
  if ((how & 8) != 0) encode_and_look(how, file_bytes, store, bit);
  check_slot(again.number<std::uint64_t>());
  check_tags(store, {again.array<decltype(Fingerprint::bytes)>()}, bit);
}

}  // namespace larder::fuzz
