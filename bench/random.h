// Numbers that look random, the same in every run with the same seed.
#ifndef LARDER_BENCH_RANDOM_H_
#define LARDER_BENCH_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>

#include "larder/fingerprint.h"

namespace larder::bench {

// SplitMix64: one addition and one mixing step a number.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
  }

  // In [0, end); for ends far below 2^53.
  std::uint64_t below(std::uint64_t end) {
    return static_cast<std::uint64_t>(unit() * static_cast<double>(end));
  }

  // In [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - unit()));
    return radius * std::cos(2 * std::numbers::pi * unit());
  }

 private:
  std::uint64_t state_;
};

// The key of entry `index` of the key space `space`. Made anew at each use: a list of keys would
// warm the cache for whichever store comes second.
inline Fingerprint key_of(std::uint64_t space, std::uint64_t index) {
  Random random(space * 0xd1342543de82ef95u + index);
  Fingerprint key;
  for (std::size_t at = 0; at < key.bytes.size(); at += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(key.bytes.data() + at, &word, sizeof word);
  }
  return key;
}

// Ranks in [0, count), rank 0 the most frequent: Gray's rejection-free method for exponents
// below 1, as in YCSB.
class Zipf {
 public:
  Zipf(std::uint64_t count, double exponent) : count_(count), exponent_(exponent) {
    for (std::uint64_t rank = 1; rank <= count; ++rank) {
      zeta_ += std::pow(static_cast<double>(rank), -exponent);
    }
    const double zeta_two = 1 + std::pow(2.0, -exponent);
    alpha_ = 1 / (1 - exponent);
    eta_ = (1 - std::pow(2.0 / static_cast<double>(count), 1 - exponent)) / (1 - zeta_two / zeta_);
  }

  std::uint64_t next(Random& random) const {
    const double unit = random.unit();
    const double scaled = unit * zeta_;
    if (scaled < 1) return 0;
    if (scaled < 1 + std::pow(0.5, exponent_)) return 1;
    const double rank = static_cast<double>(count_) * std::pow(eta_ * unit - eta_ + 1, alpha_);
    return rank < static_cast<double>(count_) ? static_cast<std::uint64_t>(rank) : count_ - 1;
  }

 private:
  std::uint64_t count_;
  double exponent_;
  double zeta_ = 0;
  double alpha_ = 0;
  double eta_ = 0;
};

}  // namespace larder::bench

#endif  // LARDER_BENCH_RANDOM_H_
