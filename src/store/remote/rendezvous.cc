#include "store/remote/rendezvous.h"

#include <cmath>
#include <cstdint>

#include "base/digest.h"

namespace larder {
namespace {

// In (0, 1): the first 52 bits, most significant byte first, and a half.
double draw(const RemoteShard& shard, const Fingerprint& fingerprint) {
  Hasher hasher;
  hasher.update(shard.host).update(std::as_bytes(std::span(fingerprint.bytes)));
  const Digest digest = hasher.finish();
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < sizeof bits; ++i)
    bits = bits << 8 | static_cast<std::uint8_t>(digest[i]);
  return (static_cast<double>(bits >> 12) + 0.5) * 0x1.0p-52;
}

}  // namespace

// -1 / ln(draw) of weight w is over x with the probability that the largest of w draws is.
std::size_t shard_of(std::span<const RemoteShard> shards, const Fingerprint& fingerprint) {
  std::size_t best = 0;
  double highest = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const double score = -shards[i].weight / std::log(draw(shards[i], fingerprint));
    if (score <= highest) continue;
    highest = score;
    best = i;
  }
  return best;
}

}  // namespace larder
