// Key files: read and made through the descriptor that was checked, so that nobody can swap the
// file in between. The content never gets into a message.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/hex.h"
#include "base/try.h"
#include "larder/file_system.h"
#include "larder/keys.h"

namespace larder {
namespace {

constexpr std::size_t digits_in_secret = 2 * sizeof(Keys::Secret);
constexpr std::size_t line_bytes = digits_in_secret + 1;
constexpr std::size_t most_bytes = Keys::most_secrets * line_bytes;
constexpr std::uint32_t permissions_of_owner = 0600;
constexpr std::uint32_t root_user = 0;

std::unexpected<Error> bad(const std::string& path, std::string_view what) {
  return std::unexpected(
      Error{.code = Errc::bad_config, .message = path + ": " + std::string(what)});
}

// Bytes that nothing of is left of behind.
struct WipedText {
  std::array<char, most_bytes> bytes = {};
  std::size_t length = 0;

  WipedText() = default;
  WipedText(const WipedText&) = delete;
  WipedText& operator=(const WipedText&) = delete;
  ~WipedText() { ::explicit_bzero(bytes.data(), bytes.size()); }

  std::string_view text() const noexcept { return {bytes.data(), length}; }
};

struct WipedSecrets {
  std::array<Keys::Secret, Keys::most_secrets> secrets = {};
  std::size_t count = 0;

  WipedSecrets() = default;
  WipedSecrets(const WipedSecrets&) = delete;
  WipedSecrets& operator=(const WipedSecrets&) = delete;
  ~WipedSecrets() { ::explicit_bzero(secrets.data(), sizeof secrets); }
};

struct Place {
  std::string directory;
  std::string name;
};

// A shell expands it, and only at the beginning of a word.
std::string_view hint_for(const std::string& path) {
  return path.starts_with('~') ? "; write the path out, as `~` is not expanded" : "";
}

Place place_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return {.directory = ".", .name = path};
  return {.directory = slash == 0 ? "/" : path.substr(0, slash), .name = path.substr(slash + 1)};
}

Result<std::unique_ptr<File>> open_key_file(FileSystem& file_system, const std::string& path) {
  const Place place = place_of(path);
  if (place.name.empty()) return bad(path, "the name of a key file is empty; name a file");
  auto directory = file_system.open_directory(place.directory);
  if (!directory) {
    return bad(path, "the key file cannot be opened: " + directory.error().message +
                         std::string(hint_for(path)));
  }
  auto file = (*directory)->open_file(place.name, OpenMode::read);
  if (file) return file;
  switch (file.error().code) {
    case Errc::absent:
      return bad(path, "there is no such key file; `larder key new FILE` makes one" +
                           std::string(hint_for(path)));
    case Errc::not_ours:
      return bad(path, "a key file must be a regular file and no link; name the file itself");
    default: return bad(path, "the key file cannot be opened: " + file.error().message);
  }
}

Result<void> check_key_file(FileSystem& file_system, const FileInfo& info,
                            const std::string& path) {
  if (info.kind != FileKind::regular) {
    return bad(path, "a key file must be a regular file and no link; name the file itself");
  }
  if (info.owner != file_system.user().effective && info.owner != root_user) {
    return bad(path,
               "the key file belongs to another user; make one of your own with `larder key "
               "new FILE`");
  }
  if ((info.permissions & ~permissions_of_owner) != 0) {
    return bad(path,
               "the key file may be used by others; `chmod 600` it, and make a new key if "
               "somebody may have read it");
  }
  if (info.size_bytes > most_bytes) {
    return bad(path, "too long for a key file, which has 16 lines of 64 hex digits at most");
  }
  return {};
}

bool parse_secret(std::string_view digits, Keys::Secret& secret) noexcept {
  if (digits.size() != digits_in_secret) return false;
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const int high = hex_digit(digits[2 * i]);
    const int low = hex_digit(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    secret[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

// The number of the line that is none, or 0.
std::size_t parse_lines(std::string_view text, WipedSecrets& secrets) noexcept {
  while (!text.empty()) {
    if (secrets.count == secrets.secrets.size()) return secrets.count + 1;
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (!parse_secret(text.substr(0, end), secrets.secrets[secrets.count])) {
      return secrets.count + 1;
    }
    ++secrets.count;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return 0;
}

Result<Keys> read_keys(FileSystem& file_system, const std::string& path) {
  LARDER_TRY(const auto file, open_key_file(file_system, path));
  LARDER_TRY(const FileInfo info, file->info());
  LARDER_CHECK_OK(check_key_file(file_system, info, path));
  WipedText text;
  const auto length =
      file->read_at(std::as_writable_bytes(std::span(text.bytes)).first(info.size_bytes), 0);
  if (!length) return bad(path, "the key file cannot be read: " + length.error().message);
  text.length = *length;
  WipedSecrets secrets;
  if (const std::size_t line = parse_lines(text.text(), secrets); line != 0) {
    return bad(path,
               "line " + std::to_string(line) +
                   " is not 64 lower-case hex digits; `larder key new FILE` makes a key file");
  }
  auto keys = Keys::from_secrets(std::span(secrets.secrets).first(secrets.count));
  if (!keys && keys.error().code == Errc::invalid_argument) return bad(path, keys.error().message);
  return keys;
}

// Two random names, which are 128 bits each.
Result<void> fill_with_secret(FileSystem& file_system, WipedText& text) {
  for (int half = 0; half < 2; ++half) {
    LARDER_TRY(std::string digits, file_system.random_name());
    if (digits.size() != digits_in_secret / 2) {
      return std::unexpected(Error{.code = Errc::io_error, .message = "no random bytes"});
    }
    std::ranges::copy(digits, text.bytes.data() + text.length);
    text.length += digits.size();
    ::explicit_bzero(digits.data(), digits.size());
  }
  text.bytes[text.length++] = '\n';
  return {};
}

Result<void> write_key(FileSystem& file_system, const std::string& path) {
  const Place place = place_of(path);
  if (place.name.empty()) {
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .message = path + ": the name is empty; name a file"});
  }
  WipedText text;
  LARDER_CHECK_OK(fill_with_secret(file_system, text));
  LARDER_TRY(const auto directory, file_system.open_directory(place.directory));
  LARDER_TRY(const auto file, directory->create_file(place.name));
  const auto bytes = std::as_bytes(std::span(text.bytes)).first(text.length);
  auto written = file->write_at(std::span(&bytes, 1), 0);
  if (written) written = file->sync_data();
  if (written) written = file->close();
  // Half a secret helps nobody.
  if (!written) (void)directory->remove_file(place.name);
  if (!written) return written;
  return directory->sync();
}

FileSystem& or_machine(FileSystem* file_system) {
  return file_system == nullptr ? posix_file_system() : *file_system;
}

}  // namespace

Result<Keys> read_key_file(const std::string& path, FileSystem* file_system) {
  return guarded([&] { return read_keys(or_machine(file_system), path); });
}

Result<void> make_key_file(const std::string& path, FileSystem* file_system) {
  return guarded([&]() -> Result<void> {
    auto made = write_key(or_machine(file_system), path);
    if (made || made.error().code == Errc::invalid_argument) return made;
    const bool exists = made.error().code == Errc::exists;
    const bool lacks_folder = made.error().code == Errc::absent;
    if (lacks_folder) made.error().message = "its folder is not there; make it first";
    made.error().message =
        path + ": " +
        (exists ? "is there already, and a key is never overwritten; name another file"
                : made.error().message + "; no key was made");
    return made;
  });
}

}  // namespace larder
