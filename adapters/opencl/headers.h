// Everything that a program's `#include`s can reach, for its recipe.
#ifndef LARDER_ADAPTERS_OPENCL_HEADERS_H_
#define LARDER_ADAPTERS_OPENCL_HEADERS_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/file_system.h"

namespace larder::opencl {

// Two scans that are equal and complete stand for equal input to the compiler.
struct Headers {
  std::vector<std::string> includes;  // for each `#include`: its name, then where it was found
  std::vector<std::string> contents;  // of each file once, in the order of finding
  bool complete = true;               // false: something could not be told; do not cache

  friend bool operator==(const Headers&, const Headers&) = default;
};

// What `options` say about files. Drivers differ in how they read quotes: where that matters, the
// directories of every reading are here.
struct IncludeOptions {
  std::vector<std::string> directories;  // those of one reading in the order of search
  bool certain = true;                   // false: an option reads a file in some other way
};
IncludeOptions parse_include_options(std::string_view options);

// Every file of a name in every directory where a compiler may look counts, not only the one that
// it would take: so a new file that hides another one is seen as well.
Headers scan_headers(FileSystem& fs, std::span<const std::string> sources,
                     std::string_view options);

}  // namespace larder::opencl

#endif  // LARDER_ADAPTERS_OPENCL_HEADERS_H_
