#include "store/number_table.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace larder {
namespace {

constexpr std::size_t least_slots = 16;
constexpr std::size_t most_slots = 0x1'0000'0000;  // what a hash can tell apart

}  // namespace

void NumberTable::make_room() {
  if ((size_ + 1) * 2 <= slots_.size()) return;
  const std::size_t count = std::max(least_slots, slots_.size() * 2);
  if (count > most_slots) throw std::bad_alloc();
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(count));
  shift_ = static_cast<std::uint32_t>(32 - std::countr_zero(count));
  size_ = 0;
  for (const Slot& slot : old) {
    if (slot.number != none) insert(slot.hash, slot.number);
  }
}

void NumberTable::insert(std::uint32_t hash, std::uint32_t number) noexcept {
  std::size_t at = home_of(hash);
  while (slots_[at].number != none) at = next(at);
  slots_[at] = {.hash = hash, .number = number};
  ++size_;
}

void NumberTable::erase(std::uint32_t hash, std::uint32_t number) noexcept {
  std::size_t hole = home_of(hash);
  while (slots_[hole].number != number) hole = next(hole);
  // Whatever a look-up would no longer reach across the hole moves into it.
  for (std::size_t at = next(hole); slots_[at].number != none; at = next(at)) {
    if (distance(home_of(slots_[at].hash), at) < distance(hole, at)) continue;
    slots_[hole] = slots_[at];
    hole = at;
  }
  slots_[hole] = {};
  --size_;
}

}  // namespace larder
