// Which files are of a store, and whose may be read.
#ifndef LARDER_STORE_PACK_ORIGIN_H_
#define LARDER_STORE_PACK_ORIGIN_H_

#include "format/pack_record.h"
#include "larder/file_system.h"

namespace larder::pack_store {

struct Origin {
  format::StoreId store;
  FileSystem& file_system;  // which knows who we are

  // As with the store's directory, what root owns is trusted too. Ask it of the open file, before
  // anything of it is read or mapped.
  bool trusts(const FileInfo& info) const { return info.owner == 0 || owns(info); }
  bool owns(const FileInfo& info) const { return info.owner == file_system.user().effective; }
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_ORIGIN_H_
