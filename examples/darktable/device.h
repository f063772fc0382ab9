// The first OpenCL device of the machine, with a context and a queue.
#ifndef LARDER_EXAMPLES_DARKTABLE_DEVICE_H_
#define LARDER_EXAMPLES_DARKTABLE_DEVICE_H_

#include <string>

#include "larder/opencl.h"

namespace darktable_job {

// Owns its context and queue.
class Device {
 public:
  // unsupported when the machine has no OpenCL device.
  static larder::Result<Device> first();

  Device(Device&& other) noexcept
      : id_(other.id_),
        context_(std::exchange(other.context_, nullptr)),
        queue_(std::exchange(other.queue_, nullptr)) {}
  Device& operator=(Device&&) = delete;
  ~Device();

  cl_device_id id() const noexcept { return id_; }
  cl_context context() const noexcept { return context_; }
  cl_command_queue queue() const noexcept { return queue_; }
  std::string name() const;

 private:
  explicit Device(cl_device_id id) noexcept : id_(id) {}

  cl_device_id id_;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
};

// An error of a named OpenCL call.
std::unexpected<larder::Error> opencl_failed(const char* call, cl_int status);

}  // namespace darktable_job

#endif  // LARDER_EXAMPLES_DARKTABLE_DEVICE_H_
