#include "policies.h"

#include <algorithm>
#include <deque>
#include <list>

namespace larder::bench {
namespace {

class Fifo final : public Policy {
 public:
  Fifo(std::size_t keys, std::size_t capacity) : capacity_(capacity), is_in_(keys) {}

  bool look_up(Key key) override {
    if (is_in_[key]) return true;
    if (queue_.size() == capacity_) {
      is_in_[queue_.front()] = false;
      queue_.pop_front();
    }
    queue_.push_back(key);
    is_in_[key] = true;
    return false;
  }

 private:
  std::size_t capacity_;
  std::vector<bool> is_in_;
  std::deque<Key> queue_;
};

class Lru final : public Policy {
 public:
  Lru(std::size_t keys, std::size_t capacity) : capacity_(capacity), is_in_(keys), place_(keys) {}

  bool look_up(Key key) override {
    if (is_in_[key]) {
      order_.splice(order_.end(), order_, place_[key]);
      return true;
    }
    if (order_.size() == capacity_) {
      is_in_[order_.front()] = false;
      order_.pop_front();
    }
    place_[key] = order_.insert(order_.end(), key);
    is_in_[key] = true;
    return false;
  }

 private:
  std::size_t capacity_;
  std::vector<bool> is_in_;
  std::list<Key> order_;  // least recently used first
  std::vector<std::list<Key>::iterator> place_;
};

// A ring; the hand clears marks until it finds one that is not marked.
class Clock final : public Policy {
 public:
  Clock(std::size_t keys, std::size_t capacity)
      : capacity_(capacity), is_in_(keys), is_marked_(keys) {}

  bool look_up(Key key) override {
    if (is_in_[key]) {
      is_marked_[key] = true;
      return true;
    }
    is_in_[key] = true;
    is_marked_[key] = false;
    if (ring_.size() < capacity_) {
      ring_.push_back(key);
      return false;
    }
    while (is_marked_[ring_[hand_]]) {
      is_marked_[ring_[hand_]] = false;
      hand_ = (hand_ + 1) % capacity_;
    }
    is_in_[ring_[hand_]] = false;
    ring_[hand_] = key;
    hand_ = (hand_ + 1) % capacity_;
    return false;
  }

 private:
  std::size_t capacity_;
  std::vector<bool> is_in_, is_marked_;
  std::vector<Key> ring_;
  std::size_t hand_ = 0;
};

// A queue that nothing moves in; the hand goes from the oldest to the newest and takes out the
// first that is not marked.
class Sieve final : public Policy {
 public:
  Sieve(std::size_t keys, std::size_t capacity)
      : capacity_(capacity), is_in_(keys), is_marked_(keys), hand_(queue_.end()) {}

  bool look_up(Key key) override {
    if (is_in_[key]) {
      is_marked_[key] = true;
      return true;
    }
    if (queue_.size() == capacity_) evict();
    queue_.push_back(key);
    is_in_[key] = true;
    is_marked_[key] = false;
    return false;
  }

 private:
  void evict() {
    if (hand_ == queue_.end()) hand_ = queue_.begin();
    while (is_marked_[*hand_]) {
      is_marked_[*hand_] = false;
      if (++hand_ == queue_.end()) hand_ = queue_.begin();
    }
    is_in_[*hand_] = false;
    hand_ = queue_.erase(hand_);
  }

  std::size_t capacity_;
  std::vector<bool> is_in_, is_marked_;
  std::list<Key> queue_;  // oldest first
  std::list<Key>::iterator hand_;
};

// The pack store: the oldest segment leaves as a whole; what was read since it was written, up to
// half a segment of it, is written again and no longer counts as read.
class Segments final : public Policy {
 public:
  Segments(std::size_t keys, std::size_t capacity)
      : capacity_(capacity),
        segment_size_(std::max<std::size_t>(2, capacity / segments_of_a_store)),
        is_in_(keys),
        is_marked_(keys) {}

  bool look_up(Key key) override {
    if (is_in_[key]) {
      is_marked_[key] = true;
      return true;
    }
    append(key);
    while (count_ > capacity_) evict();
    return false;
  }

 private:
  static constexpr std::size_t segments_of_a_store = 64;

  void append(Key key) {
    if (segments_.empty() || segments_.back().size() == segment_size_) segments_.emplace_back();
    segments_.back().push_back(key);
    is_in_[key] = true;
    is_marked_[key] = false;
    ++count_;
  }

  void evict() {
    const std::vector<Key> oldest = std::move(segments_.front());
    segments_.pop_front();
    count_ -= oldest.size();
    std::size_t carried = 0;
    for (const Key key : oldest) {
      if (is_marked_[key] && carried < segment_size_ / 2) {
        append(key);
        ++carried;
      } else {
        is_in_[key] = false;
      }
    }
  }

  std::size_t capacity_;
  std::size_t segment_size_;
  std::vector<bool> is_in_, is_marked_;
  std::deque<std::vector<Key>> segments_;  // oldest first
  std::size_t count_ = 0;
};

template <class P>
std::unique_ptr<Policy> make(std::size_t keys, std::size_t capacity) {
  return std::make_unique<P>(keys, capacity);
}

}  // namespace

const std::vector<PolicyKind>& policy_kinds() {
  static const std::vector<PolicyKind> kinds = {{"fifo", make<Fifo>},
                                                {"lru", make<Lru>},
                                                {"clock", make<Clock>},
                                                {"sieve", make<Sieve>},
                                                {"segments", make<Segments>}};
  return kinds;
}

}  // namespace larder::bench
