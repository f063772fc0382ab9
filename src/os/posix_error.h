// errno to Error, on the line of the call.
#ifndef LARDER_OS_POSIX_ERROR_H_
#define LARDER_OS_POSIX_ERROR_H_

#include <string>
#include <string_view>

#include "larder/error.h"

namespace larder::os {

// The code that file_system.h promises for an errno.
Errc code_of_errno(int error) noexcept;

// "<operation>: <text of the error>". Takes errno's value, so that nothing runs in between.
Error error_of(int error, std::string_view operation);

// For functions that return a Result: return failed(errno, "openat");
inline std::unexpected<Error> failed(int error, std::string_view operation) {
  return std::unexpected(error_of(error, operation));
}

}  // namespace larder::os

#endif  // LARDER_OS_POSIX_ERROR_H_
