// Eviction policies over entries of equal size: who is in, and who leaves.
#ifndef LARDER_BENCH_SIMULATE_POLICIES_H_
#define LARDER_BENCH_SIMULATE_POLICIES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace larder::bench {

using Key = std::uint32_t;  // in [0, keys)

class Policy {
 public:
  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  virtual ~Policy() = default;

  // True on a hit; after a miss the key is in.
  virtual bool look_up(Key key) = 0;
};

struct PolicyKind {
  std::string_view name;
  std::unique_ptr<Policy> (*make)(std::size_t keys, std::size_t capacity);
};

// fifo, lru, clock, sieve, and segments: what the pack store does.
const std::vector<PolicyKind>& policy_kinds();

}  // namespace larder::bench

#endif  // LARDER_BENCH_SIMULATE_POLICIES_H_
