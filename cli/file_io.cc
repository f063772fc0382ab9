#include "file_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/resource.h>
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

constexpr std::string_view not_written = "cannot be written";

std::string_view advice(std::string_view what, int os_error) {
  switch (os_error) {
    case ENOENT: return what == not_written ? "; make its folder first" : "; check the name";
    case EACCES:
    case EPERM: return "; check its owner and mode, and those of its folder";
    case EISDIR: return "; name a file";
    case EROFS: return "; name a place that may be written";
    case ENOSPC:
    case EDQUOT: return "; free some space";
    default: return "";
  }
}

std::unexpected<Error> failed(const std::string& path, std::string_view what, int os_error) {
  return std::unexpected(Error{
      .code = code_of(os_error),
      .os_error = os_error,
      .message =
          fmt::format("{} {}: {}{}", path, what, std::strerror(os_error), advice(what, os_error))});
}

std::unexpected<Error> over_the_cap(const std::string& path, std::uint64_t max_bytes) {
  return std::unexpected(
      Error{.code = Errc::too_large,
            .message = fmt::format("{} is larger than {}, the most that an entry can hold; use it "
                                   "without keeping it",
                                   path, human_bytes(max_bytes))});
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
    return failed(path, not_written, errno);
  }
  temporary = fmt::format("{}.larder-{:016x}.tmp", folder, random);
  Descriptor made(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!made) return failed(path, not_written, errno);
  return made;
}

// Over the limit, SIGXFSZ would end us and leave the temporary file behind.
bool is_over_size_limit(std::uint64_t bytes) {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
         bytes > limit.rlim_cur;
}

Result<void> replace(const std::string& path, std::span<const std::byte> bytes) {
  if (is_over_size_limit(bytes.size())) {
    return failed(path, "cannot be written under this `ulimit -f`", EFBIG);
  }
  std::string temporary;
  auto made = create_beside(path, temporary);
  if (!made) return std::unexpected(std::move(made).error());
  const bool done = write_fully(made->get(), bytes) && made->close() == 0 &&
                    ::rename(temporary.c_str(), path.c_str()) == 0;
  if (done) return {};
  const int os_error = errno;
  ::unlink(temporary.c_str());
  return failed(path, not_written, os_error);
}

// Without O_NONBLOCK a FIFO that nobody reads would hold us for ever. What comes to stand at the
// end of a regular file is behind what others have written there.
Result<void> write_directly(const std::string& path, std::span<const std::byte> bytes) {
  constexpr int flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  Descriptor file(::open(path.c_str(), flags));
  if (!file && errno == ENXIO) {
    return std::unexpected(
        Error{.code = Errc::io_error,
              .os_error = ENXIO,
              .message = path + " has no reader; start one first, or name another file"});
  }
  if (!file || ::fcntl(file.get(), F_SETFL, O_WRONLY | O_APPEND) != 0 ||
      !write_fully(file.get(), bytes) || file.close() != 0) {
    return failed(path, not_written, errno);
  }
  return {};
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr),
                                                        std::free);
  return resolved ? std::string(resolved.get()) : std::string();
}

// With the slash at its end; empty for a bare name.
std::string folder_of(const std::string& path) {
  return path.substr(0, path.find_last_of('/') + 1);
}

// The links below /proc/PID/fd stand for open files. What they seem to lead to is not their place.
bool is_in_proc(const std::string& path) {
  const std::string folder = folder_of(path);
  return real_path(folder.empty() ? "." : folder).starts_with("/proc/");
}

Result<std::string> read_link(const std::string& link) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
  if (length < 0) return failed(link, "cannot be read", errno);
  target.resize(static_cast<std::size_t>(length));
  return target.starts_with('/') ? target : folder_of(link) + target;
}

std::unexpected<Error> leads_nowhere(const std::string& path, const std::string& target) {
  return std::unexpected(Error{.code = Errc::not_ours,
                               .message = fmt::format("{} is a link to {}, which does not exist; "
                                                      "remove the link, or name another file",
                                                      path, target)});
}

// Where to write what is asked for under a name.
enum class PlaceKind {
  file,     // is replaced, or made
  stream,   // is written to as it is
  nothing,  // a link that leads nowhere
};
struct Place {
  PlaceKind kind = PlaceKind::file;
  std::string path;  // at the end of all links
};

Result<Place> place_of(const std::string& path) {
  constexpr int max_links = 40;  // as the kernel counts them
  std::string at = path;
  for (int links = 0; links <= max_links; ++links) {
    if (is_in_proc(at)) return Place{PlaceKind::stream, at};
    struct stat info{};
    if (::lstat(at.c_str(), &info) != 0) {
      if (errno != ENOENT) return failed(path, not_written, errno);
      return Place{links == 0 ? PlaceKind::file : PlaceKind::nothing, at};
    }
    if (S_ISDIR(info.st_mode)) return failed(path, not_written, EISDIR);
    if (S_ISREG(info.st_mode)) return Place{PlaceKind::file, at};
    if (!S_ISLNK(info.st_mode)) return Place{PlaceKind::stream, at};
    auto target = read_link(at);
    if (!target) return std::unexpected(std::move(target).error());
    at = *std::move(target);
  }
  return failed(path, not_written, ELOOP);
}

// Our own standard output under another name: opening it anew would lose its position in a file,
// and a socket cannot be opened at all.
bool is_standard_output(const std::string& path) {
  struct stat named{};
  struct stat ours{};
  if (::stat(path.c_str(), &named) != 0 || ::fstat(STDOUT_FILENO, &ours) != 0) return false;
  const bool kept_open = S_ISREG(named.st_mode) || S_ISSOCK(named.st_mode);
  return kept_open && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino;
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
  if (path == "-") return write_standard_output(bytes);
  const auto place = place_of(path);
  if (!place) return std::unexpected(place.error());
  if (place->kind == PlaceKind::nothing) return leads_nowhere(path, place->path);
  if (place->kind == PlaceKind::file) return replace(place->path, bytes);
  if (is_standard_output(path)) return write_standard_output(bytes);
  return write_directly(path, bytes);
}

Result<void> check_replaceable(const std::string& path) {
  const auto place = place_of(path);
  if (!place) return std::unexpected(place.error());
  if (place->kind != PlaceKind::stream) return {};
  return std::unexpected(
      Error{.code = Errc::not_ours,
            .message = path + " is not a regular file; move it away, or name another OUT"});
}

Result<void> write_in_place_of(const std::string& path, std::span<const std::byte> bytes) {
  const auto free = check_replaceable(path);
  return free ? replace(path, bytes) : free;
}

Result<void> write_standard_output(std::span<const std::byte> bytes) {
  if (!write_fully(STDOUT_FILENO, bytes)) {
    return failed("standard output", not_written, errno);
  }
  return {};
}

Result<void> remove_old_output(const std::string& path) {
  if (auto replaceable = check_replaceable(path); !replaceable) return replaceable;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return failed(path, "cannot be removed", errno);
  }
  return {};
}

}  // namespace larder::cli
