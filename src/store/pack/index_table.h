// One generation of the index: slots in shared memory, changed and read by any number of threads
// and processes at once, without a lock.
//
// Protocol. A tag, once set, stays for the life of the table; what changes is the location beside
// it, always by compare-and-swap. 0 is "no entry". Replacing a table freezes every location first,
// empty ones too (the frozen bit), so that nobody can change a slot after it was copied: whoever
// wants to, waits for the next table. Freezing is done by the holder of the index lock alone; when
// it dies half-way, the next holder begins again, for a frozen slot still tells what it held.
// Everything here is a hint: a location proves nothing until its record verified.
#ifndef LARDER_STORE_PACK_INDEX_TABLE_H_
#define LARDER_STORE_PACK_INDEX_TABLE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "format/pack_index.h"

namespace larder::pack_store {

enum class Published {
  done,
  changed,  // the slot does not hold what the caller expected: look again
  frozen,   // wait for the next table
  full,     // no slot within reach: replace the table by a larger one
};

class IndexTable {
 public:
  // `bytes` is a whole index file, whose header was verified, aligned to 8.
  IndexTable(std::span<std::byte> bytes, const format::IndexHeader& header) noexcept;

  std::uint64_t generation() const noexcept { return header_.generation; }
  std::uint64_t slots() const noexcept { return header_.slots(); }
  std::uint64_t used() const noexcept;

  // The slots of one tag, in the order of probing.
  class Cursor {
   public:
    Cursor(const IndexTable& table, std::uint64_t tag) noexcept
        : table_(table), tag_(tag), slot_(table.first_slot(tag)) {}

    // Moves to the next slot of the tag; false behind the last one.
    bool next() noexcept;

    // Its location with marks; a place of 0 is no entry.
    std::uint64_t word() const noexcept { return word_; }
    std::uint64_t slot() const noexcept { return found_; }

   private:
    const IndexTable& table_;
    const std::uint64_t tag_;
    std::uint64_t slot_;
    std::uint64_t probes_ = 0;
    std::uint64_t found_ = 0;
    std::uint64_t word_ = 0;
  };

  // Whether any slot of the tag has a place.
  bool has_entry(std::uint64_t tag) const noexcept;

  // Brings the line of the tag's first slot in, for look-ups side by side.
  void prefetch(std::uint64_t tag) const noexcept;

  // Marks the entry as read. Does nothing when the slot has changed meanwhile.
  void mark_visited(std::uint64_t slot, std::uint64_t seen_word) const noexcept;

  // Whether a location belongs to another fingerprint with the same tag; asked about once in 2^64.
  using IsOther = std::function<bool(std::uint64_t word)>;

  // Puts `word` where `expected` stands (a place, without marks), or into a free slot when
  // `expected` is 0 and no entry of the fingerprint is there.
  Published publish(std::uint64_t tag, std::uint64_t expected, std::uint64_t word,
                    const IsOther& is_other) noexcept;

  // Takes the entry away when it still is at `expected`.
  Published withdraw(std::uint64_t tag, std::uint64_t expected) noexcept;

  // The location of a slot by its number, with marks; 0 when the slot was never used.
  std::uint64_t word_at(std::uint64_t slot) const noexcept;
  std::uint64_t tag_at(std::uint64_t slot) const noexcept;

  // By the holder of the index lock alone.
  std::uint64_t freeze(std::uint64_t slot) noexcept;  // the location that stays, with marks
  void thaw_all() noexcept;

  // Whether tags are so dense that a larger or cleaner table is due.
  bool crowded() const noexcept { return used() > slots() / 3 * 2; }

 private:
  std::uint64_t first_slot(std::uint64_t tag) const noexcept { return tag >> shift_; }
  std::atomic_ref<std::uint64_t> tag_of(std::uint64_t slot) const noexcept;
  std::atomic_ref<std::uint64_t> location_of(std::uint64_t slot) const noexcept;
  std::atomic_ref<std::uint64_t> used_counter() const noexcept;
  bool claim(std::uint64_t slot, std::uint64_t tag) noexcept;
  Published replace(std::uint64_t slot, std::uint64_t expected, std::uint64_t word) noexcept;

  format::IndexHeader header_;
  std::byte* bytes_;
  std::uint64_t* words_;  // two for each slot
  std::uint64_t mask_;
  std::uint32_t shift_;
  std::uint64_t max_probes_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_INDEX_TABLE_H_
