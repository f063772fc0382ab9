// Names of files, and what names a store. One thing has one name: what a name says gives it back.
//
//   byte: which of the names, and how the text is made to look like one; the text
#include "cache/location.h"
#include "format/entry_name.h"
#include "format/pack_index.h"
#include "format/pack_segment.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Half bytes, each a digit.
std::string digits_of(std::string_view text, std::size_t count) {
  std::string digits(count, '0');
  for (std::size_t i = 0; i < std::min(count, text.size()); ++i) {
    digits[i] = "0123456789abcdef"[static_cast<unsigned char>(text[i]) & 15];
  }
  return digits;
}

void check_fingerprint(std::string_view text) {
  const auto fingerprint = Fingerprint::from_hex(text);
  require(fingerprint.has_value() == (text.size() == 64 && is_hex(text)));
  if (fingerprint) require(fingerprint->hex() == text);
}

void check_entry(FileLayout layout, std::string_view shard, std::string_view name) {
  const bool is_shard = format::is_shard_name(layout, shard);
  require(is_shard == (layout == FileLayout::larder && shard.size() == 2 && is_hex(shard)));
  const auto fingerprint = format::parse_file_name(layout, shard, name);
  if (!fingerprint) return;
  require(format::file_name(layout, *fingerprint) == name);
  require(name.starts_with(shard));
  if (is_shard) require(format::shard_name(layout, *fingerprint) == shard);
  const std::string path = format::entry_path(layout, *fingerprint);
  require(path == (layout == FileLayout::vyre ? "" : std::string(name.substr(0, 2)) + "/") +
                      std::string(name));
  require(!format::is_temporary_name(name));
}

void check_temporary(std::string_view name) {
  if (!format::is_temporary_name(name)) return;
  require(name.size() == 44 && is_hex(name.substr(8, 32)));
  require(format::temporary_name(name.substr(8, 32)) == name);
}

void check_segment(std::string_view name) {
  const auto segment = format::parse_segment_name(name);
  if (!segment) return;
  require(segment->number < 1u << 25);
  const auto place = segment->good_until_place;
  require(name == (place ? format::bad_segment_name(segment->number, *place)
                         : format::segment_name(segment->number)));
}

void check_index(std::string_view name) {
  const auto generation = format::parse_index_name(name);
  if (generation) require(format::index_name(*generation) == name);
}

void check_location(std::string_view text) {
  const auto location = parse_location(text);
  if (!location) {
    require(location.error().code == Errc::invalid_argument && !location.error().message.empty());
    return;
  }
  const auto again = parse_location(location->text());
  if (location->directory.empty() && location->kind == StoreKind::automatic) return;
  require(again && again->kind == location->kind);
  require(again->directory == location->directory ||
          again->directory == "./" + location->directory);
}

void check_every_way(std::string_view name) {
  check_fingerprint(name);
  check_temporary(name);
  check_segment(name);
  check_index(name);
  check_location(name);
  for (const FileLayout layout : {FileLayout::larder, FileLayout::vyre}) {
    check_entry(layout, name.substr(0, 2), name);
    check_entry(layout, "", name);
    check_entry(layout, "ff", name);
  }
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t how = input.byte();
  const std::string text = text_of(input.rest());
  check_every_way(text);
  const std::string end = text.substr(0, how >> 4);
  switch (how & 7) {
    case 0: return check_every_way(digits_of(text, 64) + ".art" + end);
    case 1: return check_every_way(digits_of(text, 64) + ".bin" + end);
    case 2: return check_every_way(".larder-" + digits_of(text, 32) + ".tmp" + end);
    case 3: return check_every_way(digits_of(text, 8) + ".seg" + end);
    case 4: return check_every_way(digits_of(text, 8) + "." + digits_of(end, 8) + ".bad" + end);
    case 5: return check_every_way("index." + digits_of(text, 16) + end);
    case 6: return check_every_way("file:" + text);
    default: return check_every_way("./" + text);
  }
}

}  // namespace larder::fuzz
