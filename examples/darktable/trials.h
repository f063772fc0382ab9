// A few of darktable's kernels, run on a picture, so that two ways of building them can be
// compared.
#ifndef LARDER_EXAMPLES_DARKTABLE_TRIALS_H_
#define LARDER_EXAMPLES_DARKTABLE_TRIALS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "device.h"
#include "picture.h"

namespace darktable_job {

// A kernel(in, out, width, height, parameters...) of a file.
struct Trial {
  std::string_view file;
  std::string_view kernel;
  std::vector<float> parameters;
};
std::span<const Trial> trials();

// The picture that the kernel makes.
larder::Result<std::vector<float>> run_trial(const Device& device, cl_program program,
                                             const Trial& trial, const Picture& picture);

}  // namespace darktable_job

#endif  // LARDER_EXAMPLES_DARKTABLE_TRIALS_H_
