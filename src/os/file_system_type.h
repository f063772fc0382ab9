// The names of file systems.
#ifndef LARDER_OS_FILE_SYSTEM_TYPE_H_
#define LARDER_OS_FILE_SYSTEM_TYPE_H_

#include <cstdint>
#include <string>

namespace larder::os {

// The name that belongs to statfs's f_type, "0x..." when it is none of the well-known ones. ext2,
// ext3 and ext4 have one number ("ext4"), and so have all that speak FUSE, virtiofs included.
std::string file_system_name(std::uint32_t magic);

}  // namespace larder::os

#endif  // LARDER_OS_FILE_SYSTEM_TYPE_H_
