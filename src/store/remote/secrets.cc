#include "store/remote/secrets.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>

#include "base/try.h"
#include "os/environment.h"

namespace larder {
namespace {

constexpr std::size_t longest_file_bytes = 64 * 1024;
constexpr std::uint64_t largest_ca_file_bytes = 16ull << 20;  // a system's has a quarter of one MiB

std::unexpected<Error> wrong(Errc code, const std::string& path, std::string_view what) {
  return std::unexpected(Error{.code = code, .message = path + ": " + std::string(what)});
}

Result<std::unique_ptr<File>> open_at(FileSystem& file_system, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  LARDER_TRY(const auto directory, file_system.open_directory(path.substr(0, slash + 1)));
  return directory->open_file(path.substr(slash + 1), OpenMode::read);
}

// The descriptor that was checked is the one that is read: nobody can swap the file in between.
Result<void> check_private(FileSystem& file_system, const std::string& path, const FileInfo& info) {
  constexpr std::uint64_t root = 0;
  if (info.kind != FileKind::regular || info.size_bytes > longest_file_bytes) {
    return wrong(Errc::invalid_argument, path, "not a small file; name another one");
  }
  if (info.owner != file_system.user().effective && info.owner != root) {
    return wrong(Errc::permission_denied, path, "belongs to another user; make it your own");
  }
  if ((info.permissions & 0077u) != 0) {
    return wrong(Errc::permission_denied, path,
                 "holds a secret and others may read it; chmod 0600 it, and change the secret");
  }
  return {};
}

// Whether one begins in it, as text: what libcurl reads. Blocks overlap by what a seam could hide.
Result<bool> has_certificate(File& file) {
  constexpr std::string_view beginning = " CERTIFICATE-----";  // after BEGIN, or BEGIN TRUSTED
  constexpr std::size_t block_bytes = 64 * 1024;
  std::string block(block_bytes, '\0');
  for (std::uint64_t at = 0; at < largest_ca_file_bytes; at += block_bytes - beginning.size()) {
    LARDER_TRY(const std::size_t length,
               file.read_at(std::as_writable_bytes(std::span(block)), at));
    if (std::string_view(block).substr(0, length).contains(beginning)) return true;
    if (length < block_bytes) break;
  }
  return false;
}

}  // namespace

Result<std::string> read_private_file(FileSystem& file_system, const std::string& path) {
  if (!path.starts_with('/')) {
    // The path may be the secret itself.
    return std::unexpected(
        Error{.code = Errc::invalid_argument,
              .message = "a file with a secret is not named by its whole path; write it from the "
                         "first slash on, as `~` is not expanded"});
  }
  const auto file = open_at(file_system, path);
  if (!file && file.error().code == Errc::absent) {
    return wrong(Errc::invalid_argument, path,
                 "is not there; write the secret into it and chmod 0600 it, or name another file");
  }
  if (!file) {
    return wrong(Errc::invalid_argument, path,
                 "cannot be opened; chown it to the user who runs this, and chmod 0600 it");
  }
  LARDER_TRY(const FileInfo info, (*file)->info());
  LARDER_CHECK_OK(check_private(file_system, path, info));
  std::string text(info.size_bytes, '\0');
  LARDER_TRY(const std::size_t length,
             (*file)->read_at(std::as_writable_bytes(std::span(text)), 0));
  text.resize(length);
  return text;
}

Result<std::string> read_secret_file(FileSystem& file_system, const std::string& path) {
  LARDER_TRY(std::string text, read_private_file(file_system, path));
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty())
    return wrong(Errc::invalid_argument, path, "is empty; write the secret into it");
  return text;
}

Result<std::string> take_ca_file(FileSystem& file_system, Attributes& attributes) {
  auto path = attributes.take("ca-file");
  if (!path) return std::string();
  if (!path->starts_with('/')) {
    // It may be a secret in a wrong place.
    return std::unexpected(
        Error{.code = Errc::invalid_argument,
              .message = "@ca-file names no file by its whole path; write it from the first slash "
                         "on"});
  }
  const auto file = open_at(file_system, *path);
  const auto has = file ? has_certificate(**file) : std::unexpected(file.error());
  if (has && *has) return *std::move(path);
  if (has) {
    return wrong(Errc::invalid_argument, *path,
                 "has no certificate in it, in the form of text that begins with "
                 "-----BEGIN CERTIFICATE-----; name a file that has");
  }
  return wrong(Errc::invalid_argument, *path,
               "cannot be read; @ca-file names certificates that the server's is signed by");
}

Result<std::string> read_secret_variable(const std::string& name) {
  auto value = environment_variable(name.c_str());
  if (!value || value->empty()) {
    return std::unexpected(
        Error{.code = Errc::invalid_argument,  // its name may be the secret itself
              .message = "the variable that @bearer-token-env names is not set; set it"});
  }
  return *std::move(value);
}

}  // namespace larder
