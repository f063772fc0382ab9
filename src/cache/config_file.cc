#include "cache/config_file.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "base/try.h"

namespace larder {
namespace {

constexpr std::size_t max_file_bytes = 64 * 1024;
constexpr std::string_view store_config_name = "larder.conf";
constexpr std::string_view known_keys[] = {"dir",     "max_size", "disable", "readonly", "must_hit",
                                           "refresh", "log",      "remote",  "key_file"};
constexpr std::string_view reserved_keys[] = {"namespace"};

std::unexpected<Error> bad(std::string_view origin, std::string_view what) {
  return std::unexpected(
      Error{.code = Errc::bad_config, .message = std::string(origin) + ": " + std::string(what)});
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blank = " \t\r";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

Result<void> parse_line(std::string_view line, const std::string& origin, ConfigLayer& layer) {
  line = trim(line);
  if (line.empty() || line.starts_with('#')) return {};
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return bad(origin, "`" + std::string(line) + "` is not of the form `key = value`");
  }
  const std::string key(trim(line.substr(0, equals)));
  LARDER_CHECK_OK(check_key(key, origin));
  layer[key] = {.value = std::string(trim(line.substr(equals + 1))), .origin = origin};
  return {};
}

// The descriptor that was checked is the one that is read: nobody can swap the file in between.
Result<std::string> read_checked(FileSystem& file_system, File& file, const std::string& path) {
  LARDER_TRY(const FileInfo info, file.info());
  if (info.kind != FileKind::regular) return bad(path, "not a regular file; move it away");
  // Root could change this process anyway; an administrator may configure everybody's stores.
  constexpr std::uint64_t root = 0;
  const bool trusted = info.owner == file_system.user().effective || info.owner == root;
  const bool writable_by_others = (info.permissions & 0022u) != 0;
  if (!trusted || writable_by_others) {
    return bad(path,
               "belongs to another user or is writable by others, and is not obeyed; make it your "
               "own with mode 0600, or remove it");
  }
  if (info.size_bytes > max_file_bytes) return bad(path, "longer than 64 KiB; shorten it");
  std::string text(info.size_bytes, '\0');
  LARDER_TRY(const std::size_t length, file.read_at(std::as_writable_bytes(std::span(text)), 0));
  text.resize(length);
  return text;
}

}  // namespace

Result<void> check_key(std::string_view key, std::string_view origin) {
  if (std::ranges::find(known_keys, key) != std::end(known_keys)) return {};
  if (std::ranges::find(reserved_keys, key) != std::end(reserved_keys)) {
    return bad(origin, "`" + std::string(key) + "` is not in this version; remove the setting");
  }
  return bad(origin, "`" + std::string(key) +
                         "` is no setting; the settings are dir, max_size, disable, readonly, "
                         "must_hit, refresh, log, remote and key_file");
}

Result<ConfigLayer> parse_config(std::string_view text, std::string_view path) {
  ConfigLayer layer;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string origin = std::string(path) + ":" + std::to_string(number);
    LARDER_CHECK_OK(parse_line(text.substr(0, end), origin, layer));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return layer;
}

Result<ConfigLayer> read_config_file(FileSystem& file_system, const std::string& path) {
  auto text = file_system.read_file(path, max_file_bytes);
  if (text) return parse_config(*text, path);
  const Errc code = text.error().code;
  const bool none =
      code == Errc::absent || code == Errc::not_ours || code == Errc::permission_denied;
  if (none) return ConfigLayer{};
  return bad(path, "cannot be read: " + text.error().message);
}

Result<ConfigLayer> read_store_config(FileSystem& file_system, const std::string& directory) {
  // A directory that cannot be opened is for the store to complain about, in its own words.
  auto opened = file_system.open_directory(directory);
  if (!opened) return ConfigLayer{};
  const std::string path = directory + "/" + std::string(store_config_name);
  auto file = (*opened)->open_file(store_config_name, OpenMode::read);
  if (!file) {
    if (file.error().code == Errc::absent) return ConfigLayer{};
    return bad(path, "cannot be read: " + file.error().message + "; mend it, or remove it");
  }
  LARDER_TRY(const std::string text, read_checked(file_system, **file, path));
  LARDER_TRY(ConfigLayer layer, parse_config(text, path));
  if (const auto dir = layer.find("dir"); dir != layer.end()) {
    return bad(dir->second.origin, "a store cannot say where the store is; remove `dir`");
  }
  // A store may come with a checkout or from another machine: it must not choose files elsewhere
  // that whoever looks into it then writes.
  if (const auto log = layer.find("log"); log != layer.end()) {
    return bad(log->second.origin,
               "a store cannot name a file outside itself; remove `log` and set LARDER_LOG");
  }
  if (const auto remote = layer.find("remote"); remote != layer.end()) {
    return bad(remote->second.origin,
               "a store cannot say whom to speak to; remove `remote` and set LARDER_REMOTE");
  }
  // Whoever writes into the store is whom a key protects from.
  if (const auto key = layer.find("key_file"); key != layer.end()) {
    return bad(key->second.origin,
               "a store cannot say which key is to be believed; remove `key_file` and set "
               "LARDER_KEY_FILE");
  }
  return layer;
}

}  // namespace larder
