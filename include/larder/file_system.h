// The one door to the operating system: the operations that the stores' algorithms need, not more.
// For embedders with a file system of their own, and for faults (larder::testing).
//
// Errors carry the errno and a code from the list: absent (ENOENT), exists (EEXIST), no_space
// (ENOSPC, EDQUOT), permission_denied (EACCES, EPERM), read_only (EROFS), not_ours (ELOOP, ENOTDIR,
// EISDIR, ENXIO, EXDEV: a link, or something else that is no file or directory), unsupported
// (EOPNOTSUPP, ENOSYS), out_of_memory (ENOMEM), io_error (all else, EMFILE and ESTALE included).
// The message names the operation.
#ifndef LARDER_FILE_SYSTEM_H_
#define LARDER_FILE_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "larder/error.h"

namespace larder LARDER_PUBLIC {

enum class FileKind { regular, directory, link, other };

struct FileInfo {
  FileKind kind = FileKind::other;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t disk_bytes = 0;  // blocks in use
  std::uint64_t link_count = 0;
  std::uint32_t owner = 0;        // user id
  std::uint32_t permissions = 0;  // the low twelve bits of the mode
  std::int64_t modified_s = 0;    // seconds since 1970

  bool same_file(const FileInfo& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
};

struct SpaceInfo {
  std::uint64_t free_bytes = 0;   // for an ordinary user
  std::uint64_t total_bytes = 0;  // of the file system; 0: not known, or without a bound
};

struct UserInfo {
  std::uint32_t effective = 0;
  bool elevated = false;  // set-uid, set-gid or capabilities: do not trust the environment
  std::uint64_t descriptor_limit = 1024;  // how many descriptors this process may have open
};

enum class OpenMode { read, read_write };
enum class LockMode { shared, exclusive };

// Bytes of a file in memory, shared with every other mapping of it. Touching a page that the file
// no longer has, or that its disk cannot give, raises SIGBUS. May outlive the File it came from,
// and on most file systems keeps that file's locks until it is destroyed: unmap it before you
// let a lock go by closing. Any thread may call any function.
class Mapping {
 public:
  Mapping() = default;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  virtual ~Mapping() = default;  // unmaps

  // Page-aligned. Writable when the file was opened and mapped read_write.
  virtual std::span<std::byte> bytes() const noexcept = 0;

  // Brings the pages of [offset, offset + length) in: io_error where a touch would raise SIGBUS, or
  // the range is not within bytes(). True now; who cuts the file afterwards still does harm.
  virtual Result<void> check(std::uint64_t offset, std::uint64_t length) = 0;
};

// An open regular file. Any thread may call any function at any time, except close and destruction.
class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;  // closes; an error is lost: call close() where it matters

  virtual Result<FileInfo> info() = 0;

  // Fills `into` from `offset`, with as many calls as it takes. Less at the end of the file only.
  virtual Result<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) = 0;

  // Fills the pieces one after another, as read_at does with one; for those who want the front of
  // what they read elsewhere than the rest.
  virtual Result<std::size_t> read_pieces_at(std::span<const std::span<std::byte>> pieces,
                                             std::uint64_t offset) {
    std::size_t total = 0;
    for (const std::span<std::byte> piece : pieces) {
      auto count = read_at(piece, offset + total);
      if (!count) return count;
      total += *count;
      if (*count < piece.size()) break;
    }
    return total;
  }

  // Writes all pieces one after another. After an error any part of them may have been written.
  virtual Result<void> write_at(std::span<const std::span<const std::byte>> pieces,
                                std::uint64_t offset) = 0;

  // Allocates blocks so that a full disk shows now; the size stays. unsupported is no failure.
  // After no_space some of the blocks may be allocated: trim(), or remove the file.
  virtual Result<void> reserve(std::uint64_t bytes) = 0;

  // Cuts off what lies beyond `end_bytes`, and gives back what reserve() allocated there. Never
  // lengthens the file. Nobody may write to it meanwhile: what is appended between the look at the
  // size and the cut is lost.
  virtual Result<void> trim(std::uint64_t end_bytes) = 0;

  // Extends to `bytes` of zeros, every block allocated, so that a write into a mapping cannot find
  // the disk full. Never shortens. Call it on an empty file: only there does btrfs keep the
  // promise, and not after a snapshot; zfs and bcachefs never do. Nobody may write to the file
  // meanwhile. After no_space as reserve(); where the file system cannot allocate (nfs before 4.2),
  // zeros are written, and an error leaves the file longer.
  virtual Result<void> allocate(std::uint64_t bytes) = 0;

  // Maps the first `bytes`, at least 1, which may be more than the file has. unsupported where the
  // file system cannot share mappings.
  virtual Result<std::unique_ptr<Mapping>> map(OpenMode mode, std::uint64_t bytes) = 0;

  // Starts write-back without waiting for it. A hint; errors are those of a later sync.
  virtual Result<void> start_writeback() = 0;

  // fdatasync. Never call it again after an error: the kernel may forget and say OK.
  virtual Result<void> sync_data() = 0;

  // Sets the modification time to now.
  virtual Result<void> touch() = 0;

  // A lock on [offset, offset + length), length 0 = to the end; false while another open file
  // description holds it. Belongs to this open file, not to the process; the kernel releases it
  // when the last descriptor and the last mapping go, those of forked children included. exclusive
  // needs a file opened read_write.
  virtual Result<bool> try_lock(LockMode mode, std::uint64_t offset, std::uint64_t length) = 0;
  virtual Result<void> unlock(std::uint64_t offset, std::uint64_t length) = 0;

  // Whether another open file description holds any lock on the range. Takes nothing; works on
  // files opened for reading too.
  virtual Result<bool> is_locked(std::uint64_t offset, std::uint64_t length) = 0;

  // Reports what the system says at close (NFS and quotas speak only here). Call it once, last.
  virtual Result<void> close() = 0;
};

// An open directory. `path` arguments are relative, of one or two components; no link is followed
// in any of them, and none leads out of the directory. New files have mode 0600, directories 0700.
class Directory {
 public:
  Directory() = default;
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  virtual ~Directory() = default;

  virtual Result<FileInfo> info() = 0;
  virtual Result<FileInfo> info_at(std::string_view path) = 0;  // of a link itself
  virtual Result<SpaceInfo> space() = 0;

  // Of the file system that it is on, as in /proc/filesystems: "ext4", "xfs", "tmpfs", "nfs", ...;
  // "0x..." when it is none of the well-known ones.
  virtual Result<std::string> file_system_type() = 0;

  // Does not block on a FIFO or a device; check info().kind before reading.
  virtual Result<std::unique_ptr<File>> open_file(std::string_view path, OpenMode mode) = 0;

  // Opens read_write, made empty when absent.
  virtual Result<std::unique_ptr<File>> open_or_create_file(std::string_view name) = 0;

  // A file without a name, opened read_write; gone at close unless linked. unsupported: use
  // create_file with a random name.
  virtual Result<std::unique_ptr<File>> create_anonymous() = 0;

  // Opened read_write; exists when the name is taken by anything.
  virtual Result<std::unique_ptr<File>> create_file(std::string_view name) = 0;

  // Gives a file made by create_anonymous a name. Replaces nothing: exists.
  virtual Result<void> link(File& file, std::string_view name) = 0;

  // Moves `name` of this directory to `to_name` of `to`, on the same file system.
  virtual Result<void> rename_over(std::string_view name, Directory& to,
                                   std::string_view to_name) = 0;
  virtual Result<void> rename_no_replace(std::string_view name, Directory& to,
                                         std::string_view to_name) = 0;

  virtual Result<void> remove_file(std::string_view path) = 0;

  virtual Result<std::unique_ptr<Directory>> open_directory(std::string_view name) = 0;
  virtual Result<void> make_directory(std::string_view name) = 0;

  // Calls back with each name but "." and ".."; stops early when it returns false.
  virtual Result<void> list(const std::function<bool(std::string_view)>& each) = 0;

  // fsync: makes names durable. As with sync_data, never retry.
  virtual Result<void> sync() = 0;
};

// Any thread may call any function.
class FileSystem {
 public:
  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  // Links in `path` are followed here, once; the handle then stays with that directory.
  virtual Result<std::unique_ptr<Directory>> open_directory(std::string_view path) = 0;

  // The absolute path without links of something that exists.
  virtual Result<std::string> resolve(std::string_view path) = 0;

  // A small file, links followed (configuration). too_large over `max_bytes`.
  virtual Result<std::string> read_file(std::string_view path, std::size_t max_bytes) = 0;

  virtual UserInfo user() = 0;

  // 32 random hex digits, different in every process, container and call.
  virtual Result<std::string> random_name() = 0;

  // Wall clock, seconds since 1970. May jump: nothing but eviction order and display may use it.
  virtual std::int64_t now_s() = 0;
};

// The machine's own. Lives for ever.
FileSystem& posix_file_system();

}  // namespace larder

#endif  // LARDER_FILE_SYSTEM_H_
