// The bytes of an open file in memory.
#ifndef LARDER_OS_POSIX_MAPPING_H_
#define LARDER_OS_POSIX_MAPPING_H_

#include "larder/file_system.h"
#include "os/descriptor.h"

namespace larder::os {

// Maps the first `bytes` of the file that `descriptor` has open, and keeps none of its own but on a
// kernel that cannot bring pages in by madvise. The descriptor may be closed meanwhile.
Result<std::unique_ptr<Mapping>> map_file(int descriptor, OpenMode mode, std::uint64_t bytes);

}  // namespace larder::os

#endif  // LARDER_OS_POSIX_MAPPING_H_
