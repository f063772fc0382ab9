// Locks on ranges of a file, each belonging to an open file.
#ifndef LARDER_TESTING_MEMORY_LOCKS_H_
#define LARDER_TESTING_MEMORY_LOCKS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "larder/file_system.h"

namespace larder::testing::memory {

class RangeLocks {
 public:
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    // Length 0: to the end, whatever that is.
    static Range of(std::uint64_t offset, std::uint64_t length) noexcept {
      constexpr auto last = std::numeric_limits<std::uint64_t>::max();
      return {.begin = offset, .end = length == 0 ? last : offset + length};
    }
    bool meets(const Range& other) const noexcept { return begin < other.end && other.begin < end; }
  };

  // In place of what the owner has there. False when somebody else's stands against it.
  bool try_lock(const void* owner, LockMode mode, const Range& range) {
    const bool is_taken = std::ranges::any_of(held_, [&](const Held& held) {
      const bool both_read = mode == LockMode::shared && held.mode == LockMode::shared;
      return held.owner != owner && !both_read && held.range.meets(range);
    });
    if (is_taken) return false;
    unlock(owner, range);
    held_.push_back({.owner = owner, .mode = mode, .range = range});
    return true;
  }

  void unlock(const void* owner, const Range& range) {
    std::vector<Held> left;
    for (const Held& held : held_) {
      if (held.owner != owner || !held.range.meets(range)) {
        left.push_back(held);
        continue;
      }
      const Range before{.begin = held.range.begin, .end = range.begin};
      const Range behind{.begin = range.end, .end = held.range.end};
      for (const Range& part : {before, behind}) {
        if (part.begin < part.end) left.push_back({held.owner, held.mode, part});
      }
    }
    held_ = std::move(left);
  }

  void unlock_all(const void* owner) {
    std::erase_if(held_, [owner](const Held& held) { return held.owner == owner; });
  }

  bool is_locked_by_another(const void* owner, const Range& range) const {
    return std::ranges::any_of(
        held_, [&](const Held& held) { return held.owner != owner && held.range.meets(range); });
  }

 private:
  struct Held {
    const void* owner = nullptr;
    LockMode mode = LockMode::shared;
    Range range;
  };
  std::vector<Held> held_;
};

}  // namespace larder::testing::memory

#endif  // LARDER_TESTING_MEMORY_LOCKS_H_
