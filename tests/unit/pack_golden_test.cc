// The code against tests/golden/pack.json, which tests/golden/pack_vectors_test.py holds against
// docs/FORMAT.md: what is written never changes, and is read as it was meant.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/hex.h"
#include "tests/unit/pack_bytes.h"

namespace larder::format {
namespace {

using Json = nlohmann::json;

Json golden() {
  std::ifstream file(LARDER_SOURCE_DIR "/tests/golden/pack.json");
  return Json::parse(file);
}

std::vector<std::byte> unhex(const Json& text) {
  const auto digits = text.get<std::string>();
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at + 2 <= digits.size(); at += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(digits.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

std::string hex_of(std::span<const std::byte> bytes) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

template <typename Array>
Array array_of(const Json& text) {
  const auto bytes = unhex(text);
  Array array = {};
  EXPECT_EQ(bytes.size(), array.size());
  std::memcpy(array.data(), bytes.data(), std::min(bytes.size(), array.size()));
  return array;
}

Fingerprint fingerprint_in(const Json& json) {
  return {.bytes = array_of<Digest>(json.at("fingerprint"))};
}

SegmentIdentity identity_in(const Json& json) {
  return {.store = array_of<StoreId>(json.at("store")),
          .number = json.at("number"),
          .random = array_of<StoreId>(json.at("random"))};
}

struct GoldenRecord {
  Record record;
  std::vector<std::byte> stored;
  std::vector<std::byte> recipe;

  std::string_view recipe_text() const {
    return {reinterpret_cast<const char*>(recipe.data()), recipe.size()};
  }
};

GoldenRecord record_in(const Json& json) {
  GoldenRecord golden{
      .record = {}, .stored = unhex(json.at("stored")), .recipe = unhex(json.at("recipe"))};
  const std::string kind = json.at("kind");
  Record& record = golden.record;
  record.kind = kind == "artifact"  ? RecordKind::artifact
                : kind == "removed" ? RecordKind::removed
                                    : RecordKind::large;
  record.codec = json.at("codec") == "zstd" ? Codec::zstd : Codec::none;
  record.supersedes = json.at("supersedes");
  record.written_s = json.at("written_s");
  record.key_id = json.at("key_id");
  record.sequence = json.at("sequence");
  record.raw_bytes = json.at("raw_bytes");
  record.stored_bytes = static_cast<std::uint32_t>(golden.stored.size());
  record.recipe_bytes = static_cast<std::uint32_t>(golden.recipe.size());
  record.fingerprint = fingerprint_in(json);
  if (record.kind == RecordKind::artifact) {
    record.payload_digest = blake3(golden.stored);
    record.recipe_digest = recipe_digest(golden.recipe_text());
  } else if (record.kind == RecordKind::large) {
    record.payload_digest = array_of<Digest>(json.at("payload_digest"));
  }
  return golden;
}

// A segment as a writer writes it.
class Writer {
 public:
  explicit Writer(const SegmentHeader& header)
      : key_(segment_key(header.identity)), hash_(header.identity.store) {
    append(encode_segment_header(header));
    append(encode_segment_header(header));
  }

  void add(const GoldenRecord& golden) {
    const std::uint32_t at = place();
    append(encode_record(golden.record, key_, at));
    append(golden.stored);
    append(golden.recipe);
    bytes_.resize(round_to_unit(bytes_.size()));
    entries_.push_back(summary_entry(golden.record, hash_(golden.record.fingerprint, 0), at));
  }

  std::vector<std::byte> sealed() {
    append(encode_summary(entries_, key_, place()));
    const std::uint32_t footer_place = place() - 1;
    const auto footer = decode_footer(std::span(bytes_).last(footer_bytes), footer_place);
    EXPECT_TRUE(footer);
    append(encode_trailer(footer.value_or(Footer{}), key_, footer_place));
    return bytes_;
  }

 private:
  std::uint32_t place() const {
    return static_cast<std::uint32_t>(bytes_.size() / pack_unit_bytes);
  }
  void append(std::span<const std::byte> more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
  }

  SegmentKey key_;
  SlotHash hash_;
  std::vector<std::byte> bytes_;
  std::vector<SummaryEntry> entries_;
};

TEST(PackGolden, SegmentsAreWrittenAsTheyAlwaysWere) {
  const Json file = golden();
  ASSERT_GE(file.at("segments").size(), 3u);
  for (const Json& json : file.at("segments")) {
    Writer writer(
        {.identity = identity_in(json), .created_at_sequence = json.at("created_at_sequence")});
    for (const Json& record : json.at("records")) writer.add(record_in(record));
    EXPECT_EQ(hex_of(writer.sealed()), json.at("bytes").get<std::string>()) << json.at("name");
  }
}

void expect_read_back(std::span<const std::byte> bytes, const SegmentKey& key,
                      const Json& records) {
  std::size_t offset = records_at;
  for (const Json& json : records) {
    const GoldenRecord golden = record_in(json);
    Record record;
    ASSERT_EQ(decode_record(bytes.subspan(offset), key,
                            static_cast<std::uint32_t>(offset / pack_unit_bytes), record),
              RecordVerdict::good);
    EXPECT_EQ(record.fingerprint, golden.record.fingerprint);
    EXPECT_EQ(record.sequence, golden.record.sequence);
    EXPECT_EQ(record.raw_bytes, golden.record.raw_bytes);
    if (record.kind == RecordKind::artifact) {
      EXPECT_TRUE(payload_is_good(
          record, bytes.subspan(offset + record_header_bytes, record.stored_bytes)));
      EXPECT_TRUE(recipe_is_good(record, golden.recipe_text()));
    }
    offset += record.total_bytes();
  }
}

TEST(PackGolden, SegmentsAreReadAsTheyWereMeant) {
  const Json file = golden();
  for (const Json& json : file.at("segments")) {
    SCOPED_TRACE(json.at("name").get<std::string>());
    const auto bytes = unhex(json.at("bytes"));
    const auto header = decode_segment_header(bytes);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->identity, identity_in(json));
    const SegmentKey key = segment_key(header->identity);
    expect_read_back(bytes, key, json.at("records"));

    const auto trailer_place = static_cast<std::uint32_t>(bytes.size() / pack_unit_bytes - 1);
    const std::span<const std::byte> view(bytes);
    const auto footer = decode_footer(view.last(2 * footer_bytes), trailer_place - 1);
    ASSERT_TRUE(footer);
    EXPECT_TRUE(trailer_is_good(view.last(trailer_bytes), *footer, key, trailer_place - 1));
    const std::size_t summary_at = footer->summary_place * pack_unit_bytes;
    const auto entries =
        decode_summary(view.subspan(summary_at, footer->summary_bytes() + footer_bytes), key,
                       footer->summary_place);
    ASSERT_TRUE(entries);
    EXPECT_EQ(entries->size(), json.at("records").size());
  }
}

TEST(PackGolden, SlotTagsNeverChange) {
  const Json file = golden();
  ASSERT_GE(file.at("slot_tags").size(), 10u);
  for (const Json& json : file.at("slot_tags")) {
    const SlotHash hash(array_of<StoreId>(json.at("store")));
    EXPECT_EQ(hash(fingerprint_in(json), 0),
              std::stoull(json.at("tag").get<std::string>(), nullptr, 16));
  }
}

TEST(PackGolden, NamesOfLargeFilesNeverChange) {
  const Json file = golden();
  ASSERT_GE(file.at("large_file_keys").size(), 3u);
  for (const Json& json : file.at("large_file_keys")) {
    const auto digest = array_of<Digest>(json.at("payload_digest"));
    EXPECT_EQ(large_file_key(fingerprint_in(json), digest, 0).hex(),
              json.at("key").get<std::string>());
  }
}

TEST(PackGolden, IndexAndStateHeadersNeverChange) {
  const Json file = golden();
  ASSERT_FALSE(file.at("index_headers").empty() || file.at("state_headers").empty());
  for (const Json& json : file.at("index_headers")) {
    std::array<std::byte, index_header_bytes> bytes;
    encode_index_header({.store = array_of<StoreId>(json.at("store")),
                         .generation = json.at("generation"),
                         .log2_slots = json.at("log2_slots")},
                        bytes);
    EXPECT_EQ(hex_of(std::span(bytes).first(48)), json.at("bytes").get<std::string>());
  }
  for (const Json& json : file.at("state_headers")) {
    std::array<std::byte, state_bytes> bytes;
    encode_state_header(array_of<StoreId>(json.at("store")), bytes);
    EXPECT_EQ(hex_of(std::span(bytes).first(40)), json.at("bytes").get<std::string>());
  }
}

}  // namespace
}  // namespace larder::format
