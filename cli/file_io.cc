#include "file_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "descriptor.h"
#include "text.h"

namespace larder::cli {
namespace {

Errc code_of(int os_error) {
  switch (os_error) {
    case ENOENT: return Errc::absent;
    case EACCES:
    case EPERM: return Errc::permission_denied;
    case EROFS: return Errc::read_only;
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    default: return Errc::io_error;
  }
}

std::unexpected<Error> failed(const std::string& path, std::string_view what, int os_error) {
  return std::unexpected(
      Error{.code = code_of(os_error),
            .os_error = os_error,
            .message = fmt::format("{} {}: {}", path, what, std::strerror(os_error))});
}

std::unexpected<Error> over_the_cap(const std::string& path, std::uint64_t max_bytes) {
  return std::unexpected(
      Error{.code = Errc::too_large,
            .message = fmt::format("{} is larger than {}, the most that an entry can hold", path,
                                   human_bytes(max_bytes))});
}

// As many bytes as there are, up to the size of `into`; -1 and errno otherwise.
ssize_t read_fully(int descriptor, std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::read(descriptor, into.data() + done, into.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

bool write_fully(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

// A pipe does not say how much is to come.
Result<Artifact> read_stream(int descriptor, const std::string& path, std::uint64_t max_bytes) {
  constexpr std::size_t piece_bytes = 1u << 20;
  auto bytes = std::make_shared<std::vector<std::byte>>();
  for (;;) {
    const std::size_t before = bytes->size();
    bytes->resize(before + piece_bytes);
    const ssize_t got = read_fully(descriptor, std::span(*bytes).subspan(before));
    if (got < 0) return failed(path, "cannot be read", errno);
    bytes->resize(before + static_cast<std::size_t>(got));
    if (bytes->size() > max_bytes) return over_the_cap(path, max_bytes);
    if (static_cast<std::size_t>(got) < piece_bytes) break;
  }
  return Artifact(bytes, *bytes);
}

Result<Artifact> read_regular(int descriptor, const std::string& path, std::uint64_t size_bytes,
                              std::uint64_t max_bytes) {
  if (size_bytes > max_bytes) return over_the_cap(path, max_bytes);
  auto buffer = ArtifactBuffer::allocate(size_bytes);
  if (!buffer) return std::unexpected(std::move(buffer).error());
  const ssize_t got = read_fully(descriptor, buffer->bytes());
  if (got < 0) return failed(path, "cannot be read", errno);
  std::byte more{};
  const bool grew = read_fully(descriptor, std::span(&more, 1)) != 0;
  if (grew || static_cast<std::uint64_t>(got) != size_bytes) {
    return std::unexpected(
        Error{.code = Errc::io_error,
              .message = path + " changed while it was read; try again when nobody writes it"});
  }
  return std::move(*buffer).share(0, size_bytes);
}

// The umask decides about the final mode, as it does for any new file.
Result<Descriptor> create_beside(const std::string& path, std::string& temporary) {
  const std::size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random) {
    return failed(path, "cannot be written", errno);
  }
  temporary = fmt::format("{}.larder-{:016x}.tmp", folder, random);
  Descriptor made(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!made) return failed(path, "cannot be written", errno);
  return made;
}

Result<void> replace(const std::string& path, std::span<const std::byte> bytes) {
  std::string temporary;
  auto made = create_beside(path, temporary);
  if (!made) return std::unexpected(std::move(made).error());
  const bool done = write_fully(made->get(), bytes) && made->close() == 0 &&
                    ::rename(temporary.c_str(), path.c_str()) == 0;
  if (done) return {};
  const int os_error = errno;
  ::unlink(temporary.c_str());
  return failed(path, "cannot be written", os_error);
}

// Waiting for a reader of a FIFO could take for ever; a pipe that has one is written at its pace.
Result<void> write_directly(const std::string& path, std::span<const std::byte> bytes) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file && errno == ENXIO) {
    return std::unexpected(
        Error{.code = Errc::io_error,
              .os_error = ENXIO,
              .message = path + " has no reader; start the reader first, or name a file"});
  }
  if (!file || ::fcntl(file.get(), F_SETFL, 0) != 0 || !write_fully(file.get(), bytes) ||
      file.close() != 0) {
    return failed(path, "cannot be written", errno);
  }
  return {};
}

// Where a link leads to, so that the link stays; the path itself when it is none.
std::string target_of(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr),
                                                        std::free);
  return resolved ? std::string(resolved.get()) : path;
}

Result<void> check_replaceable(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) return {};
  return std::unexpected(
      Error{.code = Errc::not_ours,
            .message = path + " is not a regular file; move it away, or name another OUT"});
}

}  // namespace

Result<Artifact> read_payload(const std::string& path, std::uint64_t max_bytes) {
  if (path == "-") return read_stream(STDIN_FILENO, "standard input", max_bytes);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0) return failed(path, "cannot be read", errno);
  if (S_ISDIR(info.st_mode)) return failed(path, "cannot be read", EISDIR);
  if (!S_ISREG(info.st_mode)) return read_stream(file.get(), path, max_bytes);
  return read_regular(file.get(), path, static_cast<std::uint64_t>(info.st_size), max_bytes);
}

Result<Artifact> read_made_file(const std::string& path, std::uint64_t max_bytes) {
  const Descriptor file(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat info{};
  if (!file && errno != ELOOP) return failed(path, "cannot be read", errno);
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return std::unexpected(
        Error{.code = Errc::not_ours, .message = path + " is not a regular file"});
  }
  return read_regular(file.get(), path, static_cast<std::uint64_t>(info.st_size), max_bytes);
}

Result<void> write_output(const std::string& path, std::span<const std::byte> bytes) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return replace(path, bytes);
  if (S_ISDIR(info.st_mode)) return failed(path, "cannot be written", EISDIR);
  if (!S_ISREG(info.st_mode)) return write_directly(path, bytes);
  return replace(target_of(path), bytes);
}

Result<void> write_in_place_of(const std::string& path, std::span<const std::byte> bytes) {
  const auto free = check_replaceable(path);
  return free ? replace(path, bytes) : free;
}

Result<void> write_standard_output(std::span<const std::byte> bytes) {
  if (!write_fully(STDOUT_FILENO, bytes)) {
    return failed("standard output", "cannot be written", errno);
  }
  return {};
}

Result<void> remove_old_output(const std::string& path) {
  if (auto free = check_replaceable(path); !free) return free;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
    return failed(path, "cannot be removed", errno);
  }
  return {};
}

}  // namespace larder::cli
