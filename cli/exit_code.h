// What the program's exit codes mean; docs/CLI.md promises them.
#ifndef LARDER_CLI_EXIT_CODE_H_
#define LARDER_CLI_EXIT_CODE_H_

#include <string_view>

#include "larder/error.h"

namespace larder::cli {

enum ExitCode : int {
  exit_ok = 0,
  exit_refused = 1,           // the machine refused
  exit_usage = 2,             // can be judged from the words typed and the settings
  exit_corrupt = 3,           // `verify` found damage and did not repair it
  exit_not_found = 4,         // no good entry
  exit_unreachable = 5,       // a remote tier does not answer
  exit_not_executable = 126,  // COMMAND is there but cannot be run, as a shell says it
  exit_no_command = 127,      // there is no such COMMAND
};

// Prints `larder: message` as one line on standard error. Returns the code.
ExitCode fail(ExitCode code, std::string_view message);

// As fail, with the code that fits the error.
ExitCode fail(const Error& error);

// Prints `larder: warning: message` as one line on standard error.
void warn(std::string_view message);

}  // namespace larder::cli

#endif  // LARDER_CLI_EXIT_CODE_H_
