#include "memory_directory.h"

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "memory_file.h"

namespace larder::testing::memory {
namespace {

constexpr std::size_t longest_name = 255;

bool is_directory(const NodeRef& node) noexcept { return node->info.kind == FileKind::directory; }

int wrong_name(std::string_view name) noexcept {
  if (name.empty()) return ENOENT;
  if (name.size() > longest_name) return ENAMETOOLONG;
  return name == "." || name == ".." ? EXDEV : 0;
}

}  // namespace

// With the disk locked.
Result<MemoryDirectory::Place> MemoryDirectory::find(std::string_view path,
                                                     std::string_view operation) const {
  NodeRef directory = node_;
  const std::size_t slash = path.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view folder = path.substr(0, slash);
    if (const int wrong = wrong_name(folder)) return failed(wrong, operation);
    directory = disk_->look_up(*node_, folder);
    if (!directory) return failed(ENOENT, operation);
    if (!is_directory(directory)) return failed(ENOTDIR, operation);
    path.remove_prefix(slash + 1);
  }
  if (const int wrong = wrong_name(path)) return failed(wrong, operation);
  if (path.contains('/')) return failed(EINVAL, operation);
  NodeRef node = disk_->look_up(*directory, path);
  return Place{.directory = std::move(directory), .name = path, .node = std::move(node)};
}

std::unique_ptr<File> MemoryDirectory::open(const NodeRef& node, OpenMode mode) const {
  return std::make_unique<MemoryFile>(disk_, node, mode);
}

Result<std::unique_ptr<File>> MemoryDirectory::create(const Place& place) const {
  const NodeRef made = disk_->make(FileKind::regular, std::string(place.name));
  disk_->add(place.directory, place.name, made);
  return open(made, OpenMode::read_write);
}

Result<FileInfo> MemoryDirectory::info() {
  const std::scoped_lock lock(disk_->mutex());
  return disk_->info_of(*node_);
}

Result<FileInfo> MemoryDirectory::info_at(std::string_view path) {
  const std::scoped_lock lock(disk_->mutex());
  const auto place = find(path, "info_at");
  if (!place) return std::unexpected(place.error());
  if (!place->node) return failed(ENOENT, "info_at");
  return disk_->info_of(*place->node);
}

Result<SpaceInfo> MemoryDirectory::space() {
  const std::scoped_lock lock(disk_->mutex());
  return SpaceInfo{.free_bytes = disk_->options().free_bytes,
                   .total_bytes = disk_->options().total_bytes};
}

Result<std::string> MemoryDirectory::file_system_type() {
  const std::scoped_lock lock(disk_->mutex());
  return disk_->options().type;
}

Result<std::unique_ptr<File>> MemoryDirectory::open_file(std::string_view path, OpenMode mode) {
  const std::scoped_lock lock(disk_->mutex());
  const auto place = find(path, "open_file");
  if (!place) return std::unexpected(place.error());
  if (!place->node) return failed(ENOENT, "open_file");
  if (is_directory(place->node) && mode != OpenMode::read) return failed(EISDIR, "open_file");
  return open(place->node, mode);
}

Result<std::unique_ptr<File>> MemoryDirectory::open_or_create_file(std::string_view name) {
  const std::scoped_lock lock(disk_->mutex());
  const auto place = find(name, "open_or_create_file");
  if (!place) return std::unexpected(place.error());
  if (!place->node) return create(*place);
  if (is_directory(place->node)) return failed(EISDIR, "open_or_create_file");
  return open(place->node, OpenMode::read_write);
}

Result<std::unique_ptr<File>> MemoryDirectory::create_anonymous() {
  const std::scoped_lock lock(disk_->mutex());
  const NodeRef made = disk_->make(FileKind::regular, "(anonymous)");
  made->was_anonymous = true;
  return open(made, OpenMode::read_write);
}

Result<std::unique_ptr<File>> MemoryDirectory::create_file(std::string_view name) {
  const std::scoped_lock lock(disk_->mutex());
  const auto place = find(name, "create_file");
  if (!place) return std::unexpected(place.error());
  if (place->node) return failed(EEXIST, "create_file");
  return create(*place);
}

Result<void> MemoryDirectory::link(File& file, std::string_view name) {
  const auto* const ours = dynamic_cast<MemoryFile*>(&file);
  const NodeRef node = ours == nullptr ? nullptr : ours->node_on(*disk_);
  if (!node) return failed(EXDEV, "link");
  const std::scoped_lock lock(disk_->mutex());
  const auto place = find(name, "link");
  if (!place) return std::unexpected(place.error());
  if (place->node) return failed(EEXIST, "link");
  // A file that was removed gets no name again.
  if (node->info.link_count == 0 && !node->was_anonymous) return failed(ENOENT, "link");
  node->was_anonymous = false;
  disk_->add(place->directory, place->name, node);
  return {};
}

// With the disk locked.
Result<void> MemoryDirectory::check_rename(const Place& from, const Place& to,
                                           Overwrite overwrite) const {
  if (!from.node) return failed(ENOENT, "rename");
  if (to.node && overwrite == Overwrite::no) return failed(EEXIST, "rename");
  if (to.node == from.node) return {};
  if (is_directory(from.node)) {
    NodeRef above = to.directory;
    while (above != disk_->root() && above != from.node) above = above->parent.lock();
    if (above == from.node) return failed(EINVAL, "rename");
    if (to.node && !is_directory(to.node)) return failed(ENOTDIR, "rename");
    if (to.node && !disk_->list(*to.node).empty()) return failed(ENOTEMPTY, "rename");
  } else if (to.node && is_directory(to.node)) {
    return failed(EISDIR, "rename");
  }
  return {};
}

Result<void> MemoryDirectory::rename(std::string_view name, Directory& to, std::string_view to_name,
                                     Overwrite overwrite) const {
  auto* const target = dynamic_cast<MemoryDirectory*>(&to);
  if (target == nullptr || target->disk_ != disk_) return failed(EXDEV, "rename");
  const std::scoped_lock lock(disk_->mutex());
  const auto from = find(name, "rename");
  if (!from) return std::unexpected(from.error());
  const auto into = target->find(to_name, "rename");
  if (!into) return std::unexpected(into.error());
  if (auto checked = check_rename(*from, *into, overwrite); !checked) return checked;
  disk_->move(from->directory, from->name, into->directory, into->name);
  return {};
}

Result<void> MemoryDirectory::rename_over(std::string_view name, Directory& to,
                                          std::string_view to_name) {
  return rename(name, to, to_name, Overwrite::yes);
}

Result<void> MemoryDirectory::rename_no_replace(std::string_view name, Directory& to,
                                                std::string_view to_name) {
  return rename(name, to, to_name, Overwrite::no);
}

Result<void> MemoryDirectory::remove_file(std::string_view path) {
  const std::scoped_lock lock(disk_->mutex());
  const auto place = find(path, "remove_file");
  if (!place) return std::unexpected(place.error());
  if (!place->node) return failed(ENOENT, "remove_file");
  if (is_directory(place->node)) return failed(EISDIR, "remove_file");
  disk_->remove(place->directory, place->name);
  return {};
}

Result<std::unique_ptr<Directory>> MemoryDirectory::open_directory(std::string_view name) {
  const std::scoped_lock lock(disk_->mutex());
  if (name == ".") return std::make_unique<MemoryDirectory>(disk_, node_);
  const auto place = find(name, "open_directory");
  if (!place) return std::unexpected(place.error());
  if (!place->node) return failed(ENOENT, "open_directory");
  if (!is_directory(place->node)) return failed(ENOTDIR, "open_directory");
  return std::make_unique<MemoryDirectory>(disk_, place->node);
}

Result<void> MemoryDirectory::make_directory(std::string_view name) {
  const std::scoped_lock lock(disk_->mutex());
  const auto place = find(name, "make_directory");
  if (!place) return std::unexpected(place.error());
  if (place->node) return failed(EEXIST, "make_directory");
  disk_->add(place->directory, place->name, disk_->make(FileKind::directory, std::string(name)));
  return {};
}

// The callback may use the file system: names are gathered first.
Result<void> MemoryDirectory::list(const std::function<bool(std::string_view)>& each) {
  std::vector<std::string> names;
  {
    const std::scoped_lock lock(disk_->mutex());
    names = disk_->list(*node_);
  }
  for (const std::string& name : names) {
    if (!each(name)) break;
  }
  return {};
}

Result<void> MemoryDirectory::sync() {
  const std::scoped_lock lock(disk_->mutex());
  disk_->sync(node_);
  return {};
}

}  // namespace larder::testing::memory
