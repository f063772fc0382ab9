#include "store/directory/sweep.h"

#include <string>
#include <vector>

#include "format/entry_name.h"

namespace larder::store_directory {
namespace {

void sweep_one(StoreDirectory& directory, Directory& root, std::string_view name,
               const Logger& log) {
  const auto warn = [&](const std::string& why) {
    if (!log) return;
    log(LogLevel::warning, directory.path() + "/" + std::string(name) +
                               ": a leftover that cannot be removed: " + why + "; remove it");
  };
  auto file = root.open_file(name, OpenMode::read_write);
  if (!file) {
    if (file.error().code != Errc::absent) warn(file.error().message);
    return;
  }
  const auto info = (*file)->info();
  if (!info) return warn(info.error().message);
  if (info->kind != FileKind::regular || !directory.trusts(info->owner)) {
    return warn("not a file of yours");
  }
  const auto locked = (*file)->try_lock(LockMode::exclusive, 0, 0);
  if (!locked) return warn(locked.error().message);
  if (!*locked) return;  // its writer lives
  const auto removed = root.remove_file(name);
  if (!removed && removed.error().code != Errc::absent) warn(removed.error().message);
}

}  // namespace

void sweep_leftovers(StoreDirectory& directory, const Logger& log) {
  const auto root = directory.reader();
  if (directory.read_only() || !root || *root == nullptr) return;
  std::vector<std::string> names;
  const auto listed = (*root)->list([&names](std::string_view name) {
    if (format::is_temporary_name(name)) names.emplace_back(name);
    return true;
  });
  if (!listed && log) {
    log(LogLevel::warning, directory.path() + ": cannot be listed: " + listed.error().message);
  }
  for (const std::string& name : names) sweep_one(directory, **root, name, log);
}

}  // namespace larder::store_directory
