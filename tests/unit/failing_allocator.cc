#include "tests/unit/failing_allocator.h"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace larder {

thread_local int before_failure = never;
thread_local bool has_failed = false;

namespace {

void* allocate(std::size_t size) {
  if (before_failure != never && before_failure-- == 0) {
    before_failure = never;
    has_failed = true;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace
}  // namespace larder

void* operator new(std::size_t size) { return larder::allocate(size); }
void* operator new[](std::size_t size) { return larder::allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
