// An open file by its descriptor.
#ifndef LARDER_OS_POSIX_FILE_H_
#define LARDER_OS_POSIX_FILE_H_

#include <sys/stat.h>

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
  Result<void> write_at(std::span<const std::span<const std::byte>> pieces,
                        std::uint64_t offset) override;
  Result<void> reserve(std::uint64_t bytes) override;
  Result<void> start_writeback() override;
  Result<void> sync_data() override;
  Result<void> touch() override;
  Result<bool> try_lock(LockMode mode, std::uint64_t offset, std::uint64_t length) override;
  Result<void> unlock(std::uint64_t offset, std::uint64_t length) override;
  Result<void> close() override;

  int descriptor() const noexcept { return descriptor_.get(); }

 private:
  Descriptor descriptor_;
};

}  // namespace larder::os

#endif  // LARDER_OS_POSIX_FILE_H_
