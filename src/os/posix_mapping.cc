#include "os/posix_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "os/posix_error.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22  // Linux 5.14; older headers lack it
#endif

namespace larder::os {
namespace {

// The last page of a file may be touched beyond the file's end.
std::uint64_t round_up_to_page(std::uint64_t bytes) noexcept {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

std::uint64_t round_down_to_page(std::uint64_t bytes) noexcept {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes / page * page;
}

Result<void> populate(std::span<std::byte> bytes) {
  // EAGAIN: a page was taken away or its file was cut during the walk; the next walk says which.
  for (int attempt = 0; ::madvise(bytes.data(), bytes.size(), MADV_POPULATE_READ) != 0; ++attempt) {
    const int error = errno;
    if ((error == EINTR || error == EAGAIN) && attempt < 16) continue;
    // Every one of them means that the bytes cannot be had, ENOMEM and EPERM too.
    Error refused = error_of(error, "madvise(MADV_POPULATE_READ)");
    refused.code = Errc::io_error;
    return std::unexpected(std::move(refused));
  }
  return {};
}

// Where the kernel cannot say what a touch would do, a read brings the same pages into memory and
// answers a lost page or a bad sector with an error.
Result<void> read_through(int descriptor, std::uint64_t begin, std::uint64_t end) {
  std::array<std::byte, 16384> unused;
  while (begin < end) {
    const std::size_t wanted = std::min<std::uint64_t>(unused.size(), end - begin);
    const ssize_t count = ::pread(descriptor, unused.data(), wanted, static_cast<off_t>(begin));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      Error refused = error_of(errno, "pread");
      refused.code = Errc::io_error;
      return std::unexpected(std::move(refused));
    }
    if (count == 0) return failed(EFAULT, "pread (the file is shorter than its mapping)");
    begin = std::min(end, round_up_to_page(begin + static_cast<std::uint64_t>(count)));
  }
  return {};
}

class PosixMapping final : public Mapping {
 public:
  PosixMapping(std::span<std::byte> bytes, Descriptor reader) noexcept
      : bytes_(bytes), reader_(std::move(reader)) {}
  ~PosixMapping() override { ::munmap(bytes_.data(), bytes_.size()); }

  bool has_reader() const noexcept { return reader_.valid(); }

  std::span<std::byte> bytes() const noexcept override { return bytes_; }

  Result<void> check(std::uint64_t offset, std::uint64_t length) override {
    if (offset > bytes_.size() || length > bytes_.size() - offset) {
      return failed(EFAULT, "check (beyond the mapping)");
    }
    if (length == 0) return {};
    const std::uint64_t begin = round_down_to_page(offset);
    if (reader_.valid()) return read_through(reader_.get(), begin, offset + length);
    return populate(bytes_.subspan(begin, offset + length - begin));
  }

 private:
  std::span<std::byte> bytes_;
  Descriptor reader_;  // only where madvise cannot populate
};

// A length of 0 asks whether the kernel knows the advice.
bool can_populate(void* mapped) noexcept { return ::madvise(mapped, 0, MADV_POPULATE_READ) == 0; }

}  // namespace

Result<std::unique_ptr<Mapping>> map_file(int descriptor, OpenMode mode, std::uint64_t bytes) {
  const int access = mode == OpenMode::read ? PROT_READ : PROT_READ | PROT_WRITE;
  void* const mapped = ::mmap(nullptr, bytes, access, MAP_SHARED, descriptor, 0);
  if (mapped == MAP_FAILED) {
    const int error = errno;
    // What file systems without shared mappings (9p and FUSE without a cache) answer.
    const bool cannot = error == ENODEV || (error == EINVAL && bytes > 0);
    return failed(cannot ? EOPNOTSUPP : error, "mmap");
  }
  const bool populates = can_populate(mapped);
  Descriptor reader(populates ? -1 : ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  const int error = errno;
  auto mapping = std::make_unique<PosixMapping>(std::span(static_cast<std::byte*>(mapped), bytes),
                                                std::move(reader));
  if (!populates && !mapping->has_reader()) return failed(error, "fcntl(F_DUPFD_CLOEXEC)");
  return mapping;
}

}  // namespace larder::os
