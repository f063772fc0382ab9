// The shared index of the store: which table is the current one, and how one replaces another.
//
// Crash model. index.<g> is replaced by index.<g+1> under the index lock: the new file is made and
// allocated, the old slots are frozen and copied, then the generation in `state` is raised, then
// the old file is unlinked. Killed before the generation was raised: the next holder of the lock
// throws the new file away and begins again, from slots that are partly frozen and still whole. No
// index is ever synced but by a clean close: a power cut is told by `dirty`, and the index is then
// made anew from the segments (recover.cc).
#ifndef LARDER_STORE_PACK_INDEX_H_
#define LARDER_STORE_PACK_INDEX_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "larder/store.h"
#include "store/directory/lock_file.h"
#include "store/pack/index_table.h"
#include "store/pack/origin.h"
#include "store/pack/read_epochs.h"
#include "store/pack/state_file.h"

namespace larder::pack_store {

// A table and what keeps its memory.
struct IndexFile {
  IndexTable table;
  std::unique_ptr<File> file;        // null for a private one
  std::unique_ptr<Mapping> mapping;  // null for a private one
  std::unique_ptr<std::byte[]> memory;
};

// Any thread may call any function. What table() gives stays alive while the caller's guard of
// `epochs` does.
class Index {
 public:
  struct Parts {
    Directory& root;
    StateFile& state;
    store_directory::LockFile* locks = nullptr;  // null when the store is read-only
    ReadEpochs& epochs;
    Origin origin;
  };

  explicit Index(const Parts& parts) : parts_(parts) {}

  // The current table when it is open; null says nothing but "call table()". One that was replaced
  // tells of entries that are gone.
  IndexTable* table_at_hand() noexcept {
    IndexFile* const current = current_.load(std::memory_order_seq_cst);
    return current != nullptr && (is_private_ || is_current(*current)) ? &current->table : nullptr;
  }

  // The current table, opened if need be; never null. io_error: it cannot be had now, and nothing
  // is known of any entry.
  Result<IndexTable*> table() {
    if (IndexTable* const current = table_at_hand()) return current;
    return follow();
  }

  // Opens the current table unless it is open. absent, corrupt: there is none, or not one of ours.
  // Others: it cannot be had now.
  Result<void> open_current();

  // Whether the tag has a slot, with an entry or without: something may have been put under it.
  Result<bool> has_tag(std::uint64_t tag);

  // Whether the caller holds the index lock already.
  enum class Lock { take, is_held };

  // Changes one slot of the current table, whichever that is. `changed` when the slot was not as
  // expected. Errors: timed_out (somebody holds the index lock for long), no_space (the index is
  // full and cannot grow), io_error.
  Result<Published> publish(std::uint64_t tag, std::uint64_t expected, std::uint64_t word,
                            const IndexTable::IsOther& is_other, Lock lock = Lock::take);
  Result<Published> withdraw(std::uint64_t tag, std::uint64_t expected, Lock lock = Lock::take);

  // For a reader, who waits for nobody: gives up while the index is being replaced, and leaves its
  // growth to others. Whether the entry was taken away.
  bool try_withdraw(std::uint64_t tag, std::uint64_t expected);

  // With the index lock held: puts an empty table with room for `entries` in the place of whatever
  // there is.
  Result<void> start_anew(std::uint64_t entries);

  // The same in memory of this process alone, for stores that may not be written.
  Result<void> start_private(std::uint64_t entries);

  // Removes the files of other generations, or of all. By a process that is alone.
  enum class Keep : std::uint8_t { current, none };
  void remove_tables(Keep keep);

  // Makes the current table durable.
  Result<void> sync();

 private:
  using Change = std::function<Published(IndexTable&)>;

  bool is_current(const IndexFile& file) const noexcept {
    return file.table.generation() == parts_.state.generation();
  }
  Result<IndexTable*> follow();
  Result<void> open_generation(std::uint64_t generation);
  void adopt(std::shared_ptr<IndexFile> file);
  Result<Published> change(const Change& change, Lock lock);
  Result<void> replace_table(std::uint64_t generation, Lock lock);
  Result<void> replace_if_current(std::uint64_t generation);
  Result<void> replace_locked(IndexTable& old);
  Result<std::shared_ptr<IndexFile>> create(std::uint64_t generation, std::uint32_t log2_slots);
  static Result<std::shared_ptr<IndexFile>> fill(std::unique_ptr<File> file,
                                                 const format::IndexHeader& header);
  void publish_generation(std::shared_ptr<IndexFile> file);

  const Parts parts_;
  bool is_private_ = false;
  std::atomic<std::uint64_t> retry_at_used_ = 0;  // after a replacement that failed
  std::atomic<IndexFile*> current_ = nullptr;
  std::mutex mutex_;                  // held while another table is taken up
  std::shared_ptr<IndexFile> owned_;  // guarded by mutex_
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_INDEX_H_
