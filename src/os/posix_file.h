// An open file by its descriptor.
#ifndef LARDER_OS_POSIX_FILE_H_
#define LARDER_OS_POSIX_FILE_H_

#include <sys/stat.h>

#include <atomic>

#include "larder/file_system.h"
#include "os/descriptor.h"

namespace larder::os {

FileInfo info_from(const struct stat& status) noexcept;

// fstat, as a FileInfo.
Result<FileInfo> info_of(int descriptor);

class PosixFile final : public File {
 public:
  explicit PosixFile(Descriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  Result<FileInfo> info() override;
  Result<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override;
  Result<std::size_t> read_pieces_at(std::span<const std::span<std::byte>> pieces,
                                     std::uint64_t offset) override;
  Result<void> write_at(std::span<const std::span<const std::byte>> pieces,
                        std::uint64_t offset) override;
  Result<void> reserve(std::uint64_t bytes) override;
  Result<void> trim(std::uint64_t end_bytes) override;
  Result<void> allocate(std::uint64_t bytes) override;
  Result<std::unique_ptr<Mapping>> map(OpenMode mode, std::uint64_t bytes) override;
  Result<void> start_writeback() override;
  Result<void> sync_data() override;
  Result<void> touch() override;
  Result<bool> try_lock(LockMode mode, std::uint64_t offset, std::uint64_t length) override;
  Result<void> unlock(std::uint64_t offset, std::uint64_t length) override;
  Result<bool> is_locked(std::uint64_t offset, std::uint64_t length) override;
  Result<void> close() override;

  int descriptor() const noexcept { return descriptor_.get(); }

 private:
  // Zeros from the present end to `bytes`, where the file system cannot allocate without writing.
  Result<void> write_zeros(std::uint64_t bytes);

  Descriptor descriptor_;

  // Up to where reserve() has found the process's file size limit to allow writes. A write below it
  // asks no more: it is a system call of its own, and an append to a segment has few others. A host
  // that lowers its limit below what it has open meets SIGXFSZ, as it would in files of its own.
  std::atomic<std::uint64_t> allowed_end_ = 0;
};

}  // namespace larder::os

#endif  // LARDER_OS_POSIX_FILE_H_
