#ifndef LARDER_BENCH_OPTIONS_H_
#define LARDER_BENCH_OPTIONS_H_

#include <string>
#include <variant>

#include "report.h"
#include "suites/suites.h"

namespace larder::bench {

struct Options {
  std::string suite;  // empty: all
  Extent extent = Extent::full;
  Format format = Format::text;
  std::string directory;  // the parent of the folder for the data; empty: $TMPDIR or /tmp
};

// The options, or the status to end with after what was said already.
std::variant<Options, int> parse_options(int argc, char** argv);

}  // namespace larder::bench

#endif  // LARDER_BENCH_OPTIONS_H_
