// Kept recipes, and the recipes that they are made from.
//
//   byte: bit 0 = a recipe is built from the bytes and kept, else they are a kept one
#include "larder/recipe.h"

#include "base/digest.h"
#include "format/recipe_rules.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

template <std::unsigned_integral T>
void append(std::string& to, T value) {
  std::byte bytes[sizeof(T)];
  store_little(bytes, value);
  to += text_of(bytes);
}

std::string digest_text(const RecipeField& field) {
  return text_of(std::as_bytes(std::span(field.digest)));
}

// A kept recipe written down as docs/FORMAT.md has it.
std::string written(const KeptRecipe& recipe) {
  std::string text("LRC\1", 4);
  text += static_cast<char>(recipe.complete ? 0 : 1);
  text += static_cast<char>(recipe.domain.size());
  text += recipe.domain;
  append(text, static_cast<std::uint16_t>(recipe.fields.size()));
  for (const RecipeField& field : recipe.fields) {
    const auto type = static_cast<std::uint8_t>(field.type);
    append(text, static_cast<std::uint8_t>(field.value_kept ? type : type | 128));
    append(text, static_cast<std::uint8_t>(field.name.size()));
    text += field.name;
    if (field.value_kept) {
      append(text, static_cast<std::uint8_t>(field.value.size()));
      text += field.value;
    } else {
      append(text, field.value_bytes);
      text += digest_text(field);
    }
  }
  return text;
}

void check_value(const RecipeField& field) {
  require(field.value_bytes == field.value.size());
  require(field.digest == blake3(field.value));
  switch (field.type) {
    case FieldType::unsigned_integer:
    case FieldType::signed_integer: return require(field.value.size() == 8);
    case FieldType::boolean:
      return require(field.value == std::string(1, '\0') || field.value == "\1");
    case FieldType::list: return require(list_items(field.value).has_value());
    case FieldType::bytes: return;
  }
  require(false);
}

// Nothing that a terminal acts upon.
void check_display(const RecipeField& field) {
  const std::string shown = field.display();
  require(!shown.empty());
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const auto c = static_cast<unsigned char>(shown[i]);
    require(c >= 0x20 && c != 0x7f);
    // U+0080 to U+009F are commands too.
    if (c == 0xc2) require(static_cast<unsigned char>(shown[i + 1]) >= 0xa0);
  }
}

void check_kept(const KeptRecipe& recipe) {
  require(!recipe.domain.empty() && recipe.domain.size() <= 255);
  std::string_view previous;
  for (const RecipeField& field : recipe.fields) {
    require(field.name > previous && field.name.size() <= 255);
    previous = field.name;
    if (field.value_kept) check_value(field);
    if (!field.value_kept) require(field.value.empty());
    check_display(field);
  }
  require(recipe.fingerprint().has_value() == recipe.complete);
}

void decode_and_look(std::string_view encoded) {
  const auto recipe = decode_recipe(encoded);
  if (!recipe) return require(recipe.error().code == Errc::corrupt);
  require(encoded.size() <= Recipe::max_encoded_bytes);
  check_kept(*recipe);
  require(written(*recipe) == encoded);
}

void add_field(Input& input, Recipe& recipe, const std::string& name) {
  switch (input.byte() % 6) {
    case 0: recipe.field(name, text_of(input.take(input.byte()))); return;
    case 1: recipe.field(name, input.number<std::uint64_t>()); return;
    case 2: recipe.field(name, static_cast<std::int64_t>(input.number<std::uint64_t>())); return;
    case 3: recipe.field(name, input.byte() % 2 == 1); return;
    case 4: recipe.field(name, std::string(input.number<std::uint16_t>(), 'x')); return;
    default: break;
  }
  std::vector<std::string> items(input.byte() % 8);
  for (std::string& item : items) item = text_of(input.take(input.byte() % 16));
  recipe.field(name, items);
}

void build_and_keep(Input& input) {
  Recipe recipe(text_of(input.take(input.byte())));
  std::size_t fields = 0;
  for (; !input.at_end(); ++fields) add_field(input, recipe, text_of(input.take(input.byte())));
  const std::string encoded = recipe.encode();
  const auto fingerprint = recipe.fingerprint();
  require(encoded.empty() == !fingerprint);
  if (!fingerprint) return require(fingerprint.error().code == Errc::invalid_argument);
  decode_and_look(encoded);
  const auto kept = decode_recipe(encoded);
  require(kept && kept->domain == recipe.domain());
  require(kept->complete == (kept->fields.size() == fields));
  if (kept->complete) require(kept->fingerprint() == *fingerprint);
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t how = input.byte();
  if ((how & 1) != 0) return build_and_keep(input);
  std::string encoded = text_of(input.rest());
  decode_and_look(encoded);
  encoded.insert(0, "LRC\1", 4);
  decode_and_look(encoded);
}

}  // namespace larder::fuzz
