#include "trials.h"

#include <array>
#include <memory>
#include <type_traits>

namespace darktable_job {
namespace {

struct ReleaseImage {
  void operator()(cl_mem image) const noexcept { clReleaseMemObject(image); }
};
struct ReleaseKernel {
  void operator()(cl_kernel kernel) const noexcept { clReleaseKernel(kernel); }
};
using Image = std::unique_ptr<std::remove_pointer_t<cl_mem>, ReleaseImage>;
using Kernel = std::unique_ptr<std::remove_pointer_t<cl_kernel>, ReleaseKernel>;

Image make_image(const Device& device, cl_mem_flags flags, const Picture& picture,
                 const float* pixels, cl_int& status) {
  const cl_image_format format = {.image_channel_order = CL_RGBA,
                                  .image_channel_data_type = CL_FLOAT};
  cl_image_desc description{};
  description.image_type = CL_MEM_OBJECT_IMAGE2D;
  description.image_width = picture.width;
  description.image_height = picture.height;
  return Image(clCreateImage(device.context(), flags, &format, &description,
                             const_cast<float*>(pixels), &status));  // only read: COPY_HOST_PTR
}

cl_int set_arguments(cl_kernel kernel, cl_mem in, cl_mem out, const Trial& trial,
                     const Picture& picture) {
  const auto width = static_cast<cl_int>(picture.width);
  const auto height = static_cast<cl_int>(picture.height);
  cl_uint index = 0;
  cl_int status = clSetKernelArg(kernel, index++, sizeof in, static_cast<const void*>(&in));
  status |= clSetKernelArg(kernel, index++, sizeof out, static_cast<const void*>(&out));
  status |= clSetKernelArg(kernel, index++, sizeof width, &width);
  status |= clSetKernelArg(kernel, index++, sizeof height, &height);
  for (const float parameter : trial.parameters) {
    status |= clSetKernelArg(kernel, index++, sizeof parameter, &parameter);
  }
  return status;
}

}  // namespace

std::span<const Trial> trials() {
  static const std::array<Trial, 5> all = {
      Trial{"basic.cl", "exposure", {0.01F, 1.7F}},
      Trial{"basic.cl", "box_blur_5x5", {}},
      Trial{"basic.cl", "colorcorrection", {1.2F, 0.1F, 0.02F, 0.3F, -0.1F}},
      Trial{"highpass.cl", "highpass_invert", {}},
      Trial{"soften.cl", "soften_overexposed", {0.8F, 1.3F}},
  };
  return all;
}

larder::Result<std::vector<float>> run_trial(const Device& device, cl_program program,
                                             const Trial& trial, const Picture& picture) {
  cl_int status = CL_SUCCESS;
  const Kernel kernel(clCreateKernel(program, std::string(trial.kernel).c_str(), &status));
  if (status != CL_SUCCESS) return opencl_failed("clCreateKernel", status);
  const Image in = make_image(device, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, picture,
                              picture.pixels.data(), status);
  if (status != CL_SUCCESS) return opencl_failed("clCreateImage", status);
  const Image out = make_image(device, CL_MEM_WRITE_ONLY, picture, nullptr, status);
  if (status != CL_SUCCESS) return opencl_failed("clCreateImage", status);
  status = set_arguments(kernel.get(), in.get(), out.get(), trial, picture);
  if (status != CL_SUCCESS) return opencl_failed("clSetKernelArg", status);

  const std::array<std::size_t, 2> size = {picture.width, picture.height};
  status = clEnqueueNDRangeKernel(device.queue(), kernel.get(), 2, nullptr, size.data(), nullptr, 0,
                                  nullptr, nullptr);
  if (status != CL_SUCCESS) return opencl_failed("clEnqueueNDRangeKernel", status);
  std::vector<float> pixels(picture.pixels.size());
  const std::array<std::size_t, 3> origin = {0, 0, 0};
  const std::array<std::size_t, 3> region = {picture.width, picture.height, 1};
  status = clEnqueueReadImage(device.queue(), out.get(), CL_TRUE, origin.data(), region.data(), 0,
                              0, pixels.data(), 0, nullptr, nullptr);
  if (status != CL_SUCCESS) return opencl_failed("clEnqueueReadImage", status);
  return pixels;
}

}  // namespace darktable_job
