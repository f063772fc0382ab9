// The file LARDER in the root of a store: says that the directory is ours, of which kind and
// version.
//
//   larder store
//   kind file
//   version 1
//   id <32 hex digits, random>
//
// Four lines, each ended by a newline, nothing else. Written once, never changed.
#ifndef LARDER_FORMAT_MARKER_H_
#define LARDER_FORMAT_MARKER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "larder/error.h"

namespace larder::format {

inline constexpr std::size_t max_marker_bytes = 256;
inline constexpr std::uint64_t store_version = 1;

struct Marker {
  std::string kind;
  std::uint64_t version = store_version;
  std::string id;
};

std::string encode_marker(const Marker& marker);

// not_a_store: not a marker. unsupported_version: of a newer Larder, whatever follows the version.
Result<Marker> decode_marker(std::string_view text);

}  // namespace larder::format

#endif  // LARDER_FORMAT_MARKER_H_
