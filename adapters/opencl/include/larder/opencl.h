// OpenCL programs out of the cache: built once from source, afterwards from the verified binary.
//
// The fingerprint covers the sources, the options, every header that `#include` can reach over the
// include directories, and each device with its driver, compiler and platform. It cannot see what a
// driver reads besides: name such things (environment variables of the driver, say) in
// extra_inputs. A program whose headers cannot be told from its text (`#include MACRO`, a header
// that cannot be read, an option that names a file) is built from source each time and never
// cached.
#ifndef LARDER_OPENCL_H_
#define LARDER_OPENCL_H_

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include <string>
#include <utility>
#include <vector>

#include "larder/cache.h"
#include "larder/error.h"

namespace larder::opencl {

enum class Origin {
  cache,   // from a verified binary
  source,  // compiled by this call
};

// Owns one reference to a built program. Movable; one thread at a time.
class Program {
 public:
  Program() = default;
  // Takes over one reference.
  Program(cl_program program, Origin origin) noexcept : program_(program), origin_(origin) {}
  Program(Program&& other) noexcept
      : program_(std::exchange(other.program_, nullptr)), origin_(other.origin_) {}
  Program& operator=(Program&& other) noexcept {
    std::swap(program_, other.program_);
    std::swap(origin_, other.origin_);
    return *this;
  }
  ~Program() {
    if (program_ != nullptr) clReleaseProgram(program_);
  }

  cl_program get() const noexcept { return program_; }
  // The caller releases it.
  cl_program release() noexcept { return std::exchange(program_, nullptr); }
  explicit operator bool() const noexcept { return program_ != nullptr; }
  Origin origin() const noexcept { return origin_; }

 private:
  cl_program program_ = nullptr;
  Origin origin_ = Origin::source;
};

struct ProgramSpec {
  cl_context context = nullptr;
  std::vector<cl_device_id> devices;           // of that context; at least one
  std::vector<std::string> sources;            // as for clCreateProgramWithSource; at least one
  std::string options = {};                    // as for clBuildProgram
  std::vector<std::string> extra_inputs = {};  // whatever else the result depends on
};

// A built program: from the binaries in the cache, else from source and then stored, once among all
// threads and processes that want it. A cached binary that the driver refuses is removed, and the
// program is built from source and stored anew. Any number of threads may call it.
// Errors: compile_failed, its message ends with the driver's build log; must_hit; invalid_argument
// for a spec that OpenCL cannot take; out_of_memory. A broken cache costs time only.
Result<Program> build_program(Cache& cache, const ProgramSpec& spec);

}  // namespace larder::opencl

#endif  // LARDER_OPENCL_H_
