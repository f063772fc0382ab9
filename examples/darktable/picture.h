// A picture as the kernels take it: four floats a pixel, 0 to 1.
#ifndef LARDER_EXAMPLES_DARKTABLE_PICTURE_H_
#define LARDER_EXAMPLES_DARKTABLE_PICTURE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "larder/error.h"

namespace darktable_job {

struct Picture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<float> pixels;
};

// io_error when the file is not a PNG that can be read.
larder::Result<Picture> read_png(const std::string& path);

}  // namespace darktable_job

#endif  // LARDER_EXAMPLES_DARKTABLE_PICTURE_H_
