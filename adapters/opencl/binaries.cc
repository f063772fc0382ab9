#include "binaries.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace larder::opencl {
namespace {

constexpr std::string_view magic = "LARDEROCL1";

void append_number(std::string& to, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) to.push_back(static_cast<char>(value >> (8 * i)));
}

// Takes `length` bytes off the front of `rest`; false when there are fewer.
bool take(std::span<const std::byte>& rest, std::uint64_t length,
          std::span<const std::byte>& taken) {
  if (length > rest.size()) return false;
  taken = rest.first(length);
  rest = rest.subspan(length);
  return true;
}

bool take_number(std::span<const std::byte>& rest, std::size_t width, std::uint64_t& value) {
  std::span<const std::byte> bytes;
  if (!take(rest, width, bytes)) return false;
  value = 0;
  for (std::size_t i = 0; i < width; ++i)
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  return true;
}

bool take_magic(std::span<const std::byte>& rest) {
  std::span<const std::byte> bytes;
  return take(rest, magic.size(), bytes) &&
         std::ranges::equal(bytes, std::as_bytes(std::span(magic)));
}

}  // namespace

std::string encode_binaries(std::span<const std::string> binaries) {
  std::string artifact(magic);
  append_number(artifact, binaries.size(), 4);
  for (const std::string& binary : binaries) {
    append_number(artifact, binary.size(), 8);
    artifact += binary;
  }
  return artifact;
}

std::optional<std::vector<std::span<const std::byte>>> decode_binaries(
    std::span<const std::byte> artifact, std::size_t count) {
  std::uint64_t found = 0;
  if (!take_magic(artifact) || !take_number(artifact, 4, found) || found != count) return {};
  std::vector<std::span<const std::byte>> binaries(count);
  for (auto& binary : binaries) {
    std::uint64_t length = 0;
    if (!take_number(artifact, 8, length) || !take(artifact, length, binary)) return {};
  }
  if (!artifact.empty()) return {};
  return binaries;
}

}  // namespace larder::opencl
