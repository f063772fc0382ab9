#include "memory_disk.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "larder/testing/fault_file_system.h"

namespace larder::testing::memory {
namespace {

constexpr std::uint64_t device = 1;
constexpr std::uint64_t directory_bytes = 4096;

}  // namespace

std::unexpected<Error> failed(int os_error, std::string_view operation) {
  // A miss is the ordinary case, and composes no text.
  if (os_error == ENOENT) {
    return std::unexpected(Error{.code = Errc::absent, .os_error = os_error, .message = "absent"});
  }
  return std::unexpected(
      Error{.code = code_of(os_error),
            .os_error = os_error,
            .message = std::string(operation) + ": " + std::generic_category().message(os_error)});
}

Disk::Disk(const MemoryFileSystemOptions& options) : options_(options), random_(options.seed) {
  root_ = make(FileKind::directory, "/");
  root_->info.owner = 0;
  root_->info.permissions = 0755;
  root_->parent = root_;
}

std::string Disk::random_name() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string name;
  for (int half = 0; half < 2; ++half) {
    const std::uint64_t word = random_();
    for (int shift = 60; shift >= 0; shift -= 4) name += digits[(word >> shift) & 15];
  }
  return name;
}

NodeRef Disk::make(FileKind kind, std::string name) {
  auto node = std::make_shared<Node>(std::move(name), choose_);
  node->info = {.kind = kind,
                .device = device,
                .inode = next_inode_++,
                .owner = options_.user,
                .permissions = kind == FileKind::directory ? 0700u : 0600u,
                .modified_s = options_.now_s};
  return node;
}

NodeRef Disk::look_up(Node& directory, std::string_view name) {
  if (const auto found = directory.names.find(name); found != directory.names.end()) {
    return found->second;
  }
  if (!directory.origin) return nullptr;
  return look_up_on_disk(directory, std::string(name));
}

std::vector<std::string> Disk::list(Node& directory) {
  if (directory.origin) {
    const std::uint32_t number = *directory.origin;
    for (const auto& [name, target] : origin_->nodes[number].names) look_up(directory, name);
    for (const auto& change : origin_->changes) {
      for (const auto& effect : change.effects) {
        if (effect.directory == number) look_up(directory, effect.name);
      }
    }
    directory.origin.reset();
    std::erase_if(directory.names, [](const auto& each) { return each.second == nullptr; });
  }
  std::vector<std::string> names;
  for (const auto& [name, node] : directory.names) {
    if (node) names.push_back(name);
  }
  return names;
}

void Disk::set_name(Node& directory, std::string_view name, const NodeRef& node) {
  const auto found = directory.names.find(name);
  if (found != directory.names.end() && found->second) --found->second->info.link_count;
  if (node) ++node->info.link_count;
  directory.info.modified_s = options_.now_s;
  if (!node && !directory.origin) {
    if (found != directory.names.end()) directory.names.erase(found);
  } else if (found != directory.names.end()) {
    found->second = node;
  } else {
    directory.names.emplace(name, node);
  }
}

// The pending change that gave the name to what has it; 0 when that is on disk.
std::uint64_t Disk::maker_of(const Node& directory, std::string_view name) const {
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    for (const auto& effect : change->effects) {
      if (effect.directory.get() == &directory && effect.name == name) return change->sequence;
    }
  }
  return 0;
}

void Disk::add(const NodeRef& directory, std::string_view name, const NodeRef& node) {
  Change change{.sequence = next_sequence(), .effects = {}};
  change.effects.push_back({.directory = directory, .name = std::string(name), .target = node});
  changes_.push_back(std::move(change));
  set_name(*directory, name, node);
  if (node->info.kind == FileKind::directory) node->parent = directory;
}

void Disk::remove(const NodeRef& directory, std::string_view name) {
  Change change{.sequence = next_sequence(), .effects = {}};
  change.effects.push_back({.directory = directory, .name = std::string(name), .target = nullptr});
  changes_.push_back(std::move(change));
  set_name(*directory, name, nullptr);
}

void Disk::move(const NodeRef& directory, std::string_view name, const NodeRef& to,
                std::string_view to_name) {
  const NodeRef node = look_up(*directory, name);
  // As POSIX has it: of two links to one file, neither goes.
  if (node == look_up(*to, to_name)) return;
  Change change{.sequence = next_sequence(), .effects = {}, .needs = maker_of(*directory, name)};
  change.effects.push_back({.directory = directory, .name = std::string(name), .target = nullptr});
  change.effects.push_back({.directory = to, .name = std::string(to_name), .target = node});
  changes_.push_back(std::move(change));
  set_name(*to, to_name, node);
  set_name(*directory, name, nullptr);
  if (node->info.kind == FileKind::directory) node->parent = to;
}

// On disk, whatever older changes of the same names become of.
void Disk::settle(std::size_t number) {
  const Change& change = changes_[number];
  for (const auto& effect : change.effects) {
    auto& synced = effect.directory->synced[effect.name];
    if (synced.sequence > change.sequence) continue;
    synced = {.target = effect.target, .sequence = change.sequence};
  }
}

void Disk::sync(const NodeRef& directory) {
  std::vector<bool> covered(changes_.size(), false);
  for (std::size_t i = changes_.size(); i-- > 0;) {
    const Change& change = changes_[i];
    covered[i] = covered[i] || std::ranges::any_of(change.effects, [&](const auto& effect) {
                   return effect.directory == directory;
                 });
    if (!covered[i] || change.needs == 0) continue;
    const auto maker = std::ranges::find(changes_, change.needs, &Change::sequence);
    if (maker != changes_.end()) covered[static_cast<std::size_t>(maker - changes_.begin())] = true;
  }
  std::vector<Change> left;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (covered[i]) {
      settle(i);
    } else {
      left.push_back(std::move(changes_[i]));
    }
  }
  changes_ = std::move(left);
  if (!changes_.empty()) return;
  // Names that are gone are kept only against older changes.
  std::erase_if(directory->synced, [](const auto& each) { return !each.second.target; });
}

FileInfo Disk::info_of(Node& node) {
  FileInfo info = node.info;
  if (info.kind == FileKind::directory) {
    info.size_bytes = directory_bytes;
    info.disk_bytes = directory_bytes;
    return info;
  }
  info.size_bytes = node.file.bytes();
  info.disk_bytes = pages_for(std::max(info.size_bytes, node.reserved_bytes)) * page_bytes;
  return info;
}

}  // namespace larder::testing::memory
