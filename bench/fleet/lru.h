// Entries of different sizes within a budget: what was used least recently leaves. Small, since a
// simulation has a thousand of them.
#ifndef LARDER_BENCH_FLEET_LRU_H_
#define LARDER_BENCH_FLEET_LRU_H_

#include <cstdint>
#include <vector>

namespace larder::bench {

class Lru {
 public:
  explicit Lru(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) { grow(); }

  // Whether it is in; then it is the one used last.
  bool touch(std::uint32_t key) {
    const std::uint32_t at = table_[slot_of(key)];
    if (at == none) return false;
    unlink(at);
    link(at);
    return true;
  }

  // No entry may have been touched with that key before: it is not in.
  void insert(std::uint32_t key, std::uint32_t bytes) {
    if (bytes > capacity_bytes_) return;
    while (used_bytes_ + bytes > capacity_bytes_) evict();
    if (2 * (count_ + 1) > table_.size()) grow();
    std::uint32_t at = free_;
    if (at == none) {
      at = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back({});
    } else {
      free_ = nodes_[at].next;
    }
    nodes_[at] = {.key = key, .bytes = bytes};
    table_[slot_of(key)] = at;
    link(at);
    used_bytes_ += bytes;
    ++count_;
  }

  std::uint64_t evictions() const { return evictions_; }

 private:
  static constexpr std::uint32_t none = 0xffffffff;
  struct Node {
    std::uint32_t key = 0;
    std::uint32_t bytes = 0;
    std::uint32_t next = none;  // used longer ago; of a free one: the next free one
    std::uint32_t previous = none;
  };

  std::size_t home_of(std::uint32_t key) const {
    return (key * 0x9e3779b97f4a7c15u >> 20) & (table_.size() - 1);
  }
  std::size_t slot_of(std::uint32_t key) const {
    std::size_t slot = home_of(key);
    while (table_[slot] != none && nodes_[table_[slot]].key != key) {
      slot = (slot + 1) & (table_.size() - 1);
    }
    return slot;
  }
  void link(std::uint32_t at) {
    nodes_[at].next = first_;
    nodes_[at].previous = none;
    if (first_ != none) nodes_[first_].previous = at;
    first_ = at;
    if (last_ == none) last_ = at;
  }
  void unlink(std::uint32_t at) {
    const Node& node = nodes_[at];
    (node.previous == none ? first_ : nodes_[node.previous].next) = node.next;
    (node.next == none ? last_ : nodes_[node.next].previous) = node.previous;
  }
  void evict() {
    const std::uint32_t at = last_;
    erase_slot(slot_of(nodes_[at].key));
    unlink(at);
    used_bytes_ -= nodes_[at].bytes;
    nodes_[at].next = free_;
    free_ = at;
    --count_;
    ++evictions_;
  }
  // Moves back what was pushed on by the one that leaves.
  void erase_slot(std::size_t hole) {
    table_[hole] = none;
    for (std::size_t slot = (hole + 1) & (table_.size() - 1); table_[slot] != none;
         slot = (slot + 1) & (table_.size() - 1)) {
      const std::uint32_t at = table_[slot];
      table_[slot] = none;
      table_[slot_of(nodes_[at].key)] = at;
    }
  }
  void grow() {
    table_.assign(table_.empty() ? 64 : 2 * table_.size(), none);
    for (std::uint32_t at = first_; at != none; at = nodes_[at].next) {
      table_[slot_of(nodes_[at].key)] = at;
    }
  }

  const std::uint64_t capacity_bytes_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t evictions_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> table_;  // places in nodes_
  std::uint32_t first_ = none;
  std::uint32_t last_ = none;
  std::uint32_t free_ = none;
};

}  // namespace larder::bench

#endif  // LARDER_BENCH_FLEET_LRU_H_
