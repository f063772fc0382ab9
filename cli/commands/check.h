// One line of what doctor finds.
#ifndef LARDER_CLI_COMMANDS_CHECK_H_
#define LARDER_CLI_COMMANDS_CHECK_H_

#include <string>
#include <vector>

#include "context.h"
#include "exit_code.h"

namespace larder::cli {

enum class Health { ok, warn, fail };

struct Check {
  Health health = Health::ok;
  std::string name;
  std::string finding;              // and the remedy, when there is something to mend
  ExitCode failure = exit_refused;  // what it is to the program when it fails
};

// Bytes that stand for nothing, from the system's randomness.
Fingerprint random_fingerprint();

// Looks at every place of the store, and reads up to a thousand entries of it. Changes nothing.
Check check_entries(Store& store);

// Asks each server of each remote tier for an entry that it cannot have, and for the time. Where it
// may be written, puts one, reads it back, removes it, and looks how large one may be.
void check_remotes(const Context& context, std::vector<Check>& checks);

}  // namespace larder::cli

#endif  // LARDER_CLI_COMMANDS_CHECK_H_
