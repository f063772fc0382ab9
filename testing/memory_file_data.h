// The bytes of a file: as programs see them, as the disk has them, and what may be on the disk.
//
// Every write leaves a version of the pages that it touched, and of the size where it grew. A sync
// forgets them. After a crash a size and each sector that has more than one version is open until
// it is looked at.
#ifndef LARDER_TESTING_MEMORY_FILE_DATA_H_
#define LARDER_TESTING_MEMORY_FILE_DATA_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "larder/testing/memory_file_system.h"
#include "memory_pages.h"

namespace larder::testing::memory {

struct PageVersion {
  std::uint64_t sequence = 0;
  PageRef page;
};

// A size that the file had; `is_cut` when it became smaller.
struct SizeVersion {
  std::uint64_t sequence = 0;
  std::uint64_t bytes = 0;
  bool is_cut = false;
};

struct FileHistory {
  std::uint64_t synced_bytes = 0;
  std::vector<PageRef> synced = {};
  std::map<std::uint64_t, std::vector<PageVersion>> versions = {};  // by the number of the page
  std::vector<SizeVersion> sizes = {};

  std::uint64_t hash() const;
};

// Where the bytes end that a version has, when the file has the chosen size.
std::uint64_t end_of(const FileHistory& history, const PageVersion& version, std::uint64_t size,
                     std::uint64_t size_sequence);

// Not thread-safe: its Disk is locked.
class FileData {
 public:
  // An empty one. What it asks, it asks in this name.
  FileData(std::string name, const CrashChooser& choose)
      : name_(std::move(name)), choose_(choose) {}

  // As a crash may have left it.
  void begin_open(std::shared_ptr<const FileHistory> history);

  std::uint64_t bytes();
  std::size_t read(std::span<std::byte> into, std::uint64_t offset);

  // Each change has a sequence of its own, higher than all before.
  void write(std::span<const std::span<const std::byte>> pieces, std::uint64_t offset,
             std::uint64_t sequence);
  void cut(std::uint64_t end, std::uint64_t sequence);
  void extend(std::uint64_t end, std::uint64_t sequence);
  void sync(std::uint64_t sequence);

  // The whole file in one piece, at least so long; null when it is mapped already, and shorter, or
  // there is no memory.
  std::shared_ptr<SharedMemory> map(std::uint64_t bytes);
  // Call it when a mapping has gone.
  void unmap(std::uint64_t sequence);

  void decide_all();

  // Everything that may be on disk, all that was open decided.
  std::shared_ptr<const FileHistory> freeze(std::uint64_t sequence);

 private:
  void open_size();
  bool has_tail() const noexcept { return tail_ != Tail::none; }
  void hide_tail();
  void note_wiped_tail(std::uint64_t sequence);
  void keep_tail();
  void decide_tail();
  void open_sectors(std::uint64_t offset, std::uint64_t length);
  void open_sector(std::uint64_t page, std::size_t sector);
  void open_pages(std::uint64_t offset, std::uint64_t length);
  void pass_over_sectors(std::uint64_t offset, std::uint64_t length);
  void put_sector(std::uint64_t page, std::size_t sector, std::span<const std::byte> bytes);
  std::uint32_t ask(const CrashChoice& choice) const;
  void set_page(std::uint64_t number, PageRef page, std::uint64_t sequence);
  void write_page(std::uint64_t number, std::uint64_t from, std::span<const std::byte> bytes,
                  std::uint64_t sequence);
  bool is_mapped(std::uint64_t page) const noexcept;
  void capture(std::uint64_t sequence);
  void capture_page(std::uint64_t number, std::uint64_t sequence);
  void grow(std::uint64_t from, std::uint64_t end, std::uint64_t sequence);

  std::string name_;
  const CrashChooser& choose_;

  std::uint64_t size_ = 0;
  std::vector<PageRef> pages_;  // as programs see them; of a mapped file, as last looked at
  FileHistory history_;
  std::shared_ptr<const FileHistory> frozen_;  // of what stands; null once it was changed

  std::shared_ptr<const FileHistory> origin_;  // null: nothing is open
  bool size_is_open_ = false;
  std::uint64_t crash_size_ = 0;                    // that was chosen
  std::uint64_t size_sequence_ = 0;                 // of that size
  std::map<std::uint64_t, unsigned> open_sectors_;  // a bit for each, by page

  // What a crash has left behind the end of the file: in history_.synced, not in pages_.
  enum class Tail { none, open, there };
  Tail tail_ = Tail::none;
  std::shared_ptr<const FileHistory> tail_origin_;  // while it is open

  std::shared_ptr<SharedMemory> memory_;
};

}  // namespace larder::testing::memory

#endif  // LARDER_TESTING_MEMORY_FILE_DATA_H_
