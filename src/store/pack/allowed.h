// Where a pack store may go: file systems whose mappings are coherent among all that use them.
#ifndef LARDER_STORE_PACK_ALLOWED_H_
#define LARDER_STORE_PACK_ALLOWED_H_

#include <string>

#include "larder/file_system.h"

namespace larder::pack_store {

// unsupported when `path`, or the nearest directory above it that exists, is on a file system that
// is not known to be fit; the message names it and the remedy.
Result<void> check_file_system(FileSystem& file_system, const std::string& path);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_ALLOWED_H_
