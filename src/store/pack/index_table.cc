#include "store/pack/index_table.h"

#include <algorithm>

namespace larder::pack_store {
namespace {

using format::frozen_bit;
using format::place_mask;
using format::visited_bit;

// Far beyond any cluster of an honest table at two thirds of load: only garbage is that dense.
constexpr std::uint64_t longest_probe = 1u << 14;

}  // namespace

IndexTable::IndexTable(std::span<std::byte> bytes, const format::IndexHeader& header) noexcept
    : header_(header),
      bytes_(bytes.data()),
      words_(reinterpret_cast<std::uint64_t*>(bytes.data() + format::index_header_bytes)),
      mask_(header.slots() - 1),
      shift_(64 - header.log2_slots),
      max_probes_(std::min(header.slots(), longest_probe)) {}

std::atomic_ref<std::uint64_t> IndexTable::tag_of(std::uint64_t slot) const noexcept {
  return std::atomic_ref(words_[2 * slot]);
}

std::atomic_ref<std::uint64_t> IndexTable::location_of(std::uint64_t slot) const noexcept {
  return std::atomic_ref(words_[2 * slot + 1]);
}

std::atomic_ref<std::uint64_t> IndexTable::used_counter() const noexcept {
  return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(bytes_ + format::index_used_at));
}

std::uint64_t IndexTable::used() const noexcept {
  return used_counter().load(std::memory_order_relaxed);
}

bool IndexTable::Cursor::next() noexcept {
  for (; probes_ < table_.max_probes_; slot_ = (slot_ + 1) & table_.mask_) {
    const std::uint64_t tag = table_.tag_of(slot_).load(std::memory_order_acquire);
    if (tag == 0) return false;
    ++probes_;
    if (tag != tag_) continue;
    found_ = slot_;
    word_ = table_.location_of(slot_).load(std::memory_order_acquire);
    slot_ = (slot_ + 1) & table_.mask_;
    return true;
  }
  return false;
}

bool IndexTable::has_entry(std::uint64_t tag) const noexcept {
  for (Cursor cursor(*this, tag); cursor.next();) {
    if ((cursor.word() & format::place_mask) != 0) return true;
  }
  return false;
}

void IndexTable::prefetch(std::uint64_t tag) const noexcept {
  __builtin_prefetch(&words_[2 * first_slot(tag)]);
}

void IndexTable::mark_visited(std::uint64_t slot, std::uint64_t seen_word) const noexcept {
  if ((seen_word & (visited_bit | frozen_bit)) != 0) return;
  location_of(slot).compare_exchange_strong(seen_word, seen_word | visited_bit,
                                            std::memory_order_relaxed);
}

// True when the slot now has this tag, whoever gave it to it.
bool IndexTable::claim(std::uint64_t slot, std::uint64_t tag) noexcept {
  std::uint64_t found = 0;
  if (tag_of(slot).compare_exchange_strong(found, tag, std::memory_order_acq_rel)) {
    used_counter().fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return found == tag;
}

// A visited mark that comes or goes is no change.
Published IndexTable::replace(std::uint64_t slot, std::uint64_t expected,
                              std::uint64_t word) noexcept {
  auto location = location_of(slot);
  std::uint64_t seen = location.load(std::memory_order_acquire);
  for (;;) {
    if ((seen & frozen_bit) != 0) return Published::frozen;
    if ((seen & place_mask) != expected) return Published::changed;
    if (location.compare_exchange_weak(seen, word, std::memory_order_seq_cst)) {
      return Published::done;
    }
  }
}

Published IndexTable::publish(std::uint64_t tag, std::uint64_t expected, std::uint64_t word,
                              const IsOther& is_other) noexcept {
  std::uint64_t slot = first_slot(tag);
  for (std::uint64_t probe = 0; probe < max_probes_; ++probe, slot = (slot + 1) & mask_) {
    std::uint64_t found = tag_of(slot).load(std::memory_order_acquire);
    if (found == 0) {
      if (expected != 0) return Published::changed;
      // A frozen empty slot: the copy has passed here.
      if ((word_at(slot) & frozen_bit) != 0) return Published::frozen;
      if (claim(slot, tag)) found = tag;
    }
    if (found != tag) continue;
    const std::uint64_t there = word_at(slot) & place_mask;
    if (there != expected && there != 0 && is_other(there)) continue;
    if (there == 0 && expected != 0) continue;  // a removed one of another fingerprint
    return replace(slot, expected, word);
  }
  return expected == 0 ? Published::full : Published::changed;
}

Published IndexTable::withdraw(std::uint64_t tag, std::uint64_t expected) noexcept {
  for (Cursor cursor(*this, tag); cursor.next();) {
    if ((cursor.word() & place_mask) != expected) continue;
    return replace(cursor.slot(), expected, 0);
  }
  return Published::changed;
}

std::uint64_t IndexTable::word_at(std::uint64_t slot) const noexcept {
  return location_of(slot).load(std::memory_order_acquire);
}

std::uint64_t IndexTable::tag_at(std::uint64_t slot) const noexcept {
  return tag_of(slot).load(std::memory_order_acquire);
}

std::uint64_t IndexTable::freeze(std::uint64_t slot) noexcept {
  return location_of(slot).fetch_or(frozen_bit, std::memory_order_seq_cst);
}

void IndexTable::thaw_all() noexcept {
  for (std::uint64_t slot = 0; slot < slots(); ++slot) {
    location_of(slot).fetch_and(~frozen_bit, std::memory_order_seq_cst);
  }
}

}  // namespace larder::pack_store
