// The options of a store, made fit to outlive the call that gave them.
#ifndef LARDER_STORE_DIRECTORY_ABSOLUTE_H_
#define LARDER_STORE_DIRECTORY_ABSOLUTE_H_

#include <string>

#include "base/guarded.h"
#include "base/try.h"
#include "larder/file_system.h"

namespace larder::store_directory {

// With the same directory, wherever the process goes later, and with callbacks whose exceptions go
// no further. invalid_argument: the directory is empty.
template <class Options>
Result<Options> made_absolute(const Options& options) {
  if (options.directory.empty()) {
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .message = "the directory of a store must not be empty"});
  }
  Options absolute = options;
  absolute.on_evict = shielded(options.on_evict);
  absolute.log = shielded(options.log);
  if (!absolute.directory.starts_with('/')) {
    FileSystem& system = options.file_system ? *options.file_system : posix_file_system();
    LARDER_TRY(const std::string here, system.resolve("."));
    absolute.directory = here + "/" + options.directory;
  }
  return absolute;
}

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_ABSOLUTE_H_
