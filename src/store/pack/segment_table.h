// The segments that this process has open, found by number without a lock.
//
// One that is pushed out under readers stays open until they have ended, and so does what they keep
// from being freed besides: it counts against the limit. A reader that goes through many segments
// would else have all of them open in the end; when there is no room left, it gets them for itself,
// one by one.
#ifndef LARDER_STORE_PACK_SEGMENT_TABLE_H_
#define LARDER_STORE_PACK_SEGMENT_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "store/pack/read_epochs.h"
#include "store/pack/segment.h"

namespace larder::pack_store {

// Any thread may call any function. What find() gives stays alive while the caller's guard of
// `epochs` does.
class SegmentTable {
 public:
  using Open = std::function<Result<std::shared_ptr<Segment>>(std::uint32_t number)>;

  // Keeps at most `limit` of them open, those of add() not counted, but those that were pushed out.
  SegmentTable(ReadEpochs& epochs, std::size_t limit, Open open);

  // Opened now if need be. `keep` holds one that found no room in the table: who asks for the same
  // one again and again passes the same `keep`. Errors as Segment::open.
  Result<Segment*> find(std::uint32_t number, std::shared_ptr<Segment>& keep) {
    if (Segment* const open = look_up(number)) return open;
    return find_slowly(number, keep);
  }

  // One that this process writes: it stays until remove().
  void add(const std::shared_ptr<Segment>& segment);

  // Forgets it: it is gone, or has another owner now. It may be opened again.
  void remove(std::uint32_t number);

  // Closes those whose file was deleted.
  void drop_unlinked();

 private:
  static constexpr std::size_t sets = 64;
  static constexpr std::size_t ways = 4;

  struct Way {
    std::atomic<Segment*> segment = nullptr;
    std::atomic<bool> used = false;  // since the last search for one to close
    std::shared_ptr<Segment> owned;  // guarded by mutex_
    bool is_kept = false;            // guarded by mutex_: by add()
  };
  using Set = std::array<Way, ways>;

  Segment* look_up(std::uint32_t number) noexcept {
    for (Way& way : sets_[number % sets]) {
      Segment* const segment = way.segment.load(std::memory_order_seq_cst);
      if (segment == nullptr || segment->number() != number) continue;
      if (!way.used.load(std::memory_order_relaxed)) {
        way.used.store(true, std::memory_order_relaxed);
      }
      return segment;
    }
    return nullptr;
  }

  Result<Segment*> find_slowly(std::uint32_t number, std::shared_ptr<Segment>& keep);
  bool place(const std::shared_ptr<Segment>& segment, bool is_kept);
  bool has_room();
  bool close_one();
  void empty(Way& way);

  ReadEpochs& epochs_;
  const std::size_t limit_;
  const std::size_t kept_limit_;  // the rest is for those that were pushed out
  const Open open_;
  std::mutex mutex_;
  std::size_t count_ = 0;  // guarded by mutex_: those not kept
  std::size_t hand_ = 0;   // guarded by mutex_: where the last search ended
  std::array<Set, sets> sets_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SEGMENT_TABLE_H_
