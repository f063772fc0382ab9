// Checks what a store needs, one line each. Never changes anything but for one probe entry, which
// it removes again.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "commands/check.h"
#include "commands/commands.h"
#include "descriptor.h"
#include "document.h"
#include "log_sink.h"
#include "terminal.h"
#include "text.h"
#include "variables.h"

namespace larder::cli {
namespace {

std::string_view word_of(Health health) {
  switch (health) {
    case Health::ok: return "ok";
    case Health::warn: return "warn";
    case Health::fail: break;
  }
  return "fail";
}

Colour colour_of(Health health) {
  if (health == Health::ok) return Colour::green;
  return health == Health::warn ? Colour::yellow : Colour::red;
}

Check check_home() {
  for (const char* name : {"XDG_CACHE_HOME", "HOME"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value == '/') {
      return {Health::ok, "home", fmt::format("{} is {}", name, value)};
    }
  }
  return {Health::warn, "home",
          "neither XDG_CACHE_HOME nor HOME is an absolute path; every store must be named"};
}

Check check_settings(const Config& config) {
  std::string finding;
  for (const auto& [key, value, origin] : config.settings) {
    if (origin == "default") continue;
    finding += fmt::format("{}{} = {} ({})", finding.empty() ? "" : ", ", key, value, origin);
  }
  const bool idle = config.disabled;
  if (idle) return {Health::warn, "settings", finding + "; the cache is off, unset `disable`"};
  const std::string unknown = unknown_variables(config);
  if (!unknown.empty()) {
    return {Health::warn, "settings", finding + (finding.empty() ? "" : "; ") + unknown};
  }
  return {Health::ok, "settings", finding.empty() ? "all default" : finding};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The first put makes the directory below the nearest parent that there is.
Check check_parent(const std::string& directory) {
  std::string parent = parent_of(directory);
  struct stat info{};
  while (::stat(parent.c_str(), &info) != 0) {
    if (errno != ENOENT || parent == "/" || parent == ".") {
      return {Health::fail, "directory", fmt::format("{}: {}", parent, std::strerror(errno))};
    }
    parent = parent_of(parent);
  }
  const std::string missing = directory + " does not exist";
  if (::access(parent.c_str(), W_OK | X_OK) != 0) {
    return {Health::fail, "directory",
            fmt::format("{}, and cannot be made in {} ({}); name another one", missing, parent,
                        std::strerror(errno))};
  }
  const bool is_trusted = info.st_uid == ::geteuid() || info.st_uid == 0;
  const bool is_open = (info.st_mode & 0002u) != 0 && (info.st_mode & S_ISVTX) == 0;
  if (!is_trusted || is_open) {
    return {Health::warn, "directory",
            fmt::format("{}; {}, where it would be made, {}, who could put another in its place",
                        missing, parent,
                        is_open ? "may be written by others" : "belongs to another user")};
  }
  return {Health::warn, "directory", missing + "; the first put makes it"};
}

Check check_directory(const std::string& directory, bool is_read_only) {
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) {
    if (errno == ENOENT) return check_parent(directory);
    return {Health::fail, "directory", fmt::format("{}: {}", directory, std::strerror(errno))};
  }
  if (!S_ISDIR(info.st_mode)) {
    return {Health::fail, "directory", directory + " is no directory; name another one"};
  }
  const bool is_shared = is_read_only && info.st_uid == 0;
  if (info.st_uid != ::geteuid() && !is_shared) {
    return {
        Health::fail, "directory",
        fmt::format("{} belongs to user {}; name a directory of your own", directory, info.st_uid)};
  }
  const unsigned mode = info.st_mode & 07777u;
  if ((mode & 0022u) != 0) {
    return {
        Health::fail, "directory",
        fmt::format("{} may be written by others (mode {:04o}); chmod 0700 it", directory, mode)};
  }
  const int wanted = is_read_only ? R_OK | X_OK : R_OK | W_OK | X_OK;
  if (::access(directory.c_str(), wanted) != 0) {
    return {Health::fail, "directory",
            fmt::format("{} may not be {} by you (mode {:04o}); chmod 0700 it{}", directory,
                        is_read_only ? "read" : "written", mode,
                        is_read_only ? "" : ", or set readonly")};
  }
  if ((mode & 0077u) != 0) {
    return {
        Health::warn, "directory",
        fmt::format("{} may be read by others (mode {:04o}); chmod 0700 it unless that is meant",
                    directory, mode)};
  }
  return {Health::ok, "directory", fmt::format("{} (mode {:04o})", directory, mode)};
}

struct KnownFileSystem {
  std::uint32_t magic;
  const char* name;
  Health health;
};

// The numbers of statfs(2); linux/magic.h lacks some of them.
constexpr KnownFileSystem known_file_systems[] = {
    {0xEF53, "ext4", Health::ok},        {0x58465342, "xfs", Health::ok},
    {0x9123683E, "btrfs", Health::ok},   {0x2FC12FC1, "zfs", Health::ok},
    {0x794C7630, "overlay", Health::ok}, {0xF2F52010, "f2fs", Health::ok},
    {0x01021994, "tmpfs", Health::warn}, {0x6969, "nfs", Health::warn},
    {0xFF534D42, "cifs", Health::warn},  {0xFE534D42, "smb", Health::warn},
    {0x65735546, "fuse", Health::warn},  {0x01021997, "9p", Health::warn},
};

Check check_file_system(const std::string& directory) {
  struct statfs info{};
  if (::statfs(directory.c_str(), &info) != 0) {
    return {Health::fail, "file system", fmt::format("{}: {}", directory, std::strerror(errno))};
  }
  for (const auto& [magic, name, health] : known_file_systems) {
    if (static_cast<std::uint32_t>(info.f_type) != magic) continue;
    if (health == Health::ok) return {health, "file system", name};
    const bool in_memory = std::string_view(name) == "tmpfs";
    return {
        health, "file system",
        fmt::format("{}: {}", name,
                    in_memory ? "what it holds is gone after a restart; put a store that should "
                                "last on a disk"
                              : "a network file system is slow, and its flush may promise less; "
                                "prefer a local disk")};
  }
  return {Health::ok, "file system",
          fmt::format("type {:#x}", static_cast<std::uint32_t>(info.f_type))};
}

Check check_anonymous_files(const std::string& directory) {
  const Descriptor file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file) return {Health::ok, "temporaries", "files without a name (O_TMPFILE) are supported"};
  return {Health::warn, "temporaries",
          fmt::format("no files without a name here ({}); a crash may leave temporary files, which "
                      "the next open removes",
                      std::strerror(errno))};
}

Check check_space(const std::string& directory, const Context& context, std::uint64_t held_bytes) {
  struct statvfs info{};
  if (::statvfs(directory.c_str(), &info) != 0) {
    return {Health::fail, "space", fmt::format("{}: {}", directory, std::strerror(errno))};
  }
  const std::uint64_t free_bytes = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  const std::string free_text = human_bytes(free_bytes) + " free";
  if (!context.config.max_size_bytes) return {Health::ok, "space", free_text + ", no size limit"};
  const std::uint64_t limit = *context.config.max_size_bytes;
  const std::uint64_t to_come = limit - std::min(limit, held_bytes);
  if (free_bytes >= to_come) {
    return {Health::ok, "space", fmt::format("{}, limit {}", free_text, human_bytes(limit))};
  }
  return {Health::warn, "space",
          fmt::format("{}, but the store may still grow by {}; lower max_size or free space",
                      free_text, human_bytes(to_come))};
}

Result<void> probe(Store& store, const Fingerprint& fingerprint) {
  const auto bytes = std::as_bytes(std::span(fingerprint.bytes));
  if (auto stored = store.put(fingerprint, bytes); !stored) return stored;
  if (auto flushed = store.flush(); !flushed) return flushed;
  auto found = store.get(fingerprint);
  if (!found) return std::unexpected(std::move(found).error());
  const bool same = found->has_value() && std::ranges::equal((*found)->bytes(), bytes);
  if (!same) {
    return std::unexpected(Error{.code = Errc::corrupt,
                                 .message = "what was put did not come back; this disk or memory "
                                            "cannot be trusted"});
  }
  return {};
}

Check check_probe(Store& store) {
  const Fingerprint fingerprint = random_fingerprint();
  const auto probed = probe(store, fingerprint);
  const auto removed = store.remove(fingerprint);
  if (!probed) return {Health::fail, "probe", probed.error().message};
  if (!removed) return {Health::fail, "probe", removed.error().message};
  return {Health::ok, "probe", "an entry was put, flushed, read back and removed"};
}

std::uint64_t held_by(Store& store) {
  const auto held = store.prune({}, DryRun::yes);
  return held ? held->kept_bytes : 0;
}

// Opening a store for writing removes what dead writers have left, and warns about what it cannot.
Check check_leftovers(Warnings& warnings) {
  const auto told = warnings.all();
  if (told.empty()) return {Health::ok, "leftovers", "none"};
  return {Health::warn, "leftovers",
          fmt::format("{} warning{}, the last: {}", told.size(), told.size() == 1 ? "" : "s",
                      told.back())};
}

Check check_key(const Keys& keys, Store& store) {
  std::uint64_t others = 0;
  const auto visited = store.visit([&](const EntryInfo& entry) {
    others += entry.other_key ? 1 : 0;
    return Visit::go_on;
  });
  if (!visited) return {Health::warn, "key", visited.error().message};
  const std::string finding =
      keys.empty() ? "none: accidents are detected, attackers are not"
                   : fmt::format("entries are made with {}", key_id_text(keys.ids().front()));
  if (others == 0) return {Health::ok, "key", finding};
  return {Health::warn, "key",
          fmt::format("{}; {} of another key {} here: is this the right key file?", finding,
                      entries_text(others), others == 1 ? "is a miss" : "are misses")};
}

void check_store(const Context& given, std::vector<Check>& checks) {
  Warnings warnings;
  const Context context = listening(given, warnings);
  auto store = open_for_writing(context);
  if (!store) {
    checks.push_back({Health::fail, "store", store.error().message});
    return;
  }
  const std::string& directory = context.config.location.directory;
  checks.push_back({Health::ok, "store", (*store)->describe()});
  if (::access(directory.c_str(), F_OK) != 0) return;
  checks.push_back(check_leftovers(warnings));
  checks.push_back(check_entries(**store));
  checks.push_back(check_key(context.keys, **store));
  checks.push_back(check_file_system(directory));
  checks.push_back(check_anonymous_files(directory));
  checks.push_back(check_space(directory, context, held_by(**store)));
  if (context.config.read_only) {
    checks.push_back({Health::ok, "probe", "left out: the settings say read-only"});
  } else if (context.config.must_hit) {
    checks.push_back({Health::ok, "probe", "left out: must_hit is set, so nothing is written"});
  } else {
    checks.push_back(check_probe(**store));
  }
}

void print(Format format, const std::vector<Check>& checks) {
  if (format == Format::json) {
    Document list = Document::list();
    for (const auto& [health, name, finding, failure] : checks) {
      list.append(Document::object()
                      .set("check", name)
                      .set("state", word_of(health))
                      .set("finding", finding));
    }
    list.print();
    return;
  }
  for (const auto& [health, name, finding, failure] : checks) {
    fmt::print("{}{:<{}}{:<13}{}\n", coloured(colour_of(health), word_of(health)), "",
               6 - word_of(health).size(), name, printable(finding));
  }
}

int report(Format format, const std::vector<Check>& checks) {
  print(format, checks);
  ExitCode code = exit_ok;
  std::size_t failed = 0;
  for (const Check& check : checks) {
    if (check.health != Health::fail) continue;
    ++failed;
    if (code != exit_refused) code = check.failure;  // what is wrong here comes first
  }
  if (failed == 0) return exit_ok;
  return fail(code, fmt::format("{} of {} checks failed; each one says above what to do", failed,
                                checks.size()));
}

}  // namespace

Fingerprint random_fingerprint() {
  Fingerprint fingerprint;
  if (::getrandom(fingerprint.bytes.data(), fingerprint.bytes.size(), 0) < 0) return {};
  return fingerprint;
}

int run_doctor_without(const Options& options, const Error& settings_error) {
  const bool homeless = settings_error.code == Errc::no_home;
  std::vector<Check> checks;
  if (!homeless) checks.push_back(check_home());
  checks.push_back({Health::fail, homeless ? "home" : "settings", settings_error.message});
  return report(options.format, checks);
}

int run_doctor(const Context& context) {
  std::vector<Check> checks = {
      check_home(), check_settings(context.config),
      check_directory(context.config.location.directory,
                      context.config.read_only || context.config.must_hit)};
  check_store(context, checks);
  check_remotes(context, checks);
  return report(context.options.format, checks);
}

}  // namespace larder::cli
