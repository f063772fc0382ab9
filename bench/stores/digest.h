// BLAKE3 of a payload, as every store here that needs one computes it.
#ifndef LARDER_BENCH_STORES_DIGEST_H_
#define LARDER_BENCH_STORES_DIGEST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

extern "C" {  // the header of version 1.3.1 does not say so itself
#include <blake3.h>
}

namespace larder::bench {

using Digest = std::array<std::uint8_t, 32>;

inline Digest digest_of(std::span<const std::byte> bytes) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, bytes.data(), bytes.size());
  Digest digest;
  blake3_hasher_finalize(&hasher, digest.data(), digest.size());
  return digest;
}

// Whether the last 32 of `bytes` are the digest of those before them.
inline bool has_good_footer(std::span<const std::byte> bytes) {
  if (bytes.size() < Digest().size()) return false;
  const std::size_t size = bytes.size() - Digest().size();
  const Digest digest = digest_of(bytes.first(size));
  return std::memcmp(digest.data(), bytes.data() + size, digest.size()) == 0;
}

}  // namespace larder::bench

#endif  // LARDER_BENCH_STORES_DIGEST_H_
