#include "tests/unit/failing_allocator.h"

#include <execinfo.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LARDER_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LARDER_SANITIZED
#endif
#endif

#ifndef LARDER_SANITIZED
// NOLINTBEGIN(bugprone-reserved-identifier): what glibc calls its own allocator.
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* __libc_calloc(std::size_t count, std::size_t size);
// NOLINTEND(bugprone-reserved-identifier)
#endif

namespace larder {

thread_local int before_failure = never;
thread_local bool fails_for_ever = false;
thread_local bool has_failed = false;

namespace {

thread_local AllocationSites* sites = nullptr;
std::atomic<std::int64_t> live = 0;

bool is_due() noexcept {
  if (before_failure == never) return false;
  if (sites != nullptr) sites->note();
  if (before_failure > 0) {
    --before_failure;
    return false;
  }
  has_failed = true;
  if (!fails_for_ever) before_failure = never;
  return true;
}

void* system_memory(std::size_t size, std::size_t alignment) noexcept {
  if (size == 0) size = 1;
  if (alignment > alignof(std::max_align_t)) {
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  }
#ifdef LARDER_SANITIZED
  return std::malloc(size);
#else
  return __libc_malloc(size);
#endif
}

void* allocate(std::size_t size, std::size_t alignment = 1) {
  void* const memory = is_due() ? nullptr : system_memory(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  live.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void release(void* memory) noexcept {
  if (memory != nullptr) live.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

std::int64_t live_allocations() noexcept { return live.load(std::memory_order_relaxed); }

AllocationSites::AllocationSites(std::span<std::uint64_t> room) noexcept : room_(room) {
  // The first call loads a library, which allocates.
  std::array<void*, 1> calls;
  ::backtrace(calls.data(), 1);
  sites = this;
}

AllocationSites::~AllocationSites() { sites = nullptr; }

void AllocationSites::note() noexcept {
  if (count_ == room_.size()) return;
  std::array<void*, 64> calls;
  const int depth = ::backtrace(calls.data(), static_cast<int>(calls.size()));
  std::uint64_t site = 0xcbf29ce484222325;
  for (int i = 0; i < depth; ++i) {
    site = (site ^ reinterpret_cast<std::uintptr_t>(calls[static_cast<std::size_t>(i)])) *
           0x100000001b3;
  }
  room_[count_++] = site;
}

}  // namespace larder

#ifndef LARDER_SANITIZED
extern "C" void* malloc(std::size_t size) {
  if (larder::is_due()) {
    errno = ENOMEM;
    return nullptr;
  }
  return __libc_malloc(size);
}

extern "C" void* calloc(std::size_t count, std::size_t size) {
  if (larder::is_due()) {
    errno = ENOMEM;
    return nullptr;
  }
  return __libc_calloc(count, size);
}
#endif

void* operator new(std::size_t size) { return larder::allocate(size); }
void* operator new[](std::size_t size) { return larder::allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return larder::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return larder::allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { larder::release(memory); }
void operator delete[](void* memory) noexcept { larder::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { larder::release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { larder::release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { larder::release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { larder::release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  larder::release(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
  larder::release(memory);
}
