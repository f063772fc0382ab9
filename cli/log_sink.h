// Where the library's messages go: LARDER_LOG, and verbs that want to know.
#ifndef LARDER_CLI_LOG_SINK_H_
#define LARDER_CLI_LOG_SINK_H_

#include <mutex>
#include <string>
#include <vector>

#include "larder/store.h"

namespace larder::cli {

// Appends to the file of that name, or writes to standard error for "stderr"; an empty function for
// an empty name. Says so on standard error when the file cannot be opened, or is neither a regular
// file nor a terminal, and goes on without.
Logger make_logger(const std::string& destination);

// Keeps the library's warnings, for verbs that tell them. Any thread may log.
class Warnings {
 public:
  // Passes everything on to `next`, when that is set. The logger must not outlive this object.
  Logger listen(Logger next);

  std::vector<std::string> all();

  // On standard error, in one line, when there are any.
  void tell();

 private:
  std::mutex mutex_;
  std::vector<std::string> kept_;
};

}  // namespace larder::cli

#endif  // LARDER_CLI_LOG_SINK_H_
