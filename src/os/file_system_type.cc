#include "os/file_system_type.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

namespace larder::os {
namespace {

struct Known {
  std::uint32_t magic;
  std::string_view name;
};

// Written out, since <linux/magic.h> lacks those that are kept outside the kernel (lustre, zfs,
// ...) and, when it is old, some of those inside.
constexpr std::array known = {
    Known{0x0000ef53, "ext4"},     Known{0x58465342, "xfs"},      Known{0x9123683e, "btrfs"},
    Known{0x01021994, "tmpfs"},    Known{0xf2f52010, "f2fs"},     Known{0x794c7630, "overlay"},
    Known{0x00006969, "nfs"},      Known{0xff534d42, "cifs"},     Known{0xfe534d42, "cifs"},
    Known{0x0000517b, "smb"},      Known{0x65735546, "fuse"},     Known{0x01021997, "9p"},
    Known{0x00c36400, "ceph"},     Known{0x0bd00bd0, "lustre"},   Known{0x2fc12fc1, "zfs"},
    Known{0xca451a4e, "bcachefs"}, Known{0x858458f6, "ramfs"},    Known{0x47504653, "gpfs"},
    Known{0x19830326, "beegfs"},   Known{0x5346414f, "afs"},      Known{0x01161970, "gfs2"},
    Known{0x7461636f, "ocfs2"},    Known{0x20030528, "orangefs"}, Known{0x0000f15f, "ecryptfs"},
    Known{0x52654973, "reiserfs"}, Known{0x3153464a, "jfs"},      Known{0x00003434, "nilfs2"},
    Known{0x00004d44, "vfat"},     Known{0x2011bab0, "exfat"},    Known{0x7366746e, "ntfs3"},
    Known{0x73717368, "squashfs"}, Known{0xe0f5e1e2, "erofs"},    Known{0x786f4256, "vboxsf"},
};

}  // namespace

std::string file_system_name(std::uint32_t magic) {
  const auto* const found = std::ranges::find(known, magic, &Known::magic);
  if (found != known.end()) return std::string(found->name);
  char text[16];
  std::snprintf(text, sizeof text, "0x%x", magic);
  return text;
}

}  // namespace larder::os
