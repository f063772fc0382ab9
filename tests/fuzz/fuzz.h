// What a fuzz target is, and what targets share. Each is one file that defines test_one; it is
// linked twice, with libFuzzer (tests/fuzz/run) and with a main() that replays the kept corpus.
//
// A decoder is asked for more than not to crash: what it accepts has to keep the bounds of
// docs/FORMAT.md and to encode to the bytes it came from. Where a tag or a check guards it, the
// target makes them anew over the fuzzer's bytes: nothing behind them would be reached otherwise.
#ifndef LARDER_TESTS_FUZZ_FUZZ_H_
#define LARDER_TESTS_FUZZ_FUZZ_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ranges>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_order.h"

namespace larder::fuzz {

// Every target has its own. Any bytes are a valid input.
void test_one(std::span<const std::byte> input);

// Ends the process when it is not so: libFuzzer then keeps the input.
inline void require(bool truth, std::source_location at = std::source_location::current()) {
  if (truth) return;
  std::fprintf(stderr, "%s:%u: does not hold\n", at.file_name(), static_cast<unsigned>(at.line()));
  std::abort();
}

// Of exactly that size, so that AddressSanitizer sees a read beyond the end.
using Bytes = std::vector<std::byte>;

inline Bytes copy_of(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::ranges::equal(a, b);
}

// Puts bytes into others; what does not fit is left out.
inline void overlay(std::span<std::byte> onto, std::size_t at, std::span<const std::byte> bytes) {
  if (at >= onto.size()) return;
  std::ranges::copy(bytes.first(std::min(bytes.size(), onto.size() - at)), onto.begin() + at);
}

// Turns one bit over. `bytes` is not empty.
inline void flip(std::span<std::byte> bytes, std::uint64_t bit) {
  bit %= 8 * bytes.size();
  bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
}

// The fuzzer's bytes as values, from the front; zeros behind the end.
class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T number() {
    std::byte bytes[sizeof(T)] = {};
    std::ranges::copy(take(sizeof(T)), bytes);
    return load_little<T>(bytes);
  }

  std::uint8_t byte() { return number<std::uint8_t>(); }

  template <class Array>
  Array array() {
    Array values = {};
    const auto taken = take(sizeof(Array));
    if (!taken.empty()) std::memcpy(values.data(), taken.data(), taken.size());
    return values;
  }

  std::span<const std::byte> take(std::size_t at_most) {
    const auto taken = rest_.first(std::min(at_most, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

  std::span<const std::byte> rest() { return take(rest_.size()); }
  bool at_end() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace larder::fuzz

#endif  // LARDER_TESTS_FUZZ_FUZZ_H_
