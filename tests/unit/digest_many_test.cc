// Whatever the number of messages, their lengths and the instructions: the same digests as those of
// a hasher for each message.
#include "base/digest_many.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/hex.h"

namespace larder {
namespace {

using Bytes = std::span<const std::byte>;

std::vector<std::byte> random_bytes(std::size_t length) {
  std::mt19937_64 random(20261122);
  std::vector<std::byte> bytes(length);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

// Every level that this machine has, the best one last.
std::vector<LaneLevel> levels() {
  std::vector<LaneLevel> found;
  for (const LaneLevel level : {LaneLevel::any, LaneLevel::avx2, LaneLevel::avx512}) {
    if (level <= best_lane_level()) found.push_back(level);
  }
  return found;
}

Digest reference(Bytes bytes) { return Hasher().update(bytes).finish(); }

// Cuts messages of these lengths out of one buffer, at places of any alignment.
struct Messages {
  Messages(const std::vector<std::byte>& bytes, const std::vector<std::size_t>& lengths) {
    std::size_t at = 0;
    for (const std::size_t length : lengths) {
      at = (at + 61) % (bytes.size() - length + 1);
      all.push_back(Bytes(bytes).subspan(at, length));
      at += length;
    }
  }

  void expect_equal_digests(LaneLevel level) const {
    std::vector<Digest> digests(all.size());
    blake3_many(all, digests, level);
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(to_hex(digests[i]), to_hex(reference(all[i])))
          << "level " << static_cast<int>(level) << ", message " << i << " of " << all.size()
          << ", " << all[i].size() << " bytes";
    }
  }

  std::vector<Bytes> all;
};

class DigestMany : public ::testing::TestWithParam<LaneLevel> {};

TEST_P(DigestMany, EveryLengthInBatchesOfEverySize) {
  const auto bytes = random_bytes(100'000);
  std::mt19937 random(1);
  std::size_t batch = 1;
  for (std::size_t length = 0; length <= 5000;) {
    std::vector<std::size_t> lengths;
    for (std::size_t i = 0; i < batch; ++i) lengths.push_back(length++);
    std::ranges::shuffle(lengths, random);
    ASSERT_NO_FATAL_FAILURE(Messages(bytes, lengths).expect_equal_digests(GetParam()));
    batch = batch % 17 + 1;
  }
}

TEST_P(DigestMany, EqualLengths) {
  const auto bytes = random_bytes(200'000);
  for (const std::size_t length :
       {0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 3072, 4096, 15360, 16384, 17408, 65535, 65536}) {
    for (std::size_t count = 0; count <= 33; ++count) {
      const std::vector<std::size_t> lengths(count, length);
      ASSERT_NO_FATAL_FAILURE(Messages(bytes, lengths).expect_equal_digests(GetParam()));
    }
  }
}

TEST_P(DigestMany, RandomLengthsAndMoreThanOneBatch) {
  const auto bytes = random_bytes(300'000);
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const std::size_t limit = std::size_t{1} << (random() % 17 + 1);
    std::vector<std::size_t> lengths(random() % 70);
    for (std::size_t& length : lengths) length = random() % std::min<std::size_t>(limit, 70'001);
    ASSERT_NO_FATAL_FAILURE(Messages(bytes, lengths).expect_equal_digests(GetParam()));
  }
}

TEST_P(DigestMany, OneMessageOfEveryNumberOfChunks) {
  const auto bytes = random_bytes(70'000);
  for (std::size_t chunks = 0; chunks <= 66; ++chunks) {
    for (const std::size_t more : {0, 1, 500}) {
      Messages(bytes, {chunks * chunk_bytes + more}).expect_equal_digests(GetParam());
    }
  }
}

TEST_P(DigestMany, MatchesTheGoldenVectors) {
  std::ifstream file(LARDER_SOURCE_DIR "/tests/golden/blake3_vectors.json");
  const auto golden = nlohmann::json::parse(file);
  std::size_t longest = 0;
  for (const auto& vector : golden.at("cases")) {
    longest = std::max<std::size_t>(longest, vector.at("length"));
  }
  std::vector<std::byte> counting(longest);
  for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::byte>(i % 251);
  std::vector<Bytes> messages;
  std::vector<std::string> expected;
  for (const auto& vector : golden.at("cases")) {
    messages.push_back(Bytes(counting).first(vector.at("length")));
    expected.push_back(vector.at("hash"));
  }
  ASSERT_GT(messages.size(), 10u);
  std::vector<Digest> digests(messages.size());
  blake3_many(messages, digests, GetParam());
  for (std::size_t i = 0; i < digests.size(); ++i) EXPECT_EQ(to_hex(digests[i]), expected[i]);
}

TEST_P(DigestMany, KeyedShortMessagesEachWithItsKey) {
  const auto bytes = random_bytes(5000);
  std::vector<Digest> keys;
  for (std::size_t i = 0; i < 20; ++i) keys.push_back(reference(Bytes(bytes).first(i)));
  std::mt19937 random(3);
  for (std::size_t length = 0; length <= chunk_bytes; ++length) {
    std::vector<KeyedMessage> messages;
    const std::size_t count = length % 18;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t mine = i % 3 == 0 ? length : random() % (chunk_bytes + 1);
      messages.push_back({.key = &keys[(length + i) % keys.size()],
                          .bytes = Bytes(bytes).subspan(random() % 3000, mine)});
    }
    std::vector<Digest> digests(count);
    blake3_keyed_short_many(messages, digests, GetParam());
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(digests[i], Hasher::keyed(*messages[i].key).update(messages[i].bytes).finish())
          << length << " " << i;
    }
  }
}

std::string name_of(const ::testing::TestParamInfo<LaneLevel>& level) {
  if (level.param == LaneLevel::avx512) return "avx512";
  return level.param == LaneLevel::avx2 ? "avx2" : "any";
}

INSTANTIATE_TEST_SUITE_P(Levels, DigestMany, ::testing::ValuesIn(levels()), name_of);

}  // namespace
}  // namespace larder
