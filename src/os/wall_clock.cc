#include "os/wall_clock.h"

#include <chrono>

namespace larder {

std::int64_t wall_clock_s() noexcept {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace larder
