#include "os/posix_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "base/try.h"
#include "os/posix_error.h"
#include "os/posix_mapping.h"

namespace larder::os {
namespace {

FileKind kind_of(mode_t mode) noexcept {
  if (S_ISREG(mode)) return FileKind::regular;
  if (S_ISDIR(mode)) return FileKind::directory;
  if (S_ISLNK(mode)) return FileKind::link;
  return FileKind::other;
}

// Pieces that write_at takes in one call; put has four.
constexpr std::size_t max_pieces = 8;

// Drops the first `written` bytes of the vector and returns the elements that are left.
std::span<iovec> advance(std::span<iovec> pieces, std::size_t written) noexcept {
  while (!pieces.empty() && written >= pieces.front().iov_len) {
    written -= pieces.front().iov_len;
    pieces = pieces.subspan(1);
  }
  if (!pieces.empty()) {
    pieces.front().iov_base = static_cast<char*>(pieces.front().iov_base) + written;
    pieces.front().iov_len -= written;
  }
  return pieces;
}

// The kernel answers a write over the limit with SIGXFSZ, which ends a host that does not expect
// it. (What is left is a thread that lowers the limit between this look and the write.) Not
// no_space: no eviction would make room.
Result<void> check_size_limit(std::uint64_t end) {
  rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  if (end <= limit.rlim_cur) return {};
  return std::unexpected(Error{.code = Errc::too_large,
                               .os_error = EFBIG,
                               .message = "over the file size limit of the process (" +
                                          std::to_string(limit.rlim_cur) +
                                          " bytes); raise it with `ulimit -f`"});
}

Result<void> fallocate_range(int descriptor, int mode, std::uint64_t bytes) {
  while (::fallocate(descriptor, mode, 0, static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return failed(errno, "fallocate");
  }
  return {};
}

bool is_unsupported(const Result<void>& result) noexcept {
  return !result && result.error().code == Errc::unsupported;
}

// btrfs writes every page to a new place, so that on a full disk the second write into a mapping
// raises SIGBUS, however well the file was allocated; a file of this flag stays where it is. Only
// an empty file can get the flag. Others refuse it, and do not need it.
void ask_for_writes_in_place(int descriptor) noexcept {
  int flags = 0;
  if (::ioctl(descriptor, FS_IOC_GETFLAGS, &flags) != 0 || (flags & FS_NOCOW_FL) != 0) return;
  flags |= FS_NOCOW_FL;
  ::ioctl(descriptor, FS_IOC_SETFLAGS, &flags);
}

std::uint64_t total_bytes(std::span<const iovec> pieces) noexcept {
  std::uint64_t bytes = 0;
  for (const iovec& piece : pieces) bytes += piece.iov_len;
  return bytes;
}

struct flock lock_range(short type, std::uint64_t offset, std::uint64_t length) noexcept {
  struct flock range = {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = static_cast<off_t>(length);
  return range;
}

}  // namespace

FileInfo info_from(const struct stat& status) noexcept {
  constexpr std::uint64_t block_bytes = 512;  // what st_blocks counts, whatever st_blksize says
  return {.kind = kind_of(status.st_mode),
          .device = status.st_dev,
          .inode = status.st_ino,
          .size_bytes = static_cast<std::uint64_t>(status.st_size),
          .disk_bytes = static_cast<std::uint64_t>(status.st_blocks) * block_bytes,
          .link_count = status.st_nlink,
          .owner = status.st_uid,
          .permissions = status.st_mode & 07777u,
          .modified_s = status.st_mtim.tv_sec};
}

Result<FileInfo> info_of(int descriptor) {
  struct stat status;
  if (::fstat(descriptor, &status) != 0) return failed(errno, "fstat");
  return info_from(status);
}

Result<FileInfo> PosixFile::info() { return info_of(descriptor_.get()); }

Result<std::size_t> PosixFile::read_at(std::span<std::byte> into, std::uint64_t offset) {
  std::size_t filled = 0;
  while (filled < into.size()) {
    const ssize_t count = ::pread(descriptor_.get(), into.data() + filled, into.size() - filled,
                                  static_cast<off_t>(offset + filled));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(errno, "pread");
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  return filled;
}

// One call where the file has it all; else piece by piece, which finds its end.
Result<std::size_t> PosixFile::read_pieces_at(std::span<const std::span<std::byte>> pieces,
                                              std::uint64_t offset) {
  if (pieces.size() > max_pieces) return failed(EINVAL, "preadv");
  std::array<iovec, max_pieces> vectors;
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    vectors[i] = {pieces[i].data(), pieces[i].size()};
    wanted += pieces[i].size();
  }
  const ssize_t count = ::preadv(descriptor_.get(), vectors.data(), static_cast<int>(pieces.size()),
                                 static_cast<off_t>(offset));
  if (count >= 0 && static_cast<std::size_t>(count) == wanted) return wanted;
  return File::read_pieces_at(pieces, offset);
}

Result<void> PosixFile::write_at(std::span<const std::span<const std::byte>> pieces,
                                 std::uint64_t offset) {
  if (pieces.size() > max_pieces) return failed(EINVAL, "pwritev");
  std::array<iovec, max_pieces> vectors;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    vectors[i] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
  }
  std::span<iovec> rest = advance(std::span(vectors).first(pieces.size()), 0);
  const std::uint64_t end = offset + total_bytes(rest);
  if (!rest.empty() && end > allowed_end_.load(std::memory_order_relaxed)) {
    LARDER_CHECK_OK(check_size_limit(end));
  }
  while (!rest.empty()) {
    const ssize_t count = ::pwritev(descriptor_.get(), rest.data(), static_cast<int>(rest.size()),
                                    static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(errno, "pwritev");
    if (count == 0) return failed(EIO, "pwritev");  // no progress: never spin
    offset += static_cast<std::uint64_t>(count);
    rest = advance(rest, static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> PosixFile::reserve(std::uint64_t bytes) {
  LARDER_CHECK_OK(check_size_limit(bytes));
  allowed_end_.store(bytes, std::memory_order_relaxed);
  return fallocate_range(descriptor_.get(), FALLOC_FL_KEEP_SIZE, bytes);
}

Result<void> PosixFile::trim(std::uint64_t end_bytes) {
  LARDER_TRY(const FileInfo now, info());
  const std::uint64_t kept = std::min(end_bytes, now.size_bytes);
  // Also to the size it has: ext4, xfs, btrfs and tmpfs free what lies beyond, and nothing else.
  while (::ftruncate(descriptor_.get(), static_cast<off_t>(kept)) != 0) {
    if (errno != EINTR) return failed(errno, "ftruncate");
  }
  return {};
}

Result<void> PosixFile::allocate(std::uint64_t bytes) {
  ask_for_writes_in_place(descriptor_.get());
  // The blocks first and the size after them: on a full disk ext4 would leave a file that is as
  // long as the disk had room for.
  auto allocated = reserve(bytes);
  // nfs can do the one without the other.
  if (allocated || is_unsupported(allocated)) {
    allocated = fallocate_range(descriptor_.get(), 0, bytes);
  }
  return is_unsupported(allocated) ? write_zeros(bytes) : allocated;
}

Result<void> PosixFile::write_zeros(std::uint64_t bytes) {
  static constexpr std::array<std::byte, 65536> zeros = {};
  LARDER_TRY(const FileInfo now, info());
  for (std::uint64_t at = now.size_bytes; at < bytes; at += zeros.size()) {
    const auto piece = std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), bytes - at));
    LARDER_CHECK_OK(write_at(std::span(&piece, 1), at));
  }
  return {};
}

Result<std::unique_ptr<Mapping>> PosixFile::map(OpenMode mode, std::uint64_t bytes) {
  return map_file(descriptor_.get(), mode, bytes);
}

Result<void> PosixFile::start_writeback() {
  if (::sync_file_range(descriptor_.get(), 0, 0, SYNC_FILE_RANGE_WRITE) != 0) {
    return failed(errno, "sync_file_range");
  }
  return {};
}

Result<void> PosixFile::sync_data() {
  if (::fdatasync(descriptor_.get()) != 0) return failed(errno, "fdatasync");
  return {};
}

Result<void> PosixFile::touch() {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
  if (::futimens(descriptor_.get(), times) != 0) return failed(errno, "futimens");
  return {};
}

Result<bool> PosixFile::try_lock(LockMode mode, std::uint64_t offset, std::uint64_t length) {
  // Open-file-description locks: not dropped when another descriptor of the file is closed, and not
  // shared between two opens in one process.
  struct flock range = lock_range(mode == LockMode::shared ? F_RDLCK : F_WRLCK, offset, length);
  if (::fcntl(descriptor_.get(), F_OFD_SETLK, &range) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  return failed(errno, "fcntl(F_OFD_SETLK)");
}

Result<void> PosixFile::unlock(std::uint64_t offset, std::uint64_t length) {
  struct flock range = lock_range(F_UNLCK, offset, length);
  if (::fcntl(descriptor_.get(), F_OFD_SETLK, &range) != 0) {
    return failed(errno, "fcntl(F_OFD_SETLK)");
  }
  return {};
}

Result<bool> PosixFile::is_locked(std::uint64_t offset, std::uint64_t length) {
  // The question of a writer, which every lock stands against. Only taking a lock needs a file
  // opened for it.
  struct flock range = lock_range(F_WRLCK, offset, length);
  if (::fcntl(descriptor_.get(), F_OFD_GETLK, &range) != 0) {
    return failed(errno, "fcntl(F_OFD_GETLK)");
  }
  return range.l_type != F_UNLCK;
}

Result<void> PosixFile::close() {
  // Never retried on EINTR: Linux has released the descriptor by then.
  if (::close(descriptor_.release()) != 0 && errno != EINTR) return failed(errno, "close");
  return {};
}

}  // namespace larder::os
