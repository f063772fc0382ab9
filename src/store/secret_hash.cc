#include "store/secret_hash.h"

#include <chrono>
#include <cstring>
#include <random>
#include <span>

#include "base/digest.h"

namespace larder {
namespace {

// Where the system has no randomness to give, the clock and the randomised address space must do:
// the secret guards speed, never the bytes.
std::array<std::uint32_t, 8> random_words() noexcept {
  std::array<std::uint32_t, 8> words{};
  try {
    std::random_device device;
    for (std::uint32_t& word : words) word = device();
  } catch (...) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    const auto place = reinterpret_cast<std::uintptr_t>(&words);
    std::memcpy(words.data(), &now, sizeof now);
    std::memcpy(words.data() + 2, &place, sizeof place);
  }
  return words;
}

}  // namespace

SecretHash SecretHash::make() noexcept {
  SecretHash hash;
  const std::array<std::uint32_t, 8> seed = random_words();
  for (std::size_t i = 0; i < word_count; i += 4) {
    const std::array<std::byte, 1> half{static_cast<std::byte>(i)};
    const Digest digest = Hasher().update(std::as_bytes(std::span(seed))).update(half).finish();
    std::memcpy(hash.secret_.data() + i, digest.data(), digest.size());
  }
  return hash;
}

}  // namespace larder
