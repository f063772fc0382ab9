// docs/FORMAT.md is the format: its examples are read here, and what the code writes must be them.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "format/entry.h"
#include "format/marker.h"
#include "larder/recipe.h"

namespace larder::format {
namespace {

std::string document() {
  std::ifstream file(LARDER_SOURCE_DIR "/docs/FORMAT.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

// The bytes of the hex dump after "<!-- example: NAME -->".
std::vector<std::byte> example(const std::string& name) {
  const std::string text = document();
  const std::size_t at = text.find("<!-- example: " + name + " -->");
  if (at == std::string::npos) return {};
  const std::size_t begin = text.find("```\n", at) + 4;
  std::istringstream lines(text.substr(begin, text.find("```", begin) - begin));
  std::vector<std::byte> bytes;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(4));  // behind the offset
    for (std::string word; words >> word;) {
      bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
    }
  }
  return bytes;
}

Recipe documented_recipe() {
  Recipe recipe("example.org 2026-11 demo v1");
  recipe.field("source", "kernel");
  return recipe;
}

class FormatDocument : public testing::TestWithParam<FileLayout> {
 protected:
  std::string name() const { return GetParam() == FileLayout::larder ? "larder" : "vyre"; }
};
INSTANTIATE_TEST_SUITE_P(Layouts, FormatDocument,
                         testing::Values(FileLayout::larder, FileLayout::vyre));

TEST_P(FormatDocument, ItsExampleIsAnEntry) {
  const auto file = example(name());
  ASSERT_GT(file.size(), 39u);
  const auto fingerprint = documented_recipe().fingerprint();
  ASSERT_TRUE(fingerprint);
  const auto entry = decode_entry(GetParam(), file, *fingerprint);
  ASSERT_EQ(entry.verdict, Verdict::good);
  const auto* text = reinterpret_cast<const char*>(file.data());
  EXPECT_EQ(std::string(text + entry.payload_offset, entry.payload_bytes), "artifact");
  EXPECT_TRUE(recipe_is_good(file, entry));
}

TEST_P(FormatDocument, TheCodeWritesItsExample) {
  const std::string payload = "artifact";
  const std::string recipe = documented_recipe().encode();
  const auto entry = encode_entry(GetParam(), *documented_recipe().fingerprint(),
                                  std::as_bytes(std::span(payload)), recipe);
  std::vector<std::byte> file;
  for (const auto piece : entry.pieces()) file.insert(file.end(), piece.begin(), piece.end());
  EXPECT_EQ(file, example(name()));
}

TEST(FormatText, NamesTheFingerprintAndTheMarker) {
  const std::string text = document();
  EXPECT_NE(text.find(documented_recipe().fingerprint()->hex()), std::string::npos);
  EXPECT_NE(text.find(encode_marker({.kind = "file", .id = "00112233445566778899aabbccddeeff"})),
            std::string::npos);
}

}  // namespace
}  // namespace larder::format
