// The small mapped file `state`: words that every process of the store shares.
//
// Crash model. Made once, by linking a whole file; never replaced. Its words are hints while the
// store is open. `dirty` is on disk before a process first changes the index, and is taken back
// only by a process that is alone, has nothing unflushed, and has synced the index: whoever is
// alone and finds it set, or finds words that the clean check does not vouch for, rebuilds.
#ifndef LARDER_STORE_PACK_STATE_FILE_H_
#define LARDER_STORE_PACK_STATE_FILE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "format/pack_index.h"
#include "larder/file_system.h"
#include "store/pack/origin.h"

namespace larder::pack_store {

class StateFile {
 public:
  // absent: there is none, or what is there is no state of this store, or another user's.
  static Result<std::unique_ptr<StateFile>> open(Directory& root, const Origin& origin,
                                                 OpenMode mode);

  // Puts a new one in its place, dirty. With the index lock held, after open() said absent.
  static Result<std::unique_ptr<StateFile>> create(Directory& root, const Origin& origin);

  // In the memory of this process alone, for a store that may not be written and has none.
  static std::unique_ptr<StateFile> make_private();

  std::atomic_ref<std::uint64_t> word(format::StateWord which) const noexcept {
    return word(static_cast<std::uint32_t>(which));
  }
  std::atomic_ref<std::uint64_t> hint(std::size_t number) const noexcept {
    return word(static_cast<std::uint32_t>(format::StateWord::first_hint) +
                static_cast<std::uint32_t>(number));
  }

  // Of the syncs of segments: see SyncMarks.
  std::atomic_ref<std::uint64_t> mark(std::size_t number) const noexcept {
    constexpr std::size_t first = (format::state_marks_at - format::state_words_at) / 8;
    return std::atomic_ref(words_[first + number]);
  }

  std::uint64_t generation() const noexcept {
    return word(format::StateWord::generation).load(std::memory_order_acquire);
  }

  // Whether the words are what a clean close left.
  bool is_clean() const noexcept;

  // Sets `dirty` and makes it durable; does so once for each object.
  Result<void> make_dirty();

  // Vouches for the words and makes that durable. By a process that is alone.
  Result<void> make_clean();

  // False when the file is no longer at its name: then what this object shares, it shares with
  // nobody.
  Result<bool> is_at_its_name(Directory& root) const;

  // Null for a private one.
  File* file() const noexcept { return file_.get(); }

 private:
  StateFile(std::unique_ptr<File> file, std::unique_ptr<Mapping> mapping) noexcept;
  StateFile() noexcept : words_(private_words_.data()) {}

  std::atomic_ref<std::uint64_t> word(std::uint32_t number) const noexcept {
    return std::atomic_ref(words_[number]);
  }
  std::uint64_t check() const noexcept;

  std::unique_ptr<File> file_;
  std::unique_ptr<Mapping> mapping_;
  static constexpr std::size_t all_words = (format::state_bytes - format::state_words_at) / 8;
  std::array<std::uint64_t, all_words> private_words_ = {};
  std::uint64_t* words_;
  std::mutex dirty_mutex_;
  std::atomic<bool> dirty_is_durable_ = false;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_STATE_FILE_H_
