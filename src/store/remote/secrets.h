// Passwords and tokens of remote tiers. They come from files and from variables that a setting
// names, never from the setting itself, which is shown and logged.
#ifndef LARDER_STORE_REMOTE_SECRETS_H_
#define LARDER_STORE_REMOTE_SECRETS_H_

#include <string>

#include "larder/error.h"
#include "larder/file_system.h"
#include "store/remote/attributes.h"

namespace larder {

// The first line of a file that belongs to this user or root and that nobody else may read. Errors:
// invalid_argument when the path is not absolute, there is no such file, or it has no line;
// permission_denied when others may read it. None repeats what is in it.
Result<std::string> read_secret_file(FileSystem& file_system, const std::string& path);

// The whole of such a file, 64 KiB at most; errors the same.
Result<std::string> read_private_file(FileSystem& file_system, const std::string& path);

// invalid_argument when the variable is not set, or the process has more rights than its caller.
Result<std::string> read_secret_variable(const std::string& name);

// What @ca-file names, no secret; empty without it. invalid_argument when it is no absolute path,
// or no certificate can be read there.
Result<std::string> take_ca_file(FileSystem& file_system, Attributes& attributes);

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_SECRETS_H_
