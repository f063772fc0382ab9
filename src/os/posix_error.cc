#include "os/posix_error.h"

#include <cerrno>
#include <cstring>

namespace larder::os {

Errc code_of_errno(int error) noexcept {
  switch (error) {
    case ENOENT: return Errc::absent;
    case EEXIST: return Errc::exists;
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    case EACCES:
    case EPERM: return Errc::permission_denied;
    case EROFS: return Errc::read_only;
    case ELOOP:
    case ENOTDIR:
    case EISDIR:
    case ENXIO:
    case EXDEV: return Errc::not_ours;
    case EOPNOTSUPP:
    case ENOSYS: return Errc::unsupported;
    case ENOMEM: return Errc::out_of_memory;
    default: return Errc::io_error;
  }
}

Error error_of(int error, std::string_view operation) {
  // An absent file is the ordinary miss: no text is composed for it, so that a miss stays cheap.
  if (error == ENOENT) return {.code = Errc::absent, .os_error = error, .message = "absent"};
  char text[128];
  // The GNU form: returns the text, which may or may not stand in the buffer.
  const char* said = strerror_r(error, text, sizeof text);
  std::string message(operation);
  message += ": ";
  message += said;
  return {.code = code_of_errno(error), .os_error = error, .message = std::move(message)};
}

}  // namespace larder::os
