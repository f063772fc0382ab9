#include "os/keep_loaded.h"

#include <dlfcn.h>

namespace larder::os {

// The handle is never given back. Of the program itself nothing is found, nor unloaded.
void keep_loaded(const void* code) noexcept {
  Dl_info where{};
  if (::dladdr(code, &where) == 0 || where.dli_fname == nullptr) return;
  (void)::dlopen(where.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace larder::os
