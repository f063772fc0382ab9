// The calls to OpenCL, with its codes turned into results.
#ifndef LARDER_ADAPTERS_OPENCL_DRIVER_H_
#define LARDER_ADAPTERS_OPENCL_DRIVER_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "larder/opencl.h"

namespace larder::opencl {

// Adds whatever tells these devices, their drivers and their compilers apart. invalid_argument when
// a device does not answer.
Result<void> add_device_fields(Recipe& recipe, std::span<const cl_device_id> devices);

// compile_failed with the build log; invalid_argument, out_of_memory.
Result<Program> build_from_source(const ProgramSpec& spec);

// One binary for each of the spec's devices, in their order. Any error means that this program
// cannot be had as binaries; the program itself stays good.
Result<std::vector<std::string>> program_binaries(const ProgramSpec& spec, cl_program program);

// Any error means that the driver refused the binaries.
Result<Program> build_from_binaries(const ProgramSpec& spec,
                                    std::span<const std::span<const std::byte>> binaries);

}  // namespace larder::opencl

#endif  // LARDER_ADAPTERS_OPENCL_DRIVER_H_
