// The root directory of a file store: found or made, checked, and kept open.
#ifndef LARDER_STORE_FILE_STORE_DIRECTORY_H_
#define LARDER_STORE_FILE_STORE_DIRECTORY_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "larder/file_system.h"
#include "larder/store.h"

namespace larder::file_store {

// Any thread may call any function. The open root is shared by all of them.
class StoreDirectory {
 public:
  explicit StoreDirectory(const FileStoreOptions& options);

  // Opens what is there and makes what the options ask for. Errors as open_file_store.
  Result<void> open();

  // The open root for reading; null while the directory does not exist.
  Result<std::shared_ptr<Directory>> reader();

  // An open root with its number: another one for each directory that the path has led to. An entry
  // put under another number is not in this directory.
  struct Root {
    std::shared_ptr<Directory> directory;
    std::uint64_t generation = 0;
  };

  // The open root for writing, made if need be. read_only when the store is.
  Result<Root> writer_root();
  Result<std::shared_ptr<Directory>> writer();

  // Forgets the handle when it leads nowhere any more (the directory was deleted or moved away, or
  // a network file system's server lost it), so that the next call opens the path anew.
  void forget();

  // Of the root opened last.
  std::uint64_t generation() const noexcept { return generation_.load(); }

  // Whether the path still leads to the open directory; forgets it if it provably does not. An
  // error says that this could not be found out.
  Result<bool> is_at_its_path();

  FileSystem& file_system() const noexcept { return file_system_; }
  FileLayout layout() const noexcept { return layout_; }
  const std::string& path() const noexcept { return path_; }
  bool read_only() const noexcept { return access_ == Access::read_only; }

  // Whether an object in the store belongs to somebody whom the store trusts: its own user, or
  // root.
  bool trusts(std::uint32_t owner) const noexcept;

 private:
  std::shared_ptr<Directory> current() const;
  Root claimed() const;
  Result<void> adopt(std::shared_ptr<Directory> root);
  Result<std::shared_ptr<Directory>> open_existing();
  Result<std::shared_ptr<Directory>> create();

  FileSystem& file_system_;
  const FileLayout layout_;
  const Access access_;
  const Create create_;
  const std::string path_;  // absolute

  std::atomic<std::uint64_t> generation_ = 0;
  std::mutex creation_mutex_;  // held while the directory is made and synced; before mutex_
  mutable std::mutex mutex_;
  FileInfo identity_;                // guarded by mutex_: of the directory opened last
  std::shared_ptr<Directory> root_;  // guarded by mutex_
  bool claimed_ = false;             // guarded by mutex_: the marker has been seen or made
};

}  // namespace larder::file_store

#endif  // LARDER_STORE_FILE_STORE_DIRECTORY_H_
