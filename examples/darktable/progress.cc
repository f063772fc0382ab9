#include "progress.h"

#include <unistd.h>

#include <cstdio>
#include <string>

namespace darktable_job {

Progress::Progress(std::size_t total) : total_(total), terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::step(std::size_t done, std::string_view what) {
  constexpr std::size_t width = 36;
  const std::string name(what);
  if (terminal_) {
    const std::size_t filled = width * done / total_;
    const std::string bar = std::string(filled, '#') + std::string(width - filled, '.');
    std::fprintf(stderr, "\r   [%s] %zu/%zu %-24.24s%s", bar.c_str(), done, total_, name.c_str(),
                 done == total_ ? "\n" : "");
    return;
  }
  const std::size_t tenths = 10 * done / total_;
  if (tenths == announced_) return;
  announced_ = tenths;
  std::fprintf(stderr, "   %zu of %zu files, last %s\n", done, total_, name.c_str());
}

}  // namespace darktable_job
