#include "os/fork_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace larder::os {

ForkGuard::ForkGuard() noexcept : page_bytes_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
  void* page =
      ::mmap(nullptr, page_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED && ::madvise(page, page_bytes_, MADV_WIPEONFORK) != 0) {
    ::munmap(page, page_bytes_);
    page = MAP_FAILED;
  }
  if (page != MAP_FAILED) page_ = new (page) std::atomic<unsigned char>(0);
  adopt();
}

ForkGuard::~ForkGuard() {
  if (page_ != nullptr) ::munmap(page_, page_bytes_);
}

bool ForkGuard::forked() const noexcept {
  return page_ != nullptr ? page_->load(std::memory_order_relaxed) == 0 : ::getpid() != process_;
}

void ForkGuard::adopt() noexcept {
  if (page_ != nullptr) page_->store(1, std::memory_order_relaxed);
  process_ = ::getpid();
}

long current_process() noexcept { return ::getpid(); }

}  // namespace larder::os
