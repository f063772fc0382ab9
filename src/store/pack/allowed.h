// Where a pack store may go: file systems whose mappings are coherent among all that use them.
#ifndef LARDER_STORE_PACK_ALLOWED_H_
#define LARDER_STORE_PACK_ALLOWED_H_

#include <string>

#include "larder/file_system.h"

namespace larder::pack_store {

// unsupported when the directory is on a file system that is not known to be fit; the message names
// it, `path` and the remedy.
Result<void> check_type(Directory& directory, const std::string& path);

// The same of `path`, or of the nearest directory above it that exists: before anything is made
// there.
Result<void> check_before_making(FileSystem& file_system, const std::string& path);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_ALLOWED_H_
