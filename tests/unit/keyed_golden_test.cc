// tests/golden/keyed.json: what is made with keys, written by tests/golden/keyed_vectors_test.py.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/hex.h"
#include "format/entry.h"
#include "tests/unit/pack_bytes.h"

namespace larder::format {
namespace {

using Json = nlohmann::json;

Json golden() {
  std::ifstream file(LARDER_SOURCE_DIR "/tests/golden/keyed.json");
  return Json::parse(file);
}

std::vector<std::byte> unhex(const Json& json) {
  const std::string text = json;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(hex_digit(text[i]) << 4 | hex_digit(text[i + 1])));
  }
  return bytes;
}

template <class Array>
Array array_of(const Json& json) {
  const auto bytes = unhex(json);
  Array array{};
  EXPECT_EQ(bytes.size(), array.size());
  if (bytes.size() == array.size()) std::memcpy(array.data(), bytes.data(), bytes.size());
  return array;
}

Fingerprint fingerprint_in(const Json& json) {
  return {.bytes = array_of<Digest>(json.at("fingerprint"))};
}

std::uint64_t number_in(const Json& json) {
  return std::stoull(json.get<std::string>(), nullptr, 16);
}

Keys keys_in(const Json& json) {
  const auto secret = array_of<Keys::Secret>(json.at("secret"));
  return Keys::from_secrets(std::span(&secret, 1)).value();
}

DerivedKey key_in(const Json& json, std::string_view context) {
  const auto store = array_of<StoreId>(json.at("store"));
  return derive_keys(keys_in(json), context, store).front();
}

TEST(KeyedGolden, KeysNeverChange) {
  for (const Json& json : golden().at("keys")) {
    EXPECT_EQ(keys_in(json).ids(), std::vector{number_in(json.at("id"))});
    const DerivedKey entry = key_in(json, entry_key_context);
    EXPECT_EQ(entry.id, number_in(json.at("id")));
    EXPECT_EQ(to_hex(entry.bytes), json.at("entry_key").get<std::string>());
    EXPECT_EQ(to_hex(key_in(json, record_key_context).bytes),
              json.at("record_key").get<std::string>());
  }
}

TEST(KeyedGolden, EntriesNeverChange) {
  for (const Json& json : golden().at("entries")) {
    const auto payload = unhex(json.at("payload"));
    const auto recipe = unhex(json.at("recipe"));
    const DerivedKey key = key_in(json, entry_key_context);
    const auto entry =
        encode_entry(FileLayout::larder, fingerprint_in(json), payload,
                     {reinterpret_cast<const char*>(recipe.data()), recipe.size()}, key);
    std::vector<std::byte> file;
    for (const auto piece : entry.pieces()) file.insert(file.end(), piece.begin(), piece.end());
    EXPECT_EQ(file, unhex(json.at("bytes")));
    const auto decoded =
        decode_entry(FileLayout::larder, file, fingerprint_in(json), std::span(&key, 1));
    EXPECT_EQ(decoded.verdict, Verdict::good);
    EXPECT_EQ(decoded.key_id, key.id);
  }
}

Record record_in(const Json& json, std::span<const std::byte> stored,
                 std::span<const std::byte> recipe) {
  const std::string kind = json.at("kind");
  Record record{.supersedes = json.at("supersedes"),
                .written_s = json.at("written_s"),
                .sequence = json.at("sequence"),
                .raw_bytes = json.at("raw_bytes"),
                .stored_bytes = static_cast<std::uint32_t>(stored.size()),
                .recipe_bytes = static_cast<std::uint32_t>(recipe.size()),
                .fingerprint = fingerprint_in(json)};
  if (kind == "artifact") {
    record.payload_digest = blake3(stored);
    record.recipe_digest =
        recipe_digest({reinterpret_cast<const char*>(recipe.data()), recipe.size()});
  } else if (kind == "large") {
    record.kind = RecordKind::large;
    record.payload_digest = array_of<Digest>(json.at("payload_digest"));
  } else {
    record.kind = RecordKind::removed;
  }
  return record;
}

TEST(KeyedGolden, RecordsNeverChange) {
  for (const Json& json : golden().at("records")) {
    const auto stored = unhex(json.at("record").at("stored"));
    const auto recipe = unhex(json.at("record").at("recipe"));
    const SegmentKey segment =
        segment_key({.store = array_of<StoreId>(json.at("store")),
                     .number = json.at("number"),
                     .random = array_of<std::array<std::byte, 16>>(json.at("random"))});
    const DerivedKey key = key_in(json, record_key_context);
    Record record = record_in(json.at("record"), stored, recipe);
    authenticate(record, key);
    const std::uint32_t place = json.at("place");
    const auto header = encode_record(record, segment, place);
    const auto bytes = unhex(json.at("bytes"));
    ASSERT_GE(bytes.size(), header.size());
    EXPECT_EQ(std::memcmp(header.data(), bytes.data(), header.size()), 0);
    Record read;
    EXPECT_EQ(decode_authentic(bytes, key, place, read), RecordVerdict::good);
    EXPECT_EQ(decode_record(bytes, segment, place, read), RecordVerdict::good);
  }
}

TEST(KeyedGolden, SlotTagsAndNamesOfLargeFilesNeverChange) {
  for (const Json& json : golden().at("slot_tags")) {
    const SlotHash hash(array_of<StoreId>(json.at("store")));
    EXPECT_EQ(hash(fingerprint_in(json), number_in(json.at("key_id"))), number_in(json.at("tag")));
  }
  for (const Json& json : golden().at("large_file_keys")) {
    const auto digest = array_of<Digest>(json.at("payload_digest"));
    EXPECT_EQ(large_file_key(fingerprint_in(json), digest, number_in(json.at("key_id"))).hex(),
              json.at("key").get<std::string>());
  }
}

}  // namespace
}  // namespace larder::format
