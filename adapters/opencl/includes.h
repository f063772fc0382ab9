// Finds the `#include`s in one text. Pure: opens no file.
//
// It is not a preprocessor: it sees includes behind `#if 0` and in comments too. What it finds is a
// superset of what a compiler would read, or it says that it cannot tell.
#ifndef LARDER_ADAPTERS_OPENCL_INCLUDES_H_
#define LARDER_ADAPTERS_OPENCL_INCLUDES_H_

#include <string>
#include <string_view>
#include <vector>

namespace larder::opencl {

struct Includes {
  std::vector<std::string> names;  // as written, in order, repetitions included
  bool certain = true;             // false: there are includes whose name only a compiler can tell
};

Includes find_includes(std::string_view text);

}  // namespace larder::opencl

#endif  // LARDER_ADAPTERS_OPENCL_INCLUDES_H_
