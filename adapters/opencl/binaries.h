// The binaries of all devices of a program in one artifact.
//
//   artifact = magic, count (4 bytes), count x (length (8 bytes), bytes)
//
// Numbers are little-endian. It knows nothing of OpenCL, so that it can be tested anywhere.
#ifndef LARDER_ADAPTERS_OPENCL_BINARIES_H_
#define LARDER_ADAPTERS_OPENCL_BINARIES_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace larder::opencl {

std::string encode_binaries(std::span<const std::string> binaries);

// One for each device, in the devices' order; views into `artifact`. nullopt unless the artifact is
// exactly what encode_binaries makes of `count` binaries.
std::optional<std::vector<std::span<const std::byte>>> decode_binaries(
    std::span<const std::byte> artifact, std::size_t count);

}  // namespace larder::opencl

#endif  // LARDER_ADAPTERS_OPENCL_BINARIES_H_
