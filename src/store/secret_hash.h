// A hash of fingerprints that nobody outside the process can predict.
//
// Callers choose fingerprints, and some take them from untrusted input: with a hash that is known,
// such input could put every entry into one bucket. This is the multilinear family, sum(s[i] *
// w[i]) with random s: two different fingerprints collide with a chance of 2^-32, whatever they
// are.
#ifndef LARDER_STORE_SECRET_HASH_H_
#define LARDER_STORE_SECRET_HASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "larder/fingerprint.h"

namespace larder {

class SecretHash {
 public:
  // With a fresh secret. Copies share it: a table and its shards agree.
  static SecretHash make() noexcept;

  std::size_t operator()(const Fingerprint& fingerprint) const noexcept {
    std::array<std::uint32_t, word_count> words;
    std::memcpy(words.data(), fingerprint.bytes.data(), sizeof words);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < word_count; ++i) sum += secret_[i] * words[i];
    return static_cast<std::size_t>(sum >> 32);  // the low half is the weak one
  }

 private:
  static constexpr std::size_t word_count = Fingerprint::size_bytes / sizeof(std::uint32_t);

  SecretHash() = default;

  std::array<std::uint64_t, word_count> secret_{};
};

}  // namespace larder

#endif  // LARDER_STORE_SECRET_HASH_H_
