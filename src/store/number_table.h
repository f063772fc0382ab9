// Which number each fingerprint has. Holds hashes and numbers alone, side by side and eight to a
// cache line; who has the fingerprints compares them. Open addressing with linear probing; what is
// erased leaves no trace (Knuth, TAOCP 3, 6.4, algorithm R). For one thread at a time.
#ifndef LARDER_STORE_NUMBER_TABLE_H_
#define LARDER_STORE_NUMBER_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace larder {

class NumberTable {
 public:
  static constexpr std::uint32_t none = 0xffffffff;

  // The number with that hash that `is_it` recognises; none.
  template <class IsIt>  // bool(std::uint32_t number)
  std::uint32_t find(std::uint32_t hash, const IsIt& is_it) const noexcept {
    if (slots_.empty()) return none;
    for (std::size_t at = home_of(hash);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.number == none) return none;
      if (slot.hash == hash && is_it(slot.number)) return slot.number;
    }
  }

  // For one more. Throws bad_alloc, and has then changed nothing.
  void make_room();

  // After make_room. The number must not be there yet.
  void insert(std::uint32_t hash, std::uint32_t number) noexcept;

  // The number must be there.
  void erase(std::uint32_t hash, std::uint32_t number) noexcept;

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = none;
  };

  // Callers may have spent some bits of the hash already, to choose the table.
  std::size_t home_of(std::uint32_t hash) const noexcept { return hash * 0x9e3779b1u >> shift_; }
  std::size_t next(std::size_t at) const noexcept { return (at + 1) & (slots_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const noexcept {
    return (to - from) & (slots_.size() - 1);
  }

  std::vector<Slot> slots_;  // none, or a power of two, of which half is free
  std::size_t size_ = 0;
  std::uint32_t shift_ = 0;
};

}  // namespace larder

#endif  // LARDER_STORE_NUMBER_TABLE_H_
