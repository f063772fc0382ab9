#include "store/pack/read_epochs.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <new>

#include "base/guarded.h"

namespace larder::pack_store {

// Threads that share a line slow each other down, nothing else.
std::size_t ReadEpochs::line_of_this_thread() noexcept {
  static thread_local const char one_for_each_thread = 0;
  const auto address = reinterpret_cast<std::uintptr_t>(&one_for_each_thread);
  return static_cast<std::size_t>(address * 0x9e3779b97f4a7c15u >> 59);
}

bool ReadEpochs::drained(std::uint64_t parity) const noexcept {
  return std::ranges::all_of(lines_, [parity](const Line& line) {
    return line.readers[parity].load(std::memory_order_seq_cst) == 0;
  });
}

// With mutex_ held.
std::vector<ReadEpochs::Retired> ReadEpochs::take_free() {
  for (int turn = 0; turn < 2; ++turn) {
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    if (!drained((epoch + 1) & 1)) break;
    epoch_.store(epoch + 1, std::memory_order_seq_cst);
  }
  const std::uint64_t now = epoch_.load(std::memory_order_relaxed);
  const auto kept = std::ranges::partition(
      retired_, [now](const Retired& retired) { return retired.epoch + 2 > now; });
  std::vector<Retired> free(std::make_move_iterator(kept.begin()),
                            std::make_move_iterator(kept.end()));
  retired_.erase(kept.begin(), kept.end());
  has_retired_.store(!retired_.empty(), std::memory_order_relaxed);
  return free;
}

// Under readers nothing may be freed: what there is no memory to remember is never freed.
void ReadEpochs::retire(std::shared_ptr<const void> object) noexcept {
  std::vector<Retired> free;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  try {
    Retired& retired = retired_.emplace_back();
    retired = {std::move(object), epoch_.load(std::memory_order_seq_cst)};
    has_retired_.store(true, std::memory_order_relaxed);
  } catch (...) {
    using Object = std::shared_ptr<const void>;
    alignas(Object) std::array<std::byte, sizeof(Object)> forgotten;
    new (forgotten.data()) Object(std::move(object));
    return;
  }
  best_effort([&] { free = take_free(); });
}

bool ReadEpochs::collect() {
  std::vector<Retired> free;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  best_effort([&] { free = take_free(); });  // without memory: later, or with the epochs
  return !free.empty();
}

void ReadEpochs::collect_soon() noexcept {
  if (!has_retired_.load(std::memory_order_relaxed)) return;
  std::vector<Retired> free;  // destroyed without the lock
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock) best_effort([&] { free = take_free(); });
}

std::size_t ReadEpochs::waiting() {
  const std::lock_guard lock(mutex_);
  return retired_.size();
}

void ReadEpochs::renew(Guard& guard) noexcept {
  guard.readers_->fetch_sub(1, std::memory_order_release);
  collect();
  guard.readers_ = &raise();
}

}  // namespace larder::pack_store
