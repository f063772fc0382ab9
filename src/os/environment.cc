#include "os/environment.h"

#include <cstdlib>

namespace larder {

std::optional<std::string> environment_variable(const char* name) {
#if defined(__GLIBC__)
  const char* value = ::secure_getenv(name);
#else
  const char* value =
      std::getenv(name);  // the caller still asks FileSystem::user() about elevation
#endif
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

}  // namespace larder
