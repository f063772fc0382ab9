// Recipes: what makes fingerprints differ, and what makes them equal.
#include "larder/recipe.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/hex.h"

namespace larder {
namespace {

using Json = nlohmann::json;
using Items = std::vector<std::string>;

constexpr std::string_view domain = "example.org 2026-11 test v1";

Fingerprint made(const Recipe& recipe) {
  const auto fingerprint = recipe.fingerprint();
  EXPECT_TRUE(fingerprint.has_value());
  return fingerprint.value_or(Fingerprint{});
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(hex_digit(hex[i]) << 4 | hex_digit(hex[i + 1])));
  }
  return bytes;
}

std::string hex_of(std::string_view text) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

void add_golden_field(Recipe& recipe, const Json& field) {
  const std::string name = field.at("name");
  const std::string type = field.at("type");
  const Json& value = field.at("value");
  if (type == "bytes") recipe.field(name, value.get<std::string>());
  if (type == "hex") recipe.field(name, from_hex(value.get<std::string>()));
  if (type == "unsigned") recipe.field(name, std::stoull(value.get<std::string>()));
  if (type == "signed") recipe.field(name, std::stoll(value.get<std::string>()));
  if (type == "boolean") recipe.field(name, value.get<bool>());
  if (type == "list") recipe.field(name, value.get<Items>());
}

TEST(Recipe, MatchesTheGoldenVectors) {
  std::ifstream file(LARDER_SOURCE_DIR "/tests/golden/fingerprints.json");
  const auto golden = Json::parse(file);
  ASSERT_GE(golden.at("cases").size(), 20u);
  std::set<std::string> seen;
  for (const auto& vector : golden.at("cases")) {
    SCOPED_TRACE(vector.at("name").get<std::string>());
    Recipe recipe(vector.at("domain").get<std::string>());
    for (const auto& field : vector.at("fields")) add_golden_field(recipe, field);
    const std::string expected = vector.at("fingerprint");
    EXPECT_EQ(made(recipe).hex(), expected);
    EXPECT_EQ(hex_of(recipe.encode()), vector.at("recipe").get<std::string>());
    EXPECT_TRUE(seen.insert(expected).second) << "two cases share a fingerprint";

    const auto kept = decode_recipe(recipe.encode());
    ASSERT_TRUE(kept.has_value()) << kept.error().message;
    EXPECT_EQ(kept->domain, recipe.domain());
    EXPECT_EQ(kept->fingerprint().value().hex(), expected);
  }
}

// The bytes of a dump: hex pairs, up to two blanks in a row, on each line.
std::string dumped(std::string_view dump) {
  std::string hex;
  std::istringstream lines{std::string(dump)};
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.size(), line.find("  ")));
    std::erase(line, ' ');
    hex += line;
  }
  return from_hex(hex);
}

TEST(Recipe, ExampleOfTheFormatDescriptionIsTrue) {
  std::ifstream file(LARDER_SOURCE_DIR "/docs/FORMAT.md");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t dump = text.find("```\n4c 52 43") + 4;
  const std::size_t sentence = text.find("Its fingerprint is `");
  ASSERT_TRUE(dump != std::string::npos + 4 && sentence != std::string::npos);
  const std::string encoded =
      dumped(std::string_view(text).substr(dump, text.find("```", dump) - dump));
  const Recipe recipe =
      Recipe("example.org 2026-11 opencl v1").field("options", Items{"-I", "-O2"});
  EXPECT_EQ(hex_of(encoded), hex_of(recipe.encode()));
  EXPECT_EQ(text.substr(sentence + 20, 64), made(recipe).hex());
}

TEST(Recipe, BoundariesBetweenValuesMatter) {
  const auto text = [](const char* a) { return made(Recipe(domain).field("options", a)); };
  const auto list = [](Items items) { return made(Recipe(domain).field("options", items)); };
  const std::set<Fingerprint> all{text("-I -O2"),  text("-I-O2"),       list({"-I", "-O2"}),
                                  list({"-I-O2"}), list({"-O2", "-I"}), list({"-I", "-O2", ""}),
                                  list({}),        list({""}),          text("")};
  EXPECT_EQ(all.size(), 9u);
  EXPECT_NE(made(Recipe(domain).field("x", "ab").field("y", "c")),
            made(Recipe(domain).field("x", "a").field("y", "bc")));
  EXPECT_NE(made(Recipe(domain).field("xa", "b")), made(Recipe(domain).field("x", "ab")));
  EXPECT_NE(made(Recipe("ab").field("c", "")), made(Recipe("a").field("bc", "")));
}

TEST(Recipe, OrderOfFieldsDoesNotMatter) {
  const Recipe forth = Recipe(domain).field("a", 1u).field("b", true).field("c", "text");
  const Recipe back = Recipe(domain).field("c", "text").field("b", true).field("a", 1u);
  EXPECT_EQ(made(forth), made(back));
  EXPECT_EQ(forth.encode(), back.encode());
}

TEST(Recipe, TypeDomainAndPresenceMatter) {
  const std::string eight("\1\0\0\0\0\0\0\0", 8);
  const std::string one(1, '\1');
  const std::set<Fingerprint> all{made(Recipe(domain).field("n", 1u)),
                                  made(Recipe(domain).field("n", 1)),
                                  made(Recipe(domain).field("n", true)),
                                  made(Recipe(domain).field("n", "1")),
                                  made(Recipe(domain).field("n", eight)),
                                  made(Recipe(domain).field("n", one)),
                                  made(Recipe(domain)),
                                  made(Recipe("other 2026").field("n", 1u))};
  EXPECT_EQ(all.size(), 8u);
}

TEST(Recipe, WidthOfAnIntegerDoesNotMatter) {
  EXPECT_EQ(made(Recipe(domain).field("n", std::uint8_t{7})),
            made(Recipe(domain).field("n", std::uint64_t{7})));
  EXPECT_EQ(made(Recipe(domain).field("n", std::int8_t{-7})),
            made(Recipe(domain).field("n", std::int64_t{-7})));
}

TEST(Recipe, MistakesAreErrorsThatSayWhat) {
  const auto problem = [](const Recipe& recipe) {
    EXPECT_EQ(recipe.encode(), "");
    const auto fingerprint = recipe.fingerprint();
    EXPECT_FALSE(fingerprint.has_value());
    if (fingerprint) return std::string();
    EXPECT_EQ(fingerprint.error().code, Errc::invalid_argument);
    return fingerprint.error().message;
  };
  EXPECT_NE(problem(Recipe("")).find("domain"), std::string::npos);
  EXPECT_NE(problem(Recipe(std::string(256, 'd'))).find("256"), std::string::npos);
  EXPECT_NE(problem(Recipe(domain).field("", "x")).find("empty name"), std::string::npos);
  EXPECT_NE(problem(Recipe(domain).field(std::string(256, 'n'), "x")).find("256"),
            std::string::npos);
  EXPECT_NE(problem(Recipe(domain).field("twice", 1).field("twice", 1)).find("\"twice\""),
            std::string::npos);
}

TEST(Recipe, LimitsThemselvesAreAllowed) {
  const Recipe recipe = Recipe(std::string(255, 'd')).field(std::string(255, 'n'), "x");
  EXPECT_TRUE(recipe.fingerprint().has_value());
  EXPECT_TRUE(decode_recipe(recipe.encode()).has_value());
}

}  // namespace
}  // namespace larder
