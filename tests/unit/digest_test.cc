// BLAKE3 against vectors that another implementation made (tests/golden/blake3_vectors.json).
#include "base/digest.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/hex.h"

namespace larder {
namespace {

std::vector<std::byte> counting_bytes(std::size_t length) {
  std::vector<std::byte> bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i % 251);
  return bytes;
}

TEST(Digest, MatchesTheGoldenVectors) {
  std::ifstream file(LARDER_SOURCE_DIR "/tests/golden/blake3_vectors.json");
  const auto golden = nlohmann::json::parse(file);
  std::array<std::uint8_t, 32> key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  const Hasher derived = Hasher::derive(golden.at("context").get<std::string>());
  ASSERT_GT(golden.at("cases").size(), 10u);
  for (const auto& vector : golden.at("cases")) {
    const auto bytes = counting_bytes(vector.at("length"));
    SCOPED_TRACE(bytes.size());
    EXPECT_EQ(to_hex(blake3(bytes)), vector.at("hash").get<std::string>());
    EXPECT_EQ(to_hex(Hasher::keyed(key).update(bytes).finish()),
              vector.at("keyed_hash").get<std::string>());
    EXPECT_EQ(to_hex(Hasher(derived).update(bytes).finish()),
              vector.at("derive_key").get<std::string>());
  }
}

TEST(Digest, PiecesMakeTheSameDigestAsTheWhole) {
  const auto bytes = counting_bytes(5000);
  Hasher hasher;
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    hasher.update(std::span(bytes).subspan(at, std::min<std::size_t>(7, bytes.size() - at)));
  }
  EXPECT_EQ(hasher.finish(), blake3(bytes));
}

TEST(Digest, ShortMessagesHaveTheDigestsOfAHasher) {
  const auto bytes = counting_bytes(1100);
  const Digest key = blake3("key");
  for (std::size_t length = 0; length <= 1024; ++length) {
    const auto message = std::span(bytes).subspan(length % 65, length);
    ASSERT_EQ(blake3(message), Hasher().update(message).finish()) << length;
    ASSERT_EQ(blake3_keyed_short(key, message), Hasher::keyed(key).update(message).finish())
        << length;
  }
}

TEST(Digest, EveryNumberOfChunksHasTheDigestOfAHasher) {
  const auto bytes = counting_bytes(70'000);
  for (std::size_t length = 1025; length <= bytes.size(); length += 511) {
    for (const std::size_t size : {length, length / 1024 * 1024}) {
      const auto message = std::span(bytes).first(size);
      ASSERT_EQ(blake3(message), Hasher().update(message).finish()) << size;
    }
  }
}

TEST(Digest, ConstantTimeComparisonSeesEveryByte) {
  const Digest digest = blake3("x");
  for (std::size_t i = 0; i < digest.size(); ++i) {
    Digest other = digest;
    EXPECT_TRUE(
        equal_constant_time(std::as_bytes(std::span<const std::uint8_t, 32>(other)), digest));
    other[i] ^= 0x80;
    EXPECT_FALSE(
        equal_constant_time(std::as_bytes(std::span<const std::uint8_t, 32>(other)), digest));
  }
}

}  // namespace
}  // namespace larder
