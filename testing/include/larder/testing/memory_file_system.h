// A strict file system in memory, and what a power cut would leave of it: for our tests, and for
// embedders who want to see their own programs recover.
//
//   larder::testing::MemoryFileSystem disk;
//   auto store = larder::open_pack_store({.directory = "/store", .file_system = &disk});
//   ...
//   auto found = disk.crash_clone(seed, 50);  // what the machine finds when it comes back
//   auto again = larder::open_pack_store({.directory = "/store", .file_system = found.get()});
//
// Crash model. Everything that POSIX does not promise may go wrong, each thing for itself:
//   * File::sync_data makes a file's bytes and its size durable; of its name it says nothing.
//     Until then each sector of 512 bytes may be on disk as it was at the last sync, as it is, or
//     as any write between has left it, and so may the size. Bytes that are not on disk although
//     the size is read as zeros; what was cut off does not come back when the file grows again.
//   * Where a size is on disk that ends within a block of 4096 bytes, what was written behind it
//   may
//     stand in the rest of that block. Nobody reads it, and a program that makes the file longer
//     sees zeros; but until the block is written or cut off at its end, and until that is synced,
//     another power cut may leave the new size, and what stood there in its place.
//   * Directory::sync makes the names in that directory durable; of the bytes behind them, and of
//     the directory's own name, it says nothing. Until then each creation, link, rename and removal
//     may be on disk or not, whatever became of those before and after it. A rename is one change:
//     both of its names or neither; it is durable when either directory was synced.
//   * What is written through a mapping is unsynced data of the file. It is looked at when an
//     operation asks (a sync, a crash), so that a value that stood there only in between is not
//     seen. Modification times are always kept; locks, mappings and open files never are.
//
// Two stores on one MemoryFileSystem see each other as two processes would: locks belong to open
// files. What differs from a real machine: nothing can be larger than memory, the disk never
// fills up (FaultFileSystem says so where you want it), there are no links but hard ones, blocks
// count as allocated up to the size or what was reserved, the clock stands still until it is set,
// and touching a mapping beyond the end of the file gives zeros instead of a signal.
#ifndef LARDER_TESTING_MEMORY_FILE_SYSTEM_H_
#define LARDER_TESTING_MEMORY_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "larder/file_system.h"

namespace larder::testing {

namespace memory {
class Disk;
struct FrozenDisk;
}  // namespace memory

struct MemoryFileSystemOptions {
  std::string type = "ext4";               // what file_system_type() says
  std::uint64_t seed = 1;                  // of random_name()
  std::int64_t now_s = 1700000000;         // until set_now_s()
  std::uint64_t free_bytes = 1ull << 40;   // what space() says
  std::uint64_t total_bytes = 1ull << 40;  // the same
  std::uint32_t user = 1000;               // whom everything but "/" belongs to
  std::uint64_t descriptor_limit = 1024;   // what user() says; not enforced
};

// One thing that a power cut leaves to chance.
struct CrashChoice {
  enum class Kind {
    name,    // one creation, link, rename or removal: 0 = not on disk, 1 = on disk
    size,    // of a file
    sector,  // 512 bytes of a file, at `offset`
    tail,    // of a file: what stands behind its size in its last block
  };
  Kind kind = Kind::name;
  std::string name = {};       // the new name or the removed one; of a file, the one it is known by
  std::uint64_t offset = 0;    // of the sector
  std::uint32_t outcomes = 2;  // at least 2; 0 is always as it was last synced
  std::uint32_t now = 1;       // the outcome that is as it was when power went
};

// Says which outcome it is: less than `outcomes`. Must not use the file system.
using CrashChooser = std::function<std::uint32_t(const CrashChoice&)>;

class MemoryFileSystem;

// A moment at which power might go: everything that is on disk, and everything that may be. Cheap
// to copy, and independent of the file system that it was taken from.
class CrashPoint {
 public:
  // Equal for two moments that no power cut tells apart. 64 bits of a hash that is not
  // cryptographic.
  std::uint64_t hash() const;

  // What is left to chance, as far as it matters when all the rest is on disk.
  std::vector<CrashChoice> pending() const;

  // The file system after the power cut. Each choice is put to `choose` when what it decides is
  // first looked at, and stays open until then: so a test that tries both outcomes of what was
  // asked has tried every combination of all the rest as well. What is still open when another
  // crash point is taken is asked then.
  std::unique_ptr<MemoryFileSystem> open(CrashChooser choose) const;

  // The same with everything decided at once: each thing that was not synced is on disk with
  // that probability. 0: exactly what was synced; 100: everything.
  std::unique_ptr<MemoryFileSystem> open(std::uint64_t seed, unsigned unsynced_percent) const;

 private:
  friend class MemoryFileSystem;
  explicit CrashPoint(std::shared_ptr<const memory::FrozenDisk> disk) : disk_(std::move(disk)) {}

  std::shared_ptr<const memory::FrozenDisk> disk_;
};

// What was asked, and what was answered.
struct CrashDecision {
  CrashChoice choice;
  std::uint32_t outcome = 0;
};
using CrashDecisions = std::vector<CrashDecision>;

// "name LARDER 1/2, sector state+512 0/3": for messages.
std::string describe(const CrashDecisions& decisions);

// Whether it is tried what a write has left that others followed; else only what was synced last,
// and what is there now.
enum class Between { tried, left_out };

struct ExploreOptions {
  std::uint64_t most_states = 10000;
  Between between = Between::tried;
};

struct Exploration {
  std::uint64_t states = 0;
  bool is_complete = true;  // false: there are more than `most_states`, or `look` asked to stop
};
enum class Look { go_on, stop };

// Calls `look` with one file system after another, until every state that a power cut at that
// moment may leave was looked at, as far as `look` can tell them apart. `look` has to do the same
// each time it sees the same. The decisions are those made so far, and go on growing while `look`
// uses the file system.
Exploration explore_crashes(
    const CrashPoint& point, const ExploreOptions& options,
    const std::function<Look(MemoryFileSystem&, const CrashDecisions&)>& look);

// Any thread may call any function. What it opened may outlive it, and keeps its contents alive.
class MemoryFileSystem final : public FileSystem {
 public:
  explicit MemoryFileSystem(const MemoryFileSystemOptions& options = {});
  ~MemoryFileSystem() override;

  void set_now_s(std::int64_t now_s);

  // Power might go now.
  CrashPoint crash_point();

  // Of a file system that CrashPoint::open made: what is still open is as it was last synced.
  void settle_rest();

  // What the machine finds after a power cut at this moment; see CrashPoint::open.
  std::unique_ptr<MemoryFileSystem> crash_clone(std::uint64_t seed, unsigned unsynced_percent);

  Result<std::unique_ptr<Directory>> open_directory(std::string_view path) override;
  Result<std::string> resolve(std::string_view path) override;  // "." is "/"
  Result<std::string> read_file(std::string_view path, std::size_t max_bytes) override;
  UserInfo user() override;
  Result<std::string> random_name() override;
  std::int64_t now_s() override;

 private:
  friend class CrashPoint;
  explicit MemoryFileSystem(std::shared_ptr<memory::Disk> disk);

  const std::shared_ptr<memory::Disk> disk_;
};

}  // namespace larder::testing

#endif  // LARDER_TESTING_MEMORY_FILE_SYSTEM_H_
