#include "driver.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace larder::opencl {
namespace {

std::unexpected<Error> refused(Errc code, std::string_view call, cl_int status,
                               std::string_view remedy) {
  return std::unexpected(Error{.code = code,
                               .message = std::string(call) + ": OpenCL error " +
                                          std::to_string(status) + "; " + std::string(remedy)});
}

Errc code_of(cl_int status) {
  if (status == CL_OUT_OF_HOST_MEMORY || status == CL_OUT_OF_RESOURCES) return Errc::out_of_memory;
  return Errc::invalid_argument;
}

Result<std::string> device_text(cl_device_id device, cl_device_info what) {
  std::size_t size = 0;
  cl_int status = clGetDeviceInfo(device, what, 0, nullptr, &size);
  std::string text(size, '\0');
  if (status == CL_SUCCESS) status = clGetDeviceInfo(device, what, size, text.data(), nullptr);
  if (status != CL_SUCCESS) {
    return refused(code_of(status), "clGetDeviceInfo", status, "pass devices of this machine");
  }
  while (text.ends_with('\0')) text.pop_back();
  return text;
}

Result<std::string> platform_text(cl_device_id device, cl_platform_info what) {
  cl_platform_id platform = nullptr;
  cl_int status = clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform,
                                  static_cast<void*>(&platform), nullptr);
  std::size_t size = 0;
  if (status == CL_SUCCESS) status = clGetPlatformInfo(platform, what, 0, nullptr, &size);
  std::string text(size, '\0');
  if (status == CL_SUCCESS) status = clGetPlatformInfo(platform, what, size, text.data(), nullptr);
  if (status != CL_SUCCESS) {
    return refused(code_of(status), "clGetPlatformInfo", status, "pass devices of this machine");
  }
  while (text.ends_with('\0')) text.pop_back();
  return text;
}

using Query = Result<std::string> (*)(cl_device_id, cl_uint);

struct DeviceField {
  std::string_view name;
  Query query;
  cl_uint what;
};

constexpr std::array device_fields = {
    DeviceField{"device_names", device_text, CL_DEVICE_NAME},
    DeviceField{"device_vendors", device_text, CL_DEVICE_VENDOR},
    DeviceField{"device_versions", device_text, CL_DEVICE_VERSION},
    DeviceField{"driver_versions", device_text, CL_DRIVER_VERSION},
    DeviceField{"opencl_c_versions", device_text, CL_DEVICE_OPENCL_C_VERSION},
    DeviceField{"platform_names", platform_text, CL_PLATFORM_NAME},
    DeviceField{"platform_versions", platform_text, CL_PLATFORM_VERSION},
};

std::string build_log(cl_program program, std::span<const cl_device_id> devices) {
  std::string all;
  for (cl_device_id device : devices) {
    std::size_t size = 0;
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
    std::string log(size, '\0');
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
    while (log.ends_with('\0')) log.pop_back();
    if (!log.empty()) all += "\n" + log;
  }
  return all;
}

// For each device of the program, which may be more than the spec's: every device of its context.
template <class T>
Result<std::vector<T>> per_device(cl_program program, cl_program_info what) {
  cl_uint count = 0;
  cl_int status = clGetProgramInfo(program, CL_PROGRAM_NUM_DEVICES, sizeof count, &count, nullptr);
  std::vector<T> values(count);
  const std::span all(values);
  if (status == CL_SUCCESS) {
    status =
        clGetProgramInfo(program, what, all.size_bytes(), static_cast<void*>(all.data()), nullptr);
  }
  if (status != CL_SUCCESS) {
    return refused(Errc::unsupported, "clGetProgramInfo", status, "it stays uncached");
  }
  return values;
}

Result<Program> build(const ProgramSpec& spec, cl_program created, Origin origin) {
  Program program(created, origin);
  const cl_int status = clBuildProgram(created, static_cast<cl_uint>(spec.devices.size()),
                                       spec.devices.data(), spec.options.c_str(), nullptr, nullptr);
  if (status == CL_SUCCESS) return program;
  if (code_of(status) == Errc::out_of_memory) {
    return refused(Errc::out_of_memory, "clBuildProgram", status, "free memory and try again");
  }
  return refused(Errc::compile_failed, "clBuildProgram", status,
                 "mend the source or the options:" + build_log(created, spec.devices));
}

}  // namespace

Result<void> add_device_fields(Recipe& recipe, std::span<const cl_device_id> devices) {
  for (const DeviceField& field : device_fields) {
    std::vector<std::string> values;
    for (cl_device_id device : devices) {
      auto value = field.query(device, field.what);
      if (!value) return std::unexpected(std::move(value).error());
      values.push_back(*std::move(value));
    }
    recipe.field(field.name, values);
  }
  return {};
}

Result<Program> build_from_source(const ProgramSpec& spec) {
  std::vector<const char*> texts;
  std::vector<std::size_t> lengths;
  for (const std::string& source : spec.sources) {
    texts.push_back(source.data());
    lengths.push_back(source.size());
  }
  cl_int status = CL_SUCCESS;
  const cl_program created = clCreateProgramWithSource(
      spec.context, static_cast<cl_uint>(texts.size()), texts.data(), lengths.data(), &status);
  if (status != CL_SUCCESS) {
    return refused(code_of(status), "clCreateProgramWithSource", status,
                   "pass a valid context and at least one source");
  }
  return build(spec, created, Origin::source);
}

Result<std::vector<std::string>> program_binaries(const ProgramSpec& spec, cl_program program) {
  const auto devices = per_device<cl_device_id>(program, CL_PROGRAM_DEVICES);
  if (!devices) return std::unexpected(devices.error());
  const auto sizes = per_device<std::size_t>(program, CL_PROGRAM_BINARY_SIZES);
  if (!sizes) return std::unexpected(sizes.error());

  std::vector<std::string> binaries(spec.devices.size());
  std::vector<unsigned char*> into(devices->size(), nullptr);  // null: not wanted
  for (std::size_t i = 0; i < binaries.size(); ++i) {
    const auto found = std::ranges::find(*devices, spec.devices[i]);
    const auto at = static_cast<std::size_t>(found - devices->begin());
    if (at >= sizes->size() || (*sizes)[at] == 0 || into[at] != nullptr) {
      return refused(Errc::unsupported, "clGetProgramInfo", CL_INVALID_DEVICE, "it stays uncached");
    }
    binaries[i].resize((*sizes)[at]);
    into[at] = reinterpret_cast<unsigned char*>(binaries[i].data());
  }
  const cl_int status = clGetProgramInfo(program, CL_PROGRAM_BINARIES, std::span(into).size_bytes(),
                                         static_cast<void*>(into.data()), nullptr);
  if (status != CL_SUCCESS) {
    return refused(Errc::unsupported, "clGetProgramInfo", status, "it stays uncached");
  }
  return binaries;
}

Result<Program> build_from_binaries(const ProgramSpec& spec,
                                    std::span<const std::span<const std::byte>> binaries) {
  std::vector<const unsigned char*> data;
  std::vector<std::size_t> lengths;
  for (const auto& binary : binaries) {
    data.push_back(reinterpret_cast<const unsigned char*>(binary.data()));
    lengths.push_back(binary.size());
  }
  std::vector<cl_int> statuses(binaries.size(), CL_SUCCESS);
  cl_int status = CL_SUCCESS;
  cl_program created = clCreateProgramWithBinary(
      spec.context, static_cast<cl_uint>(binaries.size()), spec.devices.data(), lengths.data(),
      data.data(), statuses.data(), &status);
  for (const cl_int one : statuses) {
    if (status == CL_SUCCESS && one != CL_SUCCESS) {
      status = one;
      clReleaseProgram(created);
    }
  }
  if (status != CL_SUCCESS) {
    return refused(Errc::unsupported, "clCreateProgramWithBinary", status,
                   "it is built from source");
  }
  return build(spec, created, Origin::cache);
}

}  // namespace larder::opencl
