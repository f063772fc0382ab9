// What was compressed comes back; what was damaged, cut, or never made by us does not, and is not
// believed about its size.
#include "format/codec.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <atomic>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace larder::format {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

// Like code: words of few kinds, now and then a new one.
Bytes code_like(std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string text;
  while (text.size() < size) {
    text += random() % 8 == 0 ? std::to_string(random()) : "mov r" + std::to_string(random() % 16);
  }
  text.resize(size);
  return bytes_of(text);
}

Bytes noise(std::size_t size) {
  std::mt19937 random(1);
  Bytes bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

// A frame by zstd's own front door, as somebody else could have made it.
Bytes foreign_frame(const Bytes& payload) {
  Bytes frame(ZSTD_compressBound(payload.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), payload.data(), payload.size(), 1));
  return frame;
}

class Codec : public ::testing::Test {
 protected:
  // Unpacks into memory of exactly that size, so that AddressSanitizer sees the first byte beyond.
  bool unpacks(std::span<const std::byte> frame, std::size_t raw_bytes) {
    const Bytes exact(frame.begin(), frame.end());
    raw.assign(raw_bytes, std::byte{0xee});
    return zstd.decompress(exact, raw);
  }

  Zstd zstd;
  Bytes raw;
};

TEST_F(Codec, WhatWasCompressedComesBack) {
  for (const std::size_t size : {400u, 1000u, 4096u, 70'000u, 1'000'000u, 9'000'000u}) {
    const Bytes payload = code_like(size);
    for (const int level : {1, 3, 19}) {
      if (level == 19 && size > 100'000) continue;  // seconds
      const auto frame = zstd.compress(payload, level);
      ASSERT_TRUE(frame) << size;
      EXPECT_LE(frame->size(), size - size / 8);
      EXPECT_TRUE(unpacks(*frame, size));
      EXPECT_EQ(raw, payload);
    }
  }
}

TEST_F(Codec, WhatDoesNotSaveAnEighthStaysAsItIs) {
  for (const std::size_t size : {0u, 1u, 2u, 7u, 8u, 9u, 100u, 5000u, 300'000u}) {
    EXPECT_FALSE(zstd.compress(noise(size))) << size;
  }
  // A tenth is worth something to zstd, but not to us.
  Bytes payload = noise(90'000);
  payload.resize(100'000);
  EXPECT_LT(foreign_frame(payload).size(), 95'000u);
  EXPECT_FALSE(zstd.compress(payload));
  payload.resize(120'000);
  EXPECT_TRUE(zstd.compress(payload));
}

TEST_F(Codec, AnotherLengthThanTheRecordSaysIsRefused) {
  const Bytes payload = code_like(5000);
  const auto frame = zstd.compress(payload);
  ASSERT_TRUE(frame);
  for (const std::size_t wrong : {0u, 1u, 4999u, 5001u, 100'000u}) {
    EXPECT_FALSE(unpacks(*frame, wrong)) << wrong;
  }
  EXPECT_TRUE(unpacks(*frame, 5000));
}

TEST_F(Codec, EveryCutIsRefused) {
  const auto frame = zstd.compress(code_like(3000));
  ASSERT_TRUE(frame);
  for (std::size_t size = 0; size < frame->size(); ++size) {
    EXPECT_FALSE(unpacks(std::span(*frame).first(size), 3000)) << size;
  }
}

TEST_F(Codec, NothingMayStandBehindTheFrame) {
  const Bytes payload = code_like(3000);
  const auto frame = zstd.compress(payload);
  ASSERT_TRUE(frame);
  Bytes longer = *frame;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(unpacks(longer, 3000));
  // A second frame, with and without content: zstd itself would read both.
  for (const Bytes& second : {foreign_frame({}), foreign_frame(payload)}) {
    longer = *frame;
    longer.insert(longer.end(), second.begin(), second.end());
    EXPECT_FALSE(unpacks(longer, 3000));
    EXPECT_FALSE(unpacks(longer, 6000));
  }
}

TEST_F(Codec, FlippedBitsNeverReachBeyondTheBuffer) {
  const Bytes payload = code_like(2000);
  const auto frame = zstd.compress(payload);
  ASSERT_TRUE(frame);
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < frame->size() * 8; ++bit) {
    Bytes damaged = *frame;
    damaged[bit / 8] ^= std::byte{1} << static_cast<int>(bit % 8);
    refused += unpacks(damaged, 2000) ? 0 : 1;
  }
  EXPECT_GT(refused, 100u);  // the rest is for the digest to find
  EXPECT_TRUE(unpacks(*frame, 2000)) << "a failure spoiled the context";
  EXPECT_EQ(raw, payload);
}

TEST_F(Codec, ABombIsRefused) {
  const Bytes zeros(50'000'000);
  const Bytes honest = foreign_frame(zeros);
  ASSERT_LT(honest.size(), 10'000u);
  EXPECT_FALSE(unpacks(honest, 4096));
  // One that says 4096 in its header (magic, descriptor, size - 256 in two bytes) before the blocks
  // of the honest one, whose header has magic, descriptor, window and four bytes of size.
  constexpr std::ptrdiff_t header = 4 + 1 + 1 + 4;
  Bytes liar = bytes_of("\x28\xb5\x2f\xfd\x60");
  liar.push_back(std::byte{0x00});
  liar.push_back(std::byte{0x0f});
  liar.insert(liar.end(), honest.begin() + header, honest.end());
  ASSERT_EQ(ZSTD_getFrameContentSize(liar.data(), liar.size()), 4096u);
  ASSERT_EQ(ZSTD_findFrameCompressedSize(liar.data(), liar.size()), liar.size());
  EXPECT_FALSE(unpacks(liar, 4096));
}

TEST_F(Codec, FramesOfOtherKindsAreRefused) {
  EXPECT_FALSE(unpacks(bytes_of("not a frame at all"), 18));
  EXPECT_FALSE(unpacks(foreign_frame({}), 1));
  // Skippable: no content.
  Bytes skippable = bytes_of("\x50\x2a\x4d\x18\x04");
  skippable.resize(12);
  ASSERT_EQ(ZSTD_findFrameCompressedSize(skippable.data(), skippable.size()), 12u);
  EXPECT_FALSE(unpacks(skippable, 0));
  // Without its content's size.
  const Bytes payload = code_like(2000);
  Bytes frame(4000);
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), payload.data(), payload.size()));
  ZSTD_freeCCtx(context);
  EXPECT_FALSE(unpacks(frame, 2000));
}

TEST_F(Codec, ThreadsShareTheContexts) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    threads.emplace_back([this, i, &good] {
      const Bytes payload = code_like(3000 + i);
      Bytes unpacked(payload.size());
      for (int round = 0; round < 200; ++round) {
        const auto frame = zstd.compress(payload);
        if (frame && zstd.decompress(*frame, unpacked) && unpacked == payload) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8 * 200);
}

// Of more threads at a time than contexts are kept, each has one of its own.
TEST_F(Codec, ThreadsOfLongCallsHaveContextsOfTheirOwn) {
  const Bytes payload = code_like(1'000'000);
  const auto expected = zstd.compress(payload);
  ASSERT_TRUE(expected);
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      Bytes unpacked(payload.size());
      const auto frame = zstd.compress(payload);
      if (frame == expected && zstd.decompress(*frame, unpacked) && unpacked == payload) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 12);
}

}  // namespace
}  // namespace larder::format
