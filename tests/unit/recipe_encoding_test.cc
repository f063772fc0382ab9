// Kept recipes: what fits, what gives way, and that no damaged byte is believed.
#include <gtest/gtest.h>

#include "base/digest.h"
#include "larder/recipe.h"

namespace larder {
namespace {

using Items = std::vector<std::string>;

constexpr std::string_view domain = "example.org 2026-11 test v1";

Recipe every_type() {
  return Recipe(domain)
      .field("bytes", "text")
      .field("bytes.long", std::string(300, 'x'))
      .field("boolean", true)
      .field("list", Items{"-I", "-O2", ""})
      .field("signed", -5)
      .field("unsigned", 5u);
}

KeptRecipe decoded(const Recipe& recipe) {
  auto kept = decode_recipe(recipe.encode());
  EXPECT_TRUE(kept.has_value()) << kept.error().message;
  return kept.value_or(KeptRecipe{});
}

const RecipeField* field_named(const KeptRecipe& kept, std::string_view name) {
  for (const RecipeField& field : kept.fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

TEST(KeptRecipe, ShortValuesAreKeptAndLongOnesAreDigests) {
  const KeptRecipe kept = decoded(every_type());
  ASSERT_EQ(kept.fields.size(), 6u);
  EXPECT_TRUE(kept.complete);
  EXPECT_EQ(kept.domain, domain);
  const RecipeField* text = field_named(kept, "bytes");
  const RecipeField* source = field_named(kept, "bytes.long");
  ASSERT_TRUE(text != nullptr && source != nullptr);
  EXPECT_TRUE(text->value_kept);
  EXPECT_EQ(text->value, "text");
  EXPECT_EQ(text->digest, blake3("text"));
  EXPECT_FALSE(source->value_kept);
  EXPECT_EQ(source->value, "");
  EXPECT_EQ(source->value_bytes, 300u);
  EXPECT_EQ(source->digest, blake3(std::string(300, 'x')));
  EXPECT_EQ(kept.fingerprint().value(), every_type().fingerprint().value());
}

TEST(KeptRecipe, DisplaysForPeople) {
  const KeptRecipe kept = decoded(every_type());
  const auto shown = [&](std::string_view name) { return field_named(kept, name)->display(); };
  EXPECT_EQ(shown("bytes"), "\"text\"");
  EXPECT_EQ(shown("boolean"), "true");
  EXPECT_EQ(shown("list"), "[\"-I\", \"-O2\", \"\"]");
  EXPECT_EQ(shown("signed"), "-5");
  EXPECT_EQ(shown("unsigned"), "5");
  EXPECT_TRUE(shown("bytes.long").starts_with("blake3:"));
  EXPECT_TRUE(shown("bytes.long").ends_with(" (300 bytes)"));
}

TEST(KeptRecipe, DisplayEscapesWhatATerminalObeys) {
  const auto shown = [](std::string_view value) {
    return decoded(Recipe(domain).field("f", value)).fields.at(0).display();
  };
  EXPECT_EQ(shown("\x1b[31m\n\t\"\\\x7f"), R"("\x1b[31m\n\t\"\\\x7f")");
  EXPECT_EQ(shown("größe €🦊"), "\"größe €🦊\"");
  EXPECT_EQ(shown("\xc2\x9b"), R"("\xc2\x9b")");                          // CSI as one character
  EXPECT_EQ(shown("\xff\xc3"), R"("\xff\xc3")");                          // not UTF-8, cut short
  EXPECT_EQ(shown("\xc0\xaf\xe0\x80\xaf"), R"("\xc0\xaf\xe0\x80\xaf")");  // over-long forms
  EXPECT_EQ(shown("\xed\xa0\x80"), R"("\xed\xa0\x80")");                  // a surrogate
}

TEST(KeptRecipe, LongestValuesGiveWayFirst) {
  Recipe recipe(domain);
  for (int i = 0; i < 60; ++i) {
    recipe.field("sixty." + std::to_string(i), std::string(60, 'a'));
    recipe.field("four." + std::to_string(i), "four");
  }
  ASSERT_LE(recipe.encode().size(), Recipe::max_encoded_bytes);
  const KeptRecipe kept = decoded(recipe);
  EXPECT_TRUE(kept.complete);
  EXPECT_EQ(kept.fields.size(), 120u);
  for (const RecipeField& field : kept.fields) {
    EXPECT_TRUE(field.value_kept || field.value_bytes == 60) << field.name;
  }
}

TEST(KeptRecipe, DigestsSaveACompleteRecipe) {
  Recipe recipe(domain);
  for (int i = 0; i < 62; ++i) recipe.field("field." + std::to_string(i), std::string(64, 'a'));
  recipe.field("short", "kept");
  const std::string encoded = recipe.encode();
  EXPECT_LE(encoded.size(), Recipe::max_encoded_bytes);
  EXPECT_GT(encoded.size(), Recipe::max_encoded_bytes - 64);  // no more gave way than had to
  const KeptRecipe kept = decoded(recipe);
  EXPECT_TRUE(kept.complete);
  EXPECT_EQ(kept.fields.size(), 63u);
  EXPECT_TRUE(field_named(kept, "short")->value_kept);
  EXPECT_EQ(kept.fingerprint().value(), recipe.fingerprint().value());
}

TEST(KeptRecipe, SaysWhenFieldsWereLeftOut) {
  Recipe recipe(domain);
  for (int i = 0; i < 1000; ++i) recipe.field("field." + std::to_string(i), i);
  EXPECT_LE(recipe.encode().size(), Recipe::max_encoded_bytes);
  const KeptRecipe kept = decoded(recipe);
  EXPECT_FALSE(kept.complete);
  EXPECT_GT(kept.fields.size(), 100u);
  ASSERT_FALSE(kept.fingerprint().has_value());
  EXPECT_EQ(kept.fingerprint().error().code, Errc::invalid_argument);
}

TEST(KeptRecipe, EveryTruncationIsCorrupt) {
  const std::string encoded = every_type().encode();
  for (std::size_t length = 0; length < encoded.size(); ++length) {
    const auto kept = decode_recipe(std::string_view(encoded).substr(0, length));
    ASSERT_FALSE(kept.has_value()) << length;
    EXPECT_EQ(kept.error().code, Errc::corrupt);
  }
  EXPECT_FALSE(decode_recipe(encoded + '\0').has_value());
}

TEST(KeptRecipe, NoFlippedBitKeepsTheFingerprint) {
  const Recipe recipe = every_type();
  const Fingerprint original = recipe.fingerprint().value();
  std::string encoded = recipe.encode();
  int refused = 0;
  for (std::size_t bit = 0; bit < encoded.size() * 8; ++bit) {
    encoded[bit / 8] = static_cast<char>(encoded[bit / 8] ^ (1 << (bit % 8)));
    const auto kept = decode_recipe(encoded);
    const auto fingerprint = kept ? kept->fingerprint() : std::unexpected(kept.error());
    if (!fingerprint) ++refused;
    EXPECT_TRUE(!fingerprint || *fingerprint != original) << "bit " << bit;
    if (kept) (void)kept->fields.at(0).display();
    encoded[bit / 8] = static_cast<char>(encoded[bit / 8] ^ (1 << (bit % 8)));
  }
  EXPECT_GT(refused, 100);
}

// One field by hand: header of the domain "d", then a count of one, then `field`.
Result<KeptRecipe> decode_one(std::string_view field, int count = 1) {
  std::string encoded("LRC\1\0\1d", 7);
  encoded.push_back(static_cast<char>(count));
  encoded.push_back('\0');
  return decode_recipe(encoded.append(field));
}

TEST(KeptRecipe, RefusesWhatEncodeNeverWrites) {
  using namespace std::literals;
  ASSERT_TRUE(decode_one("\1\1a\1x"sv).has_value());
  EXPECT_FALSE(decode_one("\0\1a\1x"sv).has_value());             // type 0
  EXPECT_FALSE(decode_one("\6\1a\1x"sv).has_value());             // type 6
  EXPECT_FALSE(decode_one("\1\0\1x"sv).has_value());              // no name
  EXPECT_FALSE(decode_one("\2\1a\1x"sv).has_value());             // an integer of one byte
  EXPECT_FALSE(decode_one("\4\1a\1\2"sv).has_value());            // a boolean of 2
  EXPECT_FALSE(decode_one("\5\1a\1x"sv).has_value());             // a list cut short
  EXPECT_FALSE(decode_one("\1\1a\1x"sv, 2).has_value());          // fewer fields than promised
  EXPECT_FALSE(decode_one("\1\1a\1x"sv, 0).has_value());          // more
  EXPECT_FALSE(decode_one("\1\1b\1x\1\1a\1x"sv, 2).has_value());  // not ordered
  EXPECT_FALSE(decode_one("\1\1a\1x\1\1a\1x"sv, 2).has_value());  // repeated
  EXPECT_FALSE(decode_recipe("LRC\2\0\1d\0\0"sv).has_value());    // a later version
  EXPECT_FALSE(decode_recipe("LRC\1\2\1d\0\0"sv).has_value());    // an unknown flag
  EXPECT_FALSE(decode_recipe("LRC\1\0\0\0\0"sv).has_value());     // no domain
  EXPECT_FALSE(decode_recipe(std::string(5000, 'x')).has_value());
}

TEST(KeptRecipe, FingerprintRefusesFieldsOutOfOrder) {
  KeptRecipe kept = decoded(every_type());
  std::swap(kept.fields.at(0), kept.fields.at(1));
  ASSERT_FALSE(kept.fingerprint().has_value());
  EXPECT_EQ(kept.fingerprint().error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace larder
