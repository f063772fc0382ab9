// The artifact of a program: what goes in comes out, and nothing else is taken for one.
#include "adapters/opencl/binaries.h"

#include <gtest/gtest.h>

#include <string_view>

namespace larder::opencl {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(OpenclBinaries, ComeBackInOrder) {
  const std::vector<std::string> binaries = {"first", "", std::string("\0x\0", 3)};
  const std::string artifact = encode_binaries(binaries);
  const auto decoded = decode_binaries(bytes_of(artifact), 3);
  ASSERT_TRUE(decoded);
  for (std::size_t i = 0; i < binaries.size(); ++i) EXPECT_EQ(text_of((*decoded)[i]), binaries[i]);
}

TEST(OpenclBinaries, AnotherNumberOfDevicesIsRefused) {
  const std::string artifact = encode_binaries(std::vector<std::string>{"one", "two"});
  EXPECT_TRUE(decode_binaries(bytes_of(artifact), 2));
  EXPECT_FALSE(decode_binaries(bytes_of(artifact), 1));
  EXPECT_FALSE(decode_binaries(bytes_of(artifact), 3));
}

TEST(OpenclBinaries, EveryTruncationAndExtensionIsRefused) {
  const std::string artifact = encode_binaries(std::vector<std::string>{"one", "two"});
  for (std::size_t length = 0; length < artifact.size(); ++length) {
    EXPECT_FALSE(decode_binaries(bytes_of(artifact).first(length), 2)) << length;
  }
  EXPECT_FALSE(decode_binaries(bytes_of(artifact + "x"), 2));
}

TEST(OpenclBinaries, ALengthBeyondTheEndIsRefused) {
  std::string artifact = encode_binaries(std::vector<std::string>{"one"});
  const std::size_t length_at = artifact.size() - 3 - 8;
  for (std::size_t i = 0; i < 8; ++i) artifact[length_at + i] = '\xff';
  EXPECT_FALSE(decode_binaries(bytes_of(artifact), 1));
}

}  // namespace
}  // namespace larder::opencl
