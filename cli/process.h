// Runs COMMAND for `once`.
#ifndef LARDER_CLI_PROCESS_H_
#define LARDER_CLI_PROCESS_H_

#include <string>
#include <vector>

namespace larder::cli {

struct CommandResult {
  int exit_status = 0;  // its own; 128 + n for signal n; 126, 127 as a shell says it
  std::string problem;  // why it could not be started; empty when it was
};

// Waits for its end. It has our standard streams and none of our other descriptors, gets the
// SIGINT, SIGTERM and SIGHUP that are sent to us, and is killed when we die, however we die.
CommandResult run_command(const std::vector<std::string>& command);

}  // namespace larder::cli

#endif  // LARDER_CLI_PROCESS_H_
