// A bar on a terminal, a line now and then elsewhere. On standard error: the result has the other
// one.
#ifndef LARDER_EXAMPLES_DARKTABLE_PROGRESS_H_
#define LARDER_EXAMPLES_DARKTABLE_PROGRESS_H_

#include <cstddef>
#include <string_view>

namespace darktable_job {

class Progress {
 public:
  explicit Progress(std::size_t total);
  void step(std::size_t done, std::string_view what);

 private:
  std::size_t total_;
  std::size_t announced_ = 0;  // tenths of the whole that lines have told of
  bool terminal_;
};

}  // namespace darktable_job

#endif  // LARDER_EXAMPLES_DARKTABLE_PROGRESS_H_
