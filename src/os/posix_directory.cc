#include "os/posix_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>

#include "os/file_system_type.h"
#include "os/open_beneath.h"
#include "os/posix_error.h"
#include "os/posix_file.h"

namespace larder::os {
namespace {

constexpr mode_t private_file = 0600;
constexpr mode_t private_directory = 0700;

Result<std::unique_ptr<File>> as_file(int descriptor, std::string_view operation) {
  if (descriptor < 0) return failed(errno, operation);
  return std::make_unique<PosixFile>(Descriptor(descriptor));
}

// A new file gets its mode whatever the umask took away.
Result<std::unique_ptr<File>> as_new_file(int descriptor, std::string_view operation) {
  if (descriptor < 0) return failed(errno, operation);
  Descriptor owned(descriptor);
  if (::fchmod(owned.get(), private_file) != 0) return failed(errno, "fchmod");
  return std::make_unique<PosixFile>(std::move(owned));
}

// A new directory gets its mode whatever the umask took away, by a descriptor, so that whoever
// swaps the name for a link gains nothing.
Result<void> make_private(int parent, std::string_view name) {
  const Descriptor made(open_beneath(parent, name, O_PATH | O_DIRECTORY));
  if (!made.valid()) return failed(errno, "openat");
  struct stat status;
  if (::fstat(made.get(), &status) != 0) return failed(errno, "fstat");
  if ((status.st_mode & 0777) == private_directory) return {};
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", made.get());
  if (::chmod(path, private_directory) != 0) return failed(errno, "chmod");
  return {};
}

// A path of one or two components as an open parent and the last name: the calls that act on a name
// have no RESOLVE flags, so that the way to it is walked by open_beneath.
struct LastName {
  Descriptor owned;  // the parent, when it is not the directory itself
  int parent;
  std::string name;
};

LastName split(int directory, std::string_view path) {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {Descriptor(-1), directory, std::string(path)};
  Descriptor inner(open_beneath(directory, path.substr(0, slash), O_PATH | O_DIRECTORY));
  const int parent = inner.get();
  return {std::move(inner), parent, std::string(path.substr(slash + 1))};
}

}  // namespace

Result<FileInfo> PosixDirectory::info() { return info_of(descriptor_.get()); }

Result<FileInfo> PosixDirectory::info_at(std::string_view path) {
  const LastName last = split(descriptor_.get(), path);
  if (last.parent < 0) return failed(errno, "openat");
  struct stat status;
  if (::fstatat(last.parent, last.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return failed(errno, "fstatat");
  }
  return info_from(status);
}

Result<SpaceInfo> PosixDirectory::space() {
  struct statvfs status;
  if (::fstatvfs(descriptor_.get(), &status) != 0) return failed(errno, "fstatvfs");
  return SpaceInfo{.free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize,
                   .total_bytes = std::uint64_t{status.f_blocks} * status.f_frsize};
}

Result<std::string> PosixDirectory::file_system_type() {
  struct statfs status;
  if (::fstatfs(descriptor_.get(), &status) != 0) return failed(errno, "fstatfs");
  return file_system_name(static_cast<std::uint32_t>(status.f_type));
}

Result<std::unique_ptr<File>> PosixDirectory::open_file(std::string_view path, OpenMode mode) {
  const int access = mode == OpenMode::read ? O_RDONLY : O_RDWR;
  return as_file(open_beneath(descriptor_.get(), path, access), "openat");
}

Result<std::unique_ptr<File>> PosixDirectory::open_or_create_file(std::string_view name) {
  for (;;) {
    auto opened = as_file(open_beneath(descriptor_.get(), name, O_RDWR), "openat");
    if (opened || opened.error().code != Errc::absent) return opened;
    auto created = create_file(name);
    if (created || created.error().code != Errc::exists) return created;
  }
}

Result<std::unique_ptr<File>> PosixDirectory::create_anonymous() {
  const int descriptor = open_beneath(descriptor_.get(), ".", O_TMPFILE | O_RDWR, private_file);
  // Kernels and file systems without O_TMPFILE see a directory that is to be opened for writing.
  if (descriptor < 0 && (errno == EISDIR || errno == EINVAL)) {
    return failed(EOPNOTSUPP, "openat(O_TMPFILE)");
  }
  return as_new_file(descriptor, "openat(O_TMPFILE)");
}

Result<std::unique_ptr<File>> PosixDirectory::create_file(std::string_view name) {
  return as_new_file(open_beneath(descriptor_.get(), name, O_RDWR | O_CREAT | O_EXCL, private_file),
                     "openat");
}

Result<void> PosixDirectory::link(File& file, std::string_view name) {
  const int descriptor = static_cast<PosixFile&>(file).descriptor();
  const std::string to(name);
  // By descriptor where the kernel lets an ordinary user do so; else by way of /proc.
  if (::linkat(descriptor, "", descriptor_.get(), to.c_str(), AT_EMPTY_PATH) == 0) return {};
  if (errno != ENOENT && errno != EPERM) return failed(errno, "linkat");
  char from[32];
  std::snprintf(from, sizeof from, "/proc/self/fd/%d", descriptor);
  if (::linkat(AT_FDCWD, from, descriptor_.get(), to.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return failed(errno, "linkat");
  }
  return {};
}

Result<void> PosixDirectory::rename(std::string_view name, Directory& to, std::string_view to_name,
                                    unsigned flags) {
  const int target = static_cast<PosixDirectory&>(to).descriptor_.get();
  const std::string from_text(name);
  const std::string to_text(to_name);
  if (::renameat2(descriptor_.get(), from_text.c_str(), target, to_text.c_str(), flags) == 0) {
    return {};
  }
  if (errno == EINVAL && flags != 0) return failed(EOPNOTSUPP, "renameat2");
  return failed(errno, "renameat2");
}

Result<void> PosixDirectory::rename_over(std::string_view name, Directory& to,
                                         std::string_view to_name) {
  return rename(name, to, to_name, 0);
}

Result<void> PosixDirectory::rename_no_replace(std::string_view name, Directory& to,
                                               std::string_view to_name) {
  return rename(name, to, to_name, RENAME_NOREPLACE);
}

Result<void> PosixDirectory::remove_file(std::string_view path) {
  const LastName last = split(descriptor_.get(), path);
  if (last.parent < 0) return failed(errno, "openat");
  if (::unlinkat(last.parent, last.name.c_str(), 0) != 0) return failed(errno, "unlinkat");
  return {};
}

Result<std::unique_ptr<Directory>> PosixDirectory::open_directory(std::string_view name) {
  Descriptor opened(open_beneath(descriptor_.get(), name, O_RDONLY | O_DIRECTORY));
  if (!opened.valid()) return failed(errno, "openat");
  return std::make_unique<PosixDirectory>(std::move(opened));
}

Result<void> PosixDirectory::make_directory(std::string_view name) {
  const std::string text(name);
  if (::mkdirat(descriptor_.get(), text.c_str(), private_directory) != 0) {
    return failed(errno, "mkdirat");
  }
  return make_private(descriptor_.get(), name);
}

Result<void> PosixDirectory::list(const std::function<bool(std::string_view)>& each) {
  // A descriptor of its own, since the position belongs to the open file. Not readdir, which
  // allocates 32 KiB for what is a few names at each open of a store.
  const Descriptor own(open_beneath(descriptor_.get(), ".", O_RDONLY | O_DIRECTORY));
  if (!own.valid()) return failed(errno, "openat");
  alignas(dirent64) std::array<char, 8192> buffer;
  for (;;) {
    const ssize_t count = ::getdents64(own.get(), buffer.data(), buffer.size());
    if (count < 0) return failed(errno, "getdents64");
    if (count == 0) return {};
    for (ssize_t at = 0; at < count;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      const std::string_view name(entry->d_name);
      if (name != "." && name != ".." && !each(name)) return {};
    }
  }
}

Result<void> PosixDirectory::sync() {
  if (::fsync(descriptor_.get()) != 0) return failed(errno, "fsync");
  return {};
}

}  // namespace larder::os
