// The root directory of a store: found or made, checked, and kept open.
#ifndef LARDER_STORE_DIRECTORY_STORE_DIRECTORY_H_
#define LARDER_STORE_DIRECTORY_STORE_DIRECTORY_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "larder/file_system.h"
#include "larder/store.h"
#include "store/directory/claim.h"

namespace larder::store_directory {

struct DirectoryOptions {
  std::string directory;  // absolute
  Access access = Access::read_write;
  Create create = Create::at_open;
  FileSystem* file_system = nullptr;  // null: the machine's own
  Kind kind = Kind::file;
  // The open root of another store, for one in a directory of it: found from there, through no
  // link, wherever the path leads meanwhile.
  std::shared_ptr<Directory> within = {};
};

// Any thread may call any function. The open root is shared by all of them.
class StoreDirectory {
 public:
  explicit StoreDirectory(DirectoryOptions options);

  // Opens what is there and makes what the options ask for. Errors as open_file_store.
  Result<void> open();

  // An open root with its number: another one for each store that the path has led to. An entry put
  // under another number is not in this directory.
  struct Root {
    std::shared_ptr<Directory> directory;  // null: there is no store yet
    std::uint64_t generation = 0;
    std::optional<format::StoreId> id = {};  // of the marker; a vyre directory has none
  };

  // The open root for reading; null while the directory does not exist or has no marker yet.
  Result<Root> reader_root();
  Result<std::shared_ptr<Directory>> reader();

  // The open root for writing, made if need be. read_only when the store is.
  Result<Root> writer_root();
  Result<std::shared_ptr<Directory>> writer();

  // Forgets the handle when it leads nowhere any more (the directory was deleted or moved away, or
  // a network file system's server lost it), so that the next call opens the path anew.
  void forget();

  // A warning, when this object found a damaged marker and made it anew. `log` may be empty.
  void tell_of_mended_marker(const Logger& log) const;

  // Of the root opened last.
  std::uint64_t generation() const noexcept { return generation_.load(); }

  // Whether the path still leads to the open directory; forgets it if it provably does not. An
  // error says that this could not be found out.
  Result<bool> is_at_its_path();

  FileSystem& file_system() const noexcept { return file_system_; }
  const std::string& path() const noexcept { return options_.directory; }
  bool read_only() const noexcept { return options_.access == Access::read_only; }

  // Whether an object in the store belongs to somebody whom the store trusts: its own user, or
  // root.
  bool trusts(std::uint32_t owner) const noexcept;

 private:
  struct Found {
    std::shared_ptr<Directory> directory;
    Claim claim;
  };

  Root current() const;
  Root claimed() const;
  Root held() const;
  Result<void> adopt(Found found);
  std::string name_within() const;
  Result<std::shared_ptr<Directory>> open_root();
  Result<void> make_root();
  Result<void> sync_parent_of_root();
  Result<Found> open_existing();
  Result<Found> open_or_make();
  Result<Found> create();

  const DirectoryOptions options_;
  FileSystem& file_system_;

  std::atomic<std::uint64_t> generation_ = 0;
  std::atomic<bool> has_mended_ = false;
  std::mutex creation_mutex_;  // held while the directory is made and synced; before mutex_
  mutable std::mutex mutex_;
  FileInfo identity_;                  // guarded by mutex_: of the directory opened last
  std::optional<format::StoreId> id_;  // guarded by mutex_: of the same
  std::shared_ptr<Directory> root_;    // guarded by mutex_
  bool claimed_ = false;               // guarded by mutex_: made durable by this object
};

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_STORE_DIRECTORY_H_
