// An object that a process shares with its children.
#ifndef LARDER_TESTS_ENDURANCE_SHARED_MEMORY_H_
#define LARDER_TESTS_ENDURANCE_SHARED_MEMORY_H_

#include <sys/mman.h>

#include <new>
#include <type_traits>

namespace larder {

// Of trivial destruction: nobody is the last to leave.
template <class Object>
class SharedMemory {
 public:
  static_assert(std::is_trivially_destructible_v<Object>);

  SharedMemory() {
    void* const memory =
        ::mmap(nullptr, sizeof(Object), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    object_ = new (memory) Object;
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { ::munmap(object_, sizeof(Object)); }

  Object& operator*() const noexcept { return *object_; }
  Object* operator->() const noexcept { return object_; }

 private:
  Object* object_ = nullptr;
};

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_SHARED_MEMORY_H_
