// The hidden lock file of a store: byte-range locks among processes and threads, and, at its front,
// the counters that outlive a process.
//
// Locks belong to the open file description, so that the kernel releases them with the process, and
// equal pids in two containers do no harm. Threads share one description: a set of the offsets held
// here keeps them apart. In a forked child the whole object must be made anew (os::ForkAware).
#ifndef LARDER_STORE_DIRECTORY_LOCK_FILE_H_
#define LARDER_STORE_DIRECTORY_LOCK_FILE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "format/statistics.h"
#include "larder/file_system.h"
#include "larder/fingerprint.h"
#include "os/fork_guard.h"
#include "store/directory/store_directory.h"

namespace larder::store_directory {

// Bytes of the file that stand for something; none but the first block is ever written.
struct LockOffset {
  std::uint64_t value = 0;

  static LockOffset statistics() { return {std::uint64_t{1} << 32}; }
  static LockOffset eviction() { return {(std::uint64_t{1} << 32) + 1}; }
  // Held while the index of a pack store is replaced or made anew.
  static LockOffset index() { return {(std::uint64_t{1} << 32) + 2}; }
  // Held while a named entry is replaced or removed. Two fingerprints may share a byte: they then
  // wait for each other for some microseconds.
  static LockOffset change_of(const Fingerprint& fingerprint);
  // Held while somebody compiles. 2^48 bytes: sharing one is not going to happen.
  static LockOffset lease_of(const Fingerprint& fingerprint);
};

class LockFile : public std::enable_shared_from_this<LockFile> {
 public:
  explicit LockFile(StoreDirectory& directory) : directory_(directory) {}

  class Held {
   public:
    Held(std::shared_ptr<LockFile> owner, std::shared_ptr<File> file, LockOffset offset) noexcept
        : owner_(std::move(owner)), file_(std::move(file)), offset_(offset) {}
    Held(Held&&) noexcept = default;
    Held& operator=(Held&&) = delete;
    ~Held();

   private:
    std::shared_ptr<LockFile> owner_;
    std::shared_ptr<File>
        file_;  // that the lock is on, should the owner open another one meanwhile
    LockOffset offset_;
  };

  // nullopt while another thread or process holds it.
  Result<std::optional<Held>> try_acquire(LockOffset offset);

  // Waits in small sleeps; timed_out after `limit`.
  Result<Held> acquire(LockOffset offset, std::chrono::milliseconds limit);

  // Reads, changes and writes the block under its lock. A block that does not verify is empty.
  Result<void> update_statistics(const std::function<void(format::Statistics&)>& change);

  // Empty when there is no lock file or no good block. Never creates anything.
  Result<format::Statistics> read_statistics();

 private:
  Result<std::shared_ptr<File>> file();
  void release(File& file, LockOffset offset) noexcept;

  StoreDirectory& directory_;
  const os::ForkGuard guard_;
  std::mutex mutex_;
  std::shared_ptr<File> file_;    // guarded by mutex_
  std::uint64_t generation_ = 0;  // guarded by mutex_: of the directory that file_ was opened in
  std::set<std::uint64_t> held_;  // guarded by mutex_: by threads of this process
};

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_LOCK_FILE_H_
