// Where LARDER_LOG sends the library's messages.
#ifndef LARDER_CLI_LOG_SINK_H_
#define LARDER_CLI_LOG_SINK_H_

#include <string>

#include "larder/store.h"

namespace larder::cli {

// Appends to the file of that name, or writes to standard error for "stderr"; an empty function for
// an empty name. Says so on standard error when the file cannot be opened, and goes on without.
Logger make_logger(const std::string& destination);

}  // namespace larder::cli

#endif  // LARDER_CLI_LOG_SINK_H_
