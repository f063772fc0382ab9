// Freezing a disk as a power cut may leave it, and bringing it back.
#include <algorithm>
#include <unordered_map>

#include "memory_disk.h"

namespace larder::testing::memory {
namespace {

// Gives numbers to nodes in the order in which they are come by.
class Numbers {
 public:
  Frozen of(const NodeRef& node) {
    if (!node) return std::nullopt;
    const auto [found, is_new] =
        numbers_.try_emplace(node.get(), static_cast<std::uint32_t>(nodes_.size()));
    if (is_new) nodes_.push_back(node);
    return found->second;
  }

  std::size_t count() const noexcept { return nodes_.size(); }
  NodeRef at(std::size_t number) const { return nodes_[number]; }

 private:
  std::unordered_map<const Node*, std::uint32_t> numbers_;
  std::vector<NodeRef> nodes_;
};

}  // namespace

std::shared_ptr<const FrozenDisk> Disk::freeze() {
  decide_all();
  auto frozen = std::make_shared<FrozenDisk>();
  frozen->options = options_;
  frozen->random = random_;
  frozen->next_inode = next_inode_;
  const std::uint64_t sequence = next_sequence();
  Numbers numbers;
  numbers.of(root_);
  const auto freeze_nodes = [&] {
    for (std::size_t i = frozen->nodes.size(); i < numbers.count(); ++i) {
      const NodeRef node = numbers.at(i);
      FrozenNode& still = frozen->nodes.emplace_back();
      still.info = node->info;
      if (node->info.kind != FileKind::directory) still.file = node->file.freeze(sequence);
      for (const auto& [name, synced] : node->synced) {
        still.names[name] = {.target = numbers.of(synced.target), .sequence = synced.sequence};
      }
    }
  };
  freeze_nodes();
  for (const Change& change : changes_) {
    auto& still = frozen->changes.emplace_back();
    still.sequence = change.sequence;
    still.needs = change.needs;
    for (const auto& effect : change.effects) {
      still.effects.push_back({.directory = numbers.of(effect.directory),
                               .name = effect.name,
                               .target = numbers.of(effect.target)});
    }
    freeze_nodes();
  }
  return frozen;
}

Disk::Disk(std::shared_ptr<const FrozenDisk> origin, CrashChooser choose)
    : options_(origin->options),
      choose_(std::move(choose)),
      random_(origin->random),
      next_inode_(origin->next_inode),
      origin_(std::move(origin)),
      born_(origin_->nodes.size()),
      kept_(origin_->changes.size(), Kept::open) {
  root_ = born(0, nullptr, "/");
  root_->parent = root_;
}

NodeRef Disk::born(std::uint32_t number, const NodeRef& parent, std::string_view name) {
  if (born_[number]) return born_[number];
  const FrozenNode& still = origin_->nodes[number];
  auto node = std::make_shared<Node>(std::string(name), choose_);
  node->info = still.info;
  node->info.link_count = 0;
  node->parent = parent;
  if (still.file) {
    node->file.begin_open(still.file);
  } else {
    node->origin = number;
  }
  born_[number] = node;
  return node;
}

// Whether a change is on disk. What it needs is asked for first.
bool Disk::is_kept(std::size_t number) {
  if (kept_[number] != Kept::open) return kept_[number] == Kept::yes;
  const auto& change = origin_->changes[number];
  const auto& told = change.effects.back();
  bool has_needed = true;
  if (change.needs != 0) {
    const auto maker =
        std::ranges::find(origin_->changes, change.needs, &NameChange<Frozen>::sequence);
    has_needed = maker == origin_->changes.end() ||
                 is_kept(static_cast<std::size_t>(maker - origin_->changes.begin()));
  }
  const CrashChoice choice{.kind = CrashChoice::Kind::name, .name = told.name};
  const bool kept = has_needed && (choose_ ? choose_(choice) != 0 : true);
  kept_[number] = kept ? Kept::yes : Kept::no;
  return kept;
}

// The newest change that is on disk decides.
NodeRef Disk::look_up_on_disk(Node& directory, const std::string& name) {
  const FrozenNode& still = origin_->nodes[*directory.origin];
  const auto synced = still.names.find(name);
  const bool was_synced = synced != still.names.end();
  const std::uint64_t synced_at = was_synced ? synced->second.sequence : 0;
  const Frozen none;
  const Frozen* target = was_synced ? &synced->second.target : &none;
  for (std::size_t i = origin_->changes.size(); i-- > 0;) {
    const auto& change = origin_->changes[i];
    if (change.sequence < synced_at) break;
    const auto effect = std::ranges::find_if(change.effects, [&](const auto& each) {
      return each.directory == directory.origin && each.name == name;
    });
    if (effect == change.effects.end() || !is_kept(i)) continue;
    target = &effect->target;
    break;
  }
  NodeRef node;
  if (*target) {
    node = born(**target, born_[*directory.origin], name);
    ++node->info.link_count;
    directory.synced[name] = {.target = node, .sequence = 0};
  }
  directory.names[name] = node;
  return node;
}

void Disk::settle_rest() {
  choose_ = [](const CrashChoice&) { return std::uint32_t{0}; };
  decide_all();
}

void Disk::decide_all() {
  if (!origin_) return;
  std::vector<NodeRef> left{root_};
  while (!left.empty()) {
    const NodeRef directory = left.back();
    left.pop_back();
    for (const std::string& name : list(*directory)) {
      const NodeRef node = look_up(*directory, name);
      if (node->info.kind == FileKind::directory) {
        left.push_back(node);
      } else {
        node->file.decide_all();
      }
    }
  }
  origin_.reset();
  born_.clear();
  kept_.clear();
}

}  // namespace larder::testing::memory
