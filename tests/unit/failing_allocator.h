// Memory that runs out on request. A test program that lists failing_allocator.cc has its allocator
// replaced: operator new in all its forms, and, where no sanitizer has it already, malloc and
// calloc, which zstd and the C library call.
#ifndef LARDER_TESTS_UNIT_FAILING_ALLOCATOR_H_
#define LARDER_TESTS_UNIT_FAILING_ALLOCATOR_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace larder {

inline constexpr int never = std::numeric_limits<int>::max();

// How many allocations of this thread succeed before one fails; after that one, all succeed, or
// none where it fails for ever.
extern thread_local int before_failure;
extern thread_local bool fails_for_ever;
extern thread_local bool has_failed;

// Blocks of operator new that nobody has given back, in all threads.
std::int64_t live_allocations() noexcept;

// While one of these lives, each allocation of this thread that could fail (before_failure is not
// `never`) leaves a number for the calls that led to it: those of a loop are equal.
class AllocationSites {
 public:
  explicit AllocationSites(std::span<std::uint64_t> room) noexcept;
  ~AllocationSites();
  AllocationSites(const AllocationSites&) = delete;
  AllocationSites& operator=(const AllocationSites&) = delete;

  // Those that found room; never more than `room`.
  std::size_t count() const noexcept { return count_; }

  void note() noexcept;

 private:
  std::span<std::uint64_t> room_;
  std::size_t count_ = 0;
};

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_FAILING_ALLOCATOR_H_
