#include "baseline.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

extern "C" {  // the header of version 1.3.1 does not say so itself
#include <blake3.h>
}

namespace larder::bench {
namespace {

constexpr std::size_t digest_bytes = 32;
constexpr std::uint64_t max_file_bytes = (64ull << 20) + digest_bytes;

[[noreturn]] void fail(int os_error, const char* what) {
  throw std::system_error(os_error, std::generic_category(), what);
}

using Digest = std::array<std::uint8_t, digest_bytes>;

Digest blake3(const std::byte* bytes, std::size_t size) {
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, bytes, size);
  Digest digest;
  blake3_hasher_finalize(&hasher, digest.data(), digest.size());
  return digest;
}

// Returns the end of what it wrote.
char* write_hex(char* out, std::span<const std::uint8_t> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
  }
  return out;
}

std::size_t read_all(int file, std::byte* into, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::read(file, into + done, size - done);
    if (count < 0) fail(errno, "baseline: read");
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void write_all(int file, std::span<const std::byte> payload, const Digest& footer) {
  std::array<iovec, 2> pieces = {{{const_cast<std::byte*>(payload.data()), payload.size()},
                                  {const_cast<std::uint8_t*>(footer.data()), footer.size()}}};
  iovec* next = pieces.data();
  iovec* const end = pieces.data() + pieces.size();
  while (next != end) {
    const ssize_t count = ::writev(file, next, static_cast<int>(end - next));
    if (count < 0) fail(errno, "baseline: write");
    auto left = static_cast<std::size_t>(count);
    while (next != end && left >= next->iov_len) left -= (next++)->iov_len;
    if (next == end) break;
    next->iov_base = static_cast<char*>(next->iov_base) + left;
    next->iov_len -= left;
  }
}

}  // namespace

Baseline::Baseline(const std::string& directory)
    : directory_(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (directory_ < 0) fail(errno, "baseline: open directory");
  if (::getrandom(&random_, sizeof random_, 0) != sizeof random_) fail(errno, "getrandom");
}

Baseline::~Baseline() { ::close(directory_); }

Baseline::Name Baseline::name_of(const Fingerprint& fingerprint) {
  Name name;
  std::memcpy(write_hex(name.data(), fingerprint.bytes), ".bin", 5);
  return name;
}

Baseline::Name Baseline::temporary_name() {
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  std::array<std::uint8_t, sizeof random_> bytes;
  std::memcpy(bytes.data(), &random_, sizeof random_);
  Name name;
  std::memcpy(write_hex(name.data(), bytes), ".tmp", 5);
  return name;
}

std::optional<Baseline::Payload> Baseline::get(const Fingerprint& fingerprint) const {
  const Name name = name_of(fingerprint);
  struct stat info;
  if (::fstatat(directory_, name.data(), &info, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || size < digest_bytes || size > max_file_bytes) return std::nullopt;

  const int file = ::openat(directory_, name.data(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  Payload payload{std::make_unique_for_overwrite<std::byte[]>(size), size - digest_bytes};
  const std::size_t got = read_all(file, payload.storage.get(), size);
  ::close(file);
  if (got != size) return std::nullopt;

  const Digest digest = blake3(payload.storage.get(), payload.size);
  const bool good =
      std::memcmp(digest.data(), payload.storage.get() + payload.size, digest.size()) == 0;
  return good ? std::optional(std::move(payload)) : std::nullopt;
}

void Baseline::put(const Fingerprint& fingerprint, std::span<const std::byte> payload) {
  const Digest digest = blake3(payload.data(), payload.size());
  const Name temporary = temporary_name();
  const int file =
      ::openat(directory_, temporary.data(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) fail(errno, "baseline: create");
  write_all(file, payload, digest);
  if (::close(file) != 0) fail(errno, "baseline: close");

  const Name name = name_of(fingerprint);
  if (::renameat(directory_, temporary.data(), directory_, name.data()) != 0) {
    fail(errno, "baseline: rename");
  }
  pending_.push_back(name);
}

void Baseline::flush() {
  for (const Name& name : pending_) {
    const int file = ::openat(directory_, name.data(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) fail(errno, "baseline: reopen");
    if (::fdatasync(file) != 0) fail(errno, "baseline: fdatasync");
    ::close(file);
  }
  pending_.clear();
  if (::fsync(directory_) != 0) fail(errno, "baseline: fsync");
}

}  // namespace larder::bench
