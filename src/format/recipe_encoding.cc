// Kept recipes as bytes: docs/FORMAT.md, "Recipes". What decode accepts is what encode can write,
// so that a damaged recipe is reported instead of being explained to somebody.
#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include "base/byte_order.h"
#include "base/checked_reader.h"
#include "base/digest.h"
#include "base/guarded.h"
#include "format/recipe_rules.h"
#include "larder/recipe.h"

namespace larder {
namespace {

constexpr std::string_view magic{"LRC\1", 4};  // the last byte is the version
constexpr std::uint8_t fields_left_out = 1;    // the only flag
constexpr std::uint8_t digest_only = 0x80;     // beside the type of a field
constexpr std::size_t value_length_bytes = 1;
constexpr std::size_t digest_bytes = 8 + 32;  // the value's length, its digest

std::size_t header_bytes(std::string_view domain) {
  return magic.size() + 1 + 1 + domain.size() + 2;
}

struct Planned {
  const RecipeField* field;
  bool value_kept;
  bool left_out = false;

  std::size_t value_size() const {
    return value_kept ? value_length_bytes + field->value.size() : digest_bytes;
  }
  std::size_t encoded_size() const { return 2 + field->name.size() + value_size(); }
};

// The values that take less room as digests, the longest first; the first by name among equals.
std::vector<Planned*> long_values(std::vector<Planned>& plan) {
  std::vector<Planned*> values;
  for (Planned& planned : plan) {
    if (planned.value_kept && planned.value_size() > digest_bytes) values.push_back(&planned);
  }
  std::ranges::stable_sort(values, std::ranges::greater(),
                           [](const Planned* planned) { return planned->value_size(); });
  return values;
}

void fit(std::vector<Planned>& plan, std::size_t room_bytes) {
  std::size_t total = 0;
  for (const Planned& planned : plan) total += planned.encoded_size();
  for (Planned* longest : long_values(plan)) {
    if (total <= room_bytes) break;
    total -= longest->value_size() - digest_bytes;
    longest->value_kept = false;
  }
  std::size_t used = 0;
  for (Planned& planned : plan) {
    planned.left_out = planned.encoded_size() > room_bytes - used;
    if (!planned.left_out) used += planned.encoded_size();
  }
}

template <std::unsigned_integral T>
void append_little(std::string& to, T value) {
  std::byte bytes[sizeof(T)];
  store_little(bytes, value);
  to.append(reinterpret_cast<const char*>(bytes), sizeof bytes);
}

void append_field(std::string& to, const Planned& planned) {
  const RecipeField& field = *planned.field;
  const auto type = static_cast<std::uint8_t>(field.type);
  to.push_back(static_cast<char>(planned.value_kept ? type : type | digest_only));
  to.push_back(static_cast<char>(field.name.size()));
  to.append(field.name);
  if (planned.value_kept) {
    to.push_back(static_cast<char>(field.value.size()));
    to.append(field.value);
    return;
  }
  append_little<std::uint64_t>(to, field.value_bytes);
  to.append(reinterpret_cast<const char*>(field.digest.data()), field.digest.size());
}

std::unexpected<Error> damaged(std::string_view what) {
  return std::unexpected(
      Error{.code = Errc::corrupt,
            .message = "the kept recipe is damaged: " + std::string(what) + "; compile again"});
}

bool plausible_length(FieldType type, std::uint64_t value_bytes) {
  switch (type) {
    case FieldType::unsigned_integer:
    case FieldType::signed_integer: return value_bytes == 8;
    case FieldType::boolean: return value_bytes == 1;
    case FieldType::bytes:
    case FieldType::list: return true;
  }
  return false;
}

bool plausible_value(FieldType type, std::string_view value) {
  if (type == FieldType::boolean) return value[0] == 0 || value[0] == 1;
  if (type == FieldType::list) return list_items(value).has_value();
  return true;
}

void read_kept_value(CheckedReader& reader, RecipeField& field) {
  using Length = std::uint8_t;
  static_assert(Recipe::max_kept_value_bytes == std::numeric_limits<Length>::max());
  field.value_kept = true;
  field.value_bytes = reader.number<Length>();
  field.value = reader.text(field.value_bytes);
  field.digest = blake3(field.value);
}

void read_digest(CheckedReader& reader, RecipeField& field) {
  field.value_bytes = reader.number<std::uint64_t>();
  const auto digest = reader.take(field.digest.size());
  std::ranges::transform(digest, field.digest.begin(),
                         [](std::byte b) { return static_cast<std::uint8_t>(b); });
}

Result<RecipeField> read_field(CheckedReader& reader) {
  RecipeField field;
  const auto tag = reader.number<std::uint8_t>();
  field.type = static_cast<FieldType>(tag & ~digest_only);
  field.name = reader.text(reader.number<std::uint8_t>());
  if ((tag & digest_only) != 0) {
    read_digest(reader, field);
  } else {
    read_kept_value(reader, field);
  }
  if (!reader.ok()) return damaged("it ends within a field");
  if (field.name.empty()) return damaged("a field has no name");
  if (!plausible_length(field.type, field.value_bytes) ||
      (field.value_kept && !plausible_value(field.type, field.value))) {
    return damaged("a value does not fit the type of its field");
  }
  return field;
}

}  // namespace

std::optional<std::vector<std::string_view>> list_items(std::string_view value) {
  std::vector<std::string_view> items;
  CheckedReader reader(value);
  while (reader.ok() && !reader.at_end()) {
    items.push_back(reader.text(reader.number<std::uint64_t>()));
  }
  if (!reader.ok()) return std::nullopt;
  return items;
}

std::string Recipe::encode() const {
  if (!problem_.empty()) return {};
  std::vector<Planned> plan;
  plan.reserve(fields_.size());
  for (const auto& [name, field] : fields_) plan.push_back({&field, field.value_kept});
  fit(plan, max_encoded_bytes - header_bytes(domain_));
  const auto left_out = std::ranges::count_if(plan, &Planned::left_out);

  std::string encoded(magic);
  encoded.push_back(static_cast<char>(left_out > 0 ? fields_left_out : 0));
  encoded.push_back(static_cast<char>(domain_.size()));
  encoded.append(domain_);
  append_little(encoded, static_cast<std::uint16_t>(plan.size() - left_out));
  for (const Planned& planned : plan) {
    if (!planned.left_out) append_field(encoded, planned);
  }
  return encoded;
}

Result<KeptRecipe> decode_recipe(std::string_view encoded) {
  return guarded([&]() -> Result<KeptRecipe> {
    if (encoded.size() > Recipe::max_encoded_bytes) return damaged("it is too long");
    CheckedReader reader(encoded);
    if (reader.text(magic.size()) != magic) return damaged("it does not begin as a recipe");
    const auto flags = reader.number<std::uint8_t>();
    KeptRecipe recipe;
    recipe.complete = (flags & fields_left_out) == 0;
    recipe.domain = reader.text(reader.number<std::uint8_t>());
    const auto field_count = reader.number<std::uint16_t>();
    if (!reader.ok()) return damaged("it ends within its header");
    if (flags > fields_left_out || recipe.domain.empty()) return damaged("its header is not valid");
    for (std::size_t i = 0; i < field_count; ++i) {
      auto field = read_field(reader);
      if (!field) return std::unexpected(std::move(field).error());
      if (!recipe.fields.empty() && field->name <= recipe.fields.back().name) {
        return damaged("its fields are not in order");
      }
      recipe.fields.push_back(*std::move(field));
    }
    if (!reader.at_end()) return damaged("bytes follow its last field");
    return recipe;
  });
}

}  // namespace larder
