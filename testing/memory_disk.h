// The nodes and names of a file system in memory, the changes of names that no sync has covered,
// and what is open after a crash. memory_disk.cc has what programs do, memory_crash.cc the crash.
#ifndef LARDER_TESTING_MEMORY_DISK_H_
#define LARDER_TESTING_MEMORY_DISK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "larder/testing/memory_file_system.h"
#include "memory_file_data.h"
#include "memory_locks.h"

namespace larder::testing::memory {

// SplitMix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t operator()() noexcept {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t word = state_;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
    return word ^ (word >> 31);
  }

 private:
  std::uint64_t state_;
};

struct Node;
using NodeRef = std::shared_ptr<Node>;

// What a name leads to on disk, and the number of the change that made it so.
template <class Target>
struct SyncedName {
  Target target = {};
  std::uint64_t sequence = 0;
};

// A change of one name, or of two at once. An empty target: the name goes.
template <class Target>
struct NameChange {
  struct Effect {
    Target directory = {};
    std::string name;
    Target target = {};
  };
  std::uint64_t sequence = 0;
  std::vector<Effect> effects;
  // Of a rename: the change that gave the moved name to its file; 0 when that is on disk. Without
  // it there is nothing to move.
  std::uint64_t needs = 0;
};

// By number in a frozen disk.
using Frozen = std::optional<std::uint32_t>;

struct FrozenNode {
  FileInfo info;
  std::string name;
  std::shared_ptr<const FileHistory> file;  // null: a directory
  std::map<std::string, SyncedName<Frozen>> names;
};

struct FrozenDisk {
  MemoryFileSystemOptions options;
  Random random{0};
  std::uint64_t next_inode = 0;
  std::vector<FrozenNode> nodes;  // the root first
  std::vector<NameChange<Frozen>> changes;
};

struct Node {
  Node(std::string name, const CrashChooser& choose) : file(std::move(name), choose) {}

  FileInfo info;               // but for the sizes of a file, which `file` knows
  std::weak_ptr<Node> parent;  // of a directory
  FileData file;
  std::uint64_t reserved_bytes = 0;
  bool was_anonymous = false;
  RangeLocks locks;

  // As programs see them. In a directory that came out of a crash: null for a name that is known
  // to be absent; what is not there is still open.
  std::map<std::string, NodeRef, std::less<>> names;
  std::map<std::string, SyncedName<NodeRef>, std::less<>> synced;
  Frozen origin;  // while names are open
};

// Call everything with mutex() held, but for construction.
class Disk {
 public:
  explicit Disk(const MemoryFileSystemOptions& options);
  Disk(std::shared_ptr<const FrozenDisk> origin, CrashChooser choose);

  std::mutex& mutex() noexcept { return mutex_; }
  MemoryFileSystemOptions& options() noexcept { return options_; }
  const NodeRef& root() const noexcept { return root_; }
  std::uint64_t next_sequence() noexcept { return ++sequence_; }
  std::string random_name();

  // Without a name yet.
  NodeRef make(FileKind kind, std::string name);

  NodeRef look_up(Node& directory, std::string_view name);  // null: there is none
  std::vector<std::string> list(Node& directory);

  void add(const NodeRef& directory, std::string_view name, const NodeRef& node);
  void remove(const NodeRef& directory, std::string_view name);
  // The name is there; whatever has the other one loses it.
  void move(const NodeRef& directory, std::string_view name, const NodeRef& to,
            std::string_view to_name);
  void sync(const NodeRef& directory);

  FileInfo info_of(Node& node);

  // Decides all that is open.
  std::shared_ptr<const FrozenDisk> freeze();
  void decide_all();
  // As it was last synced.
  void settle_rest();

 private:
  using Change = NameChange<NodeRef>;
  enum class Kept : std::uint8_t { open, no, yes };

  void set_name(Node& directory, std::string_view name, const NodeRef& node);
  void settle(std::size_t change);
  std::uint64_t maker_of(const Node& directory, std::string_view name) const;

  NodeRef born(std::uint32_t number, const NodeRef& parent, std::string_view name);
  NodeRef look_up_on_disk(Node& directory, const std::string& name);
  bool is_kept(std::size_t change);

  std::mutex mutex_;
  MemoryFileSystemOptions options_;
  CrashChooser choose_;
  Random random_;
  std::uint64_t next_inode_ = 1;
  std::uint64_t sequence_ = 0;
  NodeRef root_;
  std::vector<Change> changes_;  // that no sync has covered, oldest first

  std::shared_ptr<const FrozenDisk> origin_;  // null: nothing is open
  std::vector<NodeRef> born_;                 // by number in origin_
  std::vector<Kept> kept_;                    // changes of origin_
};

// The errors of an interface that knows errno.
std::unexpected<Error> failed(int os_error, std::string_view operation);

}  // namespace larder::testing::memory

#endif  // LARDER_TESTING_MEMORY_DISK_H_
