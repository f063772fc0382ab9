// Entry files cut at every length and flipped at every bit: never good, never a crash.
#include "format/entry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace larder::format {
namespace {

Fingerprint key(std::uint8_t value) {
  Fingerprint fingerprint;
  fingerprint.bytes.fill(value);
  return fingerprint;
}

std::vector<std::byte> file_of(FileLayout layout, const Fingerprint& fingerprint,
                               std::string_view payload, std::string_view recipe = {}) {
  const auto entry = encode_entry(layout, fingerprint, std::as_bytes(std::span(payload)), recipe);
  std::vector<std::byte> file;
  for (const auto piece : entry.pieces()) file.insert(file.end(), piece.begin(), piece.end());
  EXPECT_EQ(file.size(), entry.file_bytes());
  return file;
}

std::string payload_in(const std::vector<std::byte>& file, const DecodedEntry& entry) {
  return {reinterpret_cast<const char*>(file.data()) + entry.payload_offset, entry.payload_bytes};
}

class EntryTest : public testing::TestWithParam<FileLayout> {};
INSTANTIATE_TEST_SUITE_P(Layouts, EntryTest, testing::Values(FileLayout::larder, FileLayout::vyre));

TEST_P(EntryTest, RoundTrips) {
  for (const std::string& payload : {std::string(), std::string("x"), std::string(5000, 'y')}) {
    const auto file = file_of(GetParam(), key(1), payload);
    const auto entry = decode_entry(GetParam(), file, key(1));
    ASSERT_EQ(entry.verdict, Verdict::good);
    EXPECT_EQ(payload_in(file, entry), payload);
    EXPECT_TRUE(recipe_is_good(file, entry));
    EXPECT_EQ(claimed_payload_bytes(GetParam(), std::span(file), file.size()), payload.size());
  }
}

TEST_P(EntryTest, EveryTruncationAndExtensionIsDamaged) {
  const auto file = file_of(GetParam(), key(1), "a payload of some length");
  for (std::size_t length = 0; length < file.size(); ++length) {
    const auto cut = std::span(file).first(length);
    EXPECT_EQ(decode_entry(GetParam(), cut, key(1)).verdict, Verdict::damaged) << length;
  }
  auto longer = file;
  longer.push_back(std::byte{0});
  EXPECT_EQ(decode_entry(GetParam(), longer, key(1)).verdict, Verdict::damaged);
}

TEST_P(EntryTest, EveryFlippedBitIsNoHit) {
  const auto file = file_of(GetParam(), key(1), "a payload of some length");
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    auto flipped = file;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    EXPECT_NE(decode_entry(GetParam(), flipped, key(1)).verdict, Verdict::good) << bit;
  }
}

TEST(LarderEntry, AnotherFingerprintIsDamaged) {
  const auto file = file_of(FileLayout::larder, key(1), "one");
  EXPECT_EQ(decode_entry(FileLayout::larder, file, key(2)).verdict, Verdict::damaged);
}

TEST(LarderEntry, KeepsTheRecipeOffTheHitPath) {
  auto file = file_of(FileLayout::larder, key(1), "one", "the recipe");
  auto entry = decode_entry(FileLayout::larder, file, key(1));
  ASSERT_EQ(entry.verdict, Verdict::good);
  EXPECT_EQ(entry.recipe, "the recipe");
  EXPECT_TRUE(recipe_is_good(file, entry));
  file.back() ^= std::byte{1};
  entry = decode_entry(FileLayout::larder, file, key(1));
  EXPECT_EQ(entry.verdict, Verdict::good) << "the payload is what was put";
  EXPECT_FALSE(recipe_is_good(file, entry));
}

TEST(LarderEntry, AForeignKeyIsToldFromDamage) {
  auto file = file_of(FileLayout::larder, key(1), "one");
  file[16] = std::byte{7};  // key id
  EXPECT_EQ(decode_entry(FileLayout::larder, file, key(1)).verdict, Verdict::other_key);
}

TEST(VyreEntry, IsPayloadAndItsDigest) {
  const auto file = file_of(FileLayout::vyre, key(1), "payload", "recipes are not kept here");
  const Digest digest = blake3("payload");
  ASSERT_EQ(file.size(), 7u + 32u);
  EXPECT_TRUE(equal_constant_time(std::span(file).last<32>(), digest));
  EXPECT_EQ(largest_file(FileLayout::vyre, max_payload_bytes_vyre), (64u << 20) + 32u);
}

}  // namespace
}  // namespace larder::format
