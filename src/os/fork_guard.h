// Tells a process that it is a fork of the one that made the guard.
#ifndef LARDER_OS_FORK_GUARD_H_
#define LARDER_OS_FORK_GUARD_H_

#include <atomic>
#include <cstddef>

namespace larder::os {

// A page that the kernel hands to a child wiped (MADV_WIPEONFORK): pids repeat in nested namespaces
// and cannot tell. Where the kernel lacks it (before 4.14), the pid has to do.
class ForkGuard {
 public:
  ForkGuard() noexcept;
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();

  // True in a child forked since construction or since the last adopt(). One load.
  bool forked() const noexcept;

  // From now on this process counts as the maker.
  void adopt() noexcept;

 private:
  std::atomic<unsigned char>* page_ = nullptr;
  std::size_t page_bytes_;
  int process_ = 0;
};

// The number of this process; never a name for anything, since containers may have equal ones.
long current_process() noexcept;

}  // namespace larder::os

#endif  // LARDER_OS_FORK_GUARD_H_
