// Where LARDER_LOG writes to.
#ifndef LARDER_OS_LOG_FILE_H_
#define LARDER_OS_LOG_FILE_H_

#include <string>

#include "larder/error.h"
#include "larder/store.h"

namespace larder {

// Appends one line per message to a file, which is made with mode 0600 when there is none, or to
// standard error when `target` is "stderr". Anything but a regular file or a character device is
// bad_config. A message that cannot be written is lost: nothing may fail because a log is full, or
// because nobody reads standard error any more.
Result<Logger> open_log(const std::string& target);

}  // namespace larder

#endif  // LARDER_OS_LOG_FILE_H_
