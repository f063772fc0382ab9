// Recipe fields for people. Values come from files that anybody may have written, so whatever a
// terminal could act upon is escaped.
#include <bit>
#include <cstdint>

#include "base/byte_order.h"
#include "base/hex.h"
#include "format/recipe_rules.h"
#include "larder/recipe.h"

namespace larder {
namespace {

std::uint8_t at(std::string_view text, std::size_t i) { return static_cast<std::uint8_t>(text[i]); }

// The length of the printable non-ASCII UTF-8 character at the front; 0 when there is none. Control
// characters (U+0080 to U+009F), surrogates and over-long forms do not count.
std::size_t printable_utf8(std::string_view text) {
  const std::uint8_t lead = at(text, 0);
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = lead & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(text, i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (at(text, i) & 0x3fu);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0xa0, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code >= smallest[length] && code <= 0x10ffff && !surrogate ? length : 0;
}

std::string escaped(std::uint8_t byte) {
  switch (byte) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\t': return "\\t";
    default: return "\\x" + to_hex(std::span(&byte, 1));
  }
}

std::string quoted(std::string_view text) {
  std::string shown = "\"";
  while (!text.empty()) {
    const std::uint8_t byte = at(text, 0);
    std::size_t length = 1;
    if (byte >= 0x80) {
      length = printable_utf8(text);
    } else if (byte < 0x20 || byte == 0x7f || byte == '"' || byte == '\\') {
      length = 0;
    }
    shown += length > 0 ? std::string(text.substr(0, length)) : escaped(byte);
    text.remove_prefix(length > 0 ? length : 1);
  }
  return shown + '"';
}

std::string number(const RecipeField& field) {
  const auto value =
      load_little<std::uint64_t>(reinterpret_cast<const std::byte*>(field.value.data()));
  if (field.type == FieldType::unsigned_integer) return std::to_string(value);
  return std::to_string(std::bit_cast<std::int64_t>(value));
}

std::string list(const std::vector<std::string_view>& items) {
  std::string shown = "[";
  for (const std::string_view item : items) {
    if (shown.size() > 1) shown += ", ";
    shown += quoted(item);
  }
  return shown + "]";
}

}  // namespace

std::string RecipeField::display() const {
  if (!value_kept)
    return "blake3:" + to_hex(digest) + " (" + std::to_string(value_bytes) + " bytes)";
  switch (type) {
    case FieldType::unsigned_integer:
    case FieldType::signed_integer:
      if (value.size() == 8) return number(*this);
      break;
    case FieldType::boolean:
      if (value.size() == 1) return value[0] != 0 ? "true" : "false";
      break;
    case FieldType::list:
      if (const auto items = list_items(value)) return list(*items);
      break;
    case FieldType::bytes: break;
  }
  return quoted(value);
}

}  // namespace larder
