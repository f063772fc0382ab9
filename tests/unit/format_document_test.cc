// docs/FORMAT.md is the format: its examples are read here, and what the code writes must be them.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "format/entry.h"
#include "format/marker.h"
#include "larder/recipe.h"
#include "tests/unit/pack_bytes.h"

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

// The segment of the example: its header twice, one record, summary, footer, trailer.
class FormatSegment : public testing::Test {
 protected:
  static constexpr std::uint32_t record_place = 2;
  static constexpr std::uint32_t summary_place = 6;
  static constexpr std::uint32_t footer_place = 7;

  void SetUp() override {
    ASSERT_EQ(bytes_.size(), 9 * pack_unit_bytes);
    header_ = decode_segment_header(bytes_).value_or(SegmentHeader{});
    key_ = segment_key(header_.identity);
  }

  std::span<const std::byte> from(std::uint32_t place) const {
    return std::span(bytes_).subspan(place * pack_unit_bytes);
  }

  static Record documented_record() {
    Record record = artifact_record("artifact", documented_recipe().encode());
    record.written_s = 1'795'305'600;  // 2026-11-22
    record.fingerprint = *documented_recipe().fingerprint();
    return record;
  }

  const std::vector<std::byte> bytes_ = example("segment");
  SegmentHeader header_ = {};
  SegmentKey key_ = {};
};

TEST_F(FormatSegment, ItsExampleIsASealedSegment) {
  EXPECT_EQ(header_.identity.number, 42u);
  EXPECT_EQ(header_.created_at_sequence, 7u);
  EXPECT_TRUE(decode_segment_header(from(1)));

  Record record;
  ASSERT_EQ(decode_record(from(record_place), key_, record_place, record), RecordVerdict::good);
  EXPECT_EQ(record.fingerprint, documented_recipe().fingerprint());
  const auto behind = from(record_place).subspan(record_header_bytes);
  EXPECT_TRUE(payload_is_good(record, behind.first(8)));
  EXPECT_EQ(std::memcmp(behind.data(), "artifact", 8), 0);
  EXPECT_TRUE(recipe_is_good(record, documented_recipe().encode()));

  const auto footer = decode_footer(from(footer_place), footer_place);
  ASSERT_TRUE(footer);
  const auto entries = decode_summary(from(summary_place).first(128), key_, summary_place);
  ASSERT_TRUE(entries);
  const SlotHash hash(header_.identity.store);
  EXPECT_EQ(*entries,
            std::vector{summary_entry(record, hash(record.fingerprint, 0), record_place)});
  EXPECT_TRUE(trailer_is_good(from(footer_place + 1), *footer, key_, footer_place));
}

TEST_F(FormatSegment, TheCodeWritesItsExample) {
  std::vector<std::byte> written;
  const auto append = [&written](std::span<const std::byte> more) {
    written.insert(written.end(), more.begin(), more.end());
    written.resize(round_to_unit(written.size()));
  };
  const Record record = documented_record();
  const SlotHash hash(header_.identity.store);
  const auto entry = summary_entry(record, hash(record.fingerprint, 0), record_place);
  append(encode_segment_header(header_));
  append(encode_segment_header(header_));
  append(encode_record(record, key_, record_place));
  const std::string behind = "artifact" + documented_recipe().encode();
  append(bytes_of(behind));
  append(encode_summary({&entry, 1}, key_, summary_place));
  const auto footer = decode_footer(std::span(written).last(footer_bytes), footer_place);
  append(encode_trailer(footer.value_or(Footer{}), key_, footer_place));
  EXPECT_EQ(written, bytes_);
}

TEST(FormatText, NamesTheFingerprintAndTheMarkers) {
  const std::string text = document();
  EXPECT_NE(text.find(documented_recipe().fingerprint()->hex()), std::string::npos);
  for (const char* kind : {"file", "pack"}) {
    EXPECT_NE(text.find(encode_marker({.kind = kind, .id = "00112233445566778899aabbccddeeff"})),
              std::string::npos);
  }
}

}  // namespace
}  // namespace larder::format
