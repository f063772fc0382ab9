#include "device.h"

#include <vector>

namespace darktable_job {
namespace {

cl_device_id first_device() {
  cl_uint count = 0;
  clGetPlatformIDs(0, nullptr, &count);
  std::vector<cl_platform_id> platforms(count);
  clGetPlatformIDs(count, platforms.data(), nullptr);
  for (cl_platform_id platform : platforms) {
    cl_device_id device = nullptr;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr) == CL_SUCCESS) {
      return device;
    }
  }
  return nullptr;
}

}  // namespace

larder::Result<Device> Device::first() {
  Device device(first_device());
  if (device.id_ == nullptr) {
    return std::unexpected(larder::Error{.code = larder::Errc::unsupported,
                                         .message = "no OpenCL device; install pocl-opencl-icd"});
  }
  cl_int status = CL_SUCCESS;
  device.context_ = clCreateContext(nullptr, 1, &device.id_, nullptr, nullptr, &status);
  if (status != CL_SUCCESS) return opencl_failed("clCreateContext", status);
  device.queue_ = clCreateCommandQueue(device.context_, device.id_, 0, &status);
  if (status != CL_SUCCESS) return opencl_failed("clCreateCommandQueue", status);
  return device;
}

Device::~Device() {
  if (queue_ != nullptr) clReleaseCommandQueue(queue_);
  if (context_ != nullptr) clReleaseContext(context_);
}

std::string Device::name() const {
  std::string name(256, '\0');
  if (clGetDeviceInfo(id_, CL_DEVICE_NAME, name.size(), name.data(), nullptr) != CL_SUCCESS) {
    return "unknown device";
  }
  return name.substr(0, name.find('\0'));
}

std::unexpected<larder::Error> opencl_failed(const char* call, cl_int status) {
  return std::unexpected(larder::Error{.code = larder::Errc::unsupported,
                                       .message = std::string(call) + ": OpenCL error " +
                                                  std::to_string(status) +
                                                  "; another OpenCL driver may do better"});
}

}  // namespace darktable_job
