#include "larder/testing/memory_file_system.h"

#include <cerrno>
#include <mutex>

#include "memory_directory.h"
#include "memory_disk.h"
#include "memory_file.h"

namespace larder::testing {
namespace {

using memory::Disk;
using memory::failed;
using memory::NodeRef;

// With the disk locked. A relative path begins at the root.
Result<NodeRef> walk(Disk& disk, std::string_view path, std::string_view operation) {
  if (path.empty()) return failed(ENOENT, operation);
  NodeRef node = disk.root();
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (node->info.kind != FileKind::directory) return failed(ENOTDIR, operation);
    if (name.empty() || name == ".") continue;
    node = name == ".." ? node->parent.lock() : disk.look_up(*node, name);
    if (!node) return failed(ENOENT, operation);
  }
  return node;
}

// Where it came by, without what says nothing.
std::string plain(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (name == ".." && !names.empty()) names.pop_back();
    if (!name.empty() && name != "." && name != "..") names.push_back(name);
  }
  std::string plain;
  for (const std::string_view name : names) plain.append("/").append(name);
  return plain.empty() ? "/" : plain;
}

}  // namespace

MemoryFileSystem::MemoryFileSystem(const MemoryFileSystemOptions& options)
    : disk_(std::make_shared<Disk>(options)) {}
MemoryFileSystem::MemoryFileSystem(std::shared_ptr<memory::Disk> disk) : disk_(std::move(disk)) {}
MemoryFileSystem::~MemoryFileSystem() = default;

void MemoryFileSystem::set_now_s(std::int64_t now_s) {
  const std::scoped_lock lock(disk_->mutex());
  disk_->options().now_s = now_s;
}

CrashPoint MemoryFileSystem::crash_point() {
  const std::scoped_lock lock(disk_->mutex());
  return CrashPoint(disk_->freeze());
}

void MemoryFileSystem::settle_rest() {
  const std::scoped_lock lock(disk_->mutex());
  disk_->settle_rest();
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::crash_clone(std::uint64_t seed,
                                                                unsigned unsynced_percent) {
  return crash_point().open(seed, unsynced_percent);
}

Result<std::unique_ptr<Directory>> MemoryFileSystem::open_directory(std::string_view path) {
  const std::scoped_lock lock(disk_->mutex());
  auto node = walk(*disk_, path, "open_directory");
  if (!node) return std::unexpected(std::move(node).error());
  if ((*node)->info.kind != FileKind::directory) return failed(ENOTDIR, "open_directory");
  return std::make_unique<memory::MemoryDirectory>(disk_, *std::move(node));
}

Result<std::string> MemoryFileSystem::resolve(std::string_view path) {
  const std::scoped_lock lock(disk_->mutex());
  const auto node = walk(*disk_, path, "resolve");
  if (!node) return std::unexpected(node.error());
  return plain(path);
}

Result<std::string> MemoryFileSystem::read_file(std::string_view path, std::size_t max_bytes) {
  const std::scoped_lock lock(disk_->mutex());
  const auto node = walk(*disk_, path, "read_file");
  if (!node) return std::unexpected(node.error());
  if ((*node)->info.kind != FileKind::regular) return failed(EINVAL, "read_file");
  memory::FileData& file = (*node)->file;
  if (file.bytes() > max_bytes) {
    return std::unexpected(Error{.code = Errc::too_large, .message = "read_file: too large"});
  }
  std::string content(file.bytes(), '\0');
  file.read(std::as_writable_bytes(std::span(content)), 0);
  return content;
}

UserInfo MemoryFileSystem::user() {
  const std::scoped_lock lock(disk_->mutex());
  const MemoryFileSystemOptions& options = disk_->options();
  return {.effective = options.user, .descriptor_limit = options.descriptor_limit};
}

Result<std::string> MemoryFileSystem::random_name() {
  const std::scoped_lock lock(disk_->mutex());
  return disk_->random_name();
}

std::int64_t MemoryFileSystem::now_s() {
  const std::scoped_lock lock(disk_->mutex());
  return disk_->options().now_s;
}

}  // namespace larder::testing
