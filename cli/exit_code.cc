#include "exit_code.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "text.h"

namespace larder::cli {
namespace {

// A file name may hold a line break; a message stays one line all the same.
void print_line(std::string_view prefix, std::string_view message) {
  std::string line(message);
  std::ranges::replace(line, '\n', ' ');
  line = printable(line);
  std::fflush(stdout);  // where both streams are one file, the closing line comes last
  fmt::print(stderr, "{}{}\n", prefix, line);
}

ExitCode code_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
    case Errc::bad_config: return exit_usage;
    case Errc::must_hit: return exit_not_found;
    case Errc::unreachable: return exit_unreachable;
    default: return exit_refused;
  }
}

}  // namespace

ExitCode fail(ExitCode code, std::string_view message) {
  print_line("larder: ", message);
  return code;
}

ExitCode fail(const Error& error) { return fail(code_of(error.code), error.message); }

void warn(std::string_view message) { print_line("larder: warning: ", message); }

}  // namespace larder::cli
