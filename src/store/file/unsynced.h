// Files of which a sync has failed on behalf of somebody who had not written them. The kernel says
// OK the next time, whether it has given up their pages or not: only who writes such a file anew
// may say that it is on the disk. What its writer has flushed stays where it is.
#ifndef LARDER_STORE_FILE_UNSYNCED_H_
#define LARDER_STORE_FILE_UNSYNCED_H_

#include <cstdint>
#include <mutex>
#include <set>
#include <utility>

#include "larder/file_system.h"

namespace larder::file_store {

// For any thread.
class Unsynced {
 public:
  void add(const FileInfo& file) {
    const std::lock_guard lock(mutex_);
    files_.insert(key_of(file));
  }

  // Written anew: the number of a file that is gone is given to another one.
  void forget(const FileInfo& file) {
    const std::lock_guard lock(mutex_);
    files_.erase(key_of(file));
  }

  bool contains(const FileInfo& file) {
    const std::lock_guard lock(mutex_);
    return files_.contains(key_of(file));
  }

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;
  static Key key_of(const FileInfo& file) noexcept { return {file.device, file.inode}; }

  std::mutex mutex_;
  std::set<Key> files_;  // guarded by mutex_
};

}  // namespace larder::file_store

#endif  // LARDER_STORE_FILE_UNSYNCED_H_
