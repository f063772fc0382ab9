// What was put and is not durable yet, and the flush that makes it so.
//
// Crash model. A put leaves an open descriptor here: the one that wrote the file, because only that
// one is certain to hear of a failed write-back. A flush takes all entries at once, starts their
// write-back, calls fdatasync once on each descriptor, then fsync on each folder and on the root.
// Only after all of that does it say so. Nothing is synced a second time after an error, since the
// kernel marks failed pages clean: the entry is taken out of the store, its fingerprint is
// remembered as lost, and every flush says so until the fingerprint is put anew, from fresh bytes.
#ifndef LARDER_STORE_FILE_PENDING_H_
#define LARDER_STORE_FILE_PENDING_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "larder/store.h"
#include "store/directory/lock_file.h"
#include "store/directory/store_directory.h"

namespace larder::file_store {

using store_directory::LockFile;
using store_directory::LockOffset;
using store_directory::StoreDirectory;

class Pending {
 public:
  struct Options {
    FileLayout layout = FileLayout::larder;
    std::uint32_t threads = 4;           // of one flush
    std::size_t max_open_files = 128;    // above it the oldest half is synced at the next put
    std::size_t max_entries = 1u << 14;  // above it a put flushes, so that memory is bounded
  };

  Pending(StoreDirectory& directory, LockFile& locks, Options options)
      : directory_(directory), locks_(locks), options_(options) {}

  // An entry written from fresh bytes, by the descriptor that wrote it, into the directory of that
  // generation (StoreDirectory::Root).
  void add(const Fingerprint& fingerprint, std::shared_ptr<File> file, const FileInfo& identity,
           std::uint64_t generation);

  // An entry that was found good, by a descriptor opened on it. False when a flush has failed for
  // it: then only fresh bytes will do, and the caller writes them.
  bool join(const Fingerprint& fingerprint, std::shared_ptr<File> file, const FileInfo& identity,
            std::uint64_t generation);

  struct Entry {
    Fingerprint fingerprint;
    std::shared_ptr<File> file;  // null: its data is synced, its name is not
    FileInfo identity;
    std::uint64_t generation = 0;  // of the directory it was put into
    std::uint64_t order = 0;
    bool data_failed = false;  // never synced again
    bool name_failed = false;
  };

  // Takes out what is pending of this file, which is about to lose its name by removal or eviction,
  // or has lost it to one that was put later and synced first. Call it under the lock of the
  // fingerprint and before the name goes: afterwards the number may be another file's.
  std::optional<Entry> take(const Fingerprint& fingerprint, const FileInfo& identity);

  // The name did not go after all.
  void give_back(Entry entry);

  // This file was found damaged and is about to be removed: if it was put here and not yet flushed,
  // it counts as lost.
  void damaged(const Fingerprint& fingerprint, const FileInfo& identity);

  // The caller asked for the removal of the fingerprint: nothing of it is missed any more.
  void forget_loss(const Fingerprint& fingerprint);

  // not_durable as Store::flush. io_error: something could not even be tried, for want of
  // descriptors or memory; nothing is lost, and another call may succeed.
  Result<void> flush();
  Durability durability() const;

 private:
  // A fingerprint may have several files pending: a removal and another put may come between a put
  // and its add(), and only a look at the name tells which file it leads to.
  struct Key {
    Fingerprint fingerprint;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  using Entries = std::map<Key, Entry>;
  enum class Synced { yes, no, not_tried };

  static Key key_of(const Fingerprint& fingerprint, const FileInfo& identity) noexcept {
    return {fingerprint, identity.device, identity.inode};
  }
  void insert(Entry entry);
  void make_room();
  void settle_oldest();
  Result<void> flush_batch(Entries& batch);
  void put_back(Entries& batch) noexcept;
  void sync_files(std::span<Entry* const> entries) const;
  Result<void> sync_names(std::span<Entry* const> entries);
  static Synced sync_folder(Directory& root, const std::string& name) noexcept;
  void give_up(const Entry& entry);
  bool is_superseded(const Entry& entry, Directory& root);
  void mark_lost(const Entry& entry);
  Result<void> verdict() const;

  StoreDirectory& directory_;
  LockFile& locks_;
  const Options options_;

  std::mutex flush_mutex_;  // one flush at a time; taken before mutex_
  mutable std::mutex mutex_;
  Entries entries_;               // guarded by mutex_
  std::set<Fingerprint> lost_;    // guarded by mutex_: failed, and not written again
  std::size_t open_files_ = 0;    // guarded by mutex_
  std::uint64_t next_order_ = 0;  // guarded by mutex_
  std::size_t flushing_ = 0;      // guarded by mutex_: entries that a running flush has taken
  bool flush_runs_ = false;       // guarded by mutex_
};

}  // namespace larder::file_store

#endif  // LARDER_STORE_FILE_PENDING_H_
