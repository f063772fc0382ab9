// Letting go of single entries, for a budget that counts them: a segment would be far too many.
#ifndef LARDER_STORE_PACK_EVICT_SWEEP_H_
#define LARDER_STORE_PACK_EVICT_SWEEP_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "store/pack/evict_segment.h"

namespace larder::pack_store {

// Goes over the entries in the order of their segments, round and round: CLOCK. One that was read
// since the last time stays and loses its mark, another one leaves the index. Its record stays
// where it is, so that a rebuild brings it back: it is evicted, not removed. The segment is written
// anew when little of it is left.
class EntrySweep {
 public:
  struct Parts {
    Shelf& shelf;
    FileSystem& file_system;
    Writers& carriers;
  };

  explicit EntrySweep(const Parts& parts) : parts_(parts) {}

  // Lets go of at most `entries`, looking at no more than `looks`; of fewer when no more can leave.
  Result<void> run(std::uint64_t entries, std::uint64_t looks, std::vector<Gone>& gone);

  // A segment whose end was passed and of which less than half is left, once.
  std::optional<format::SegmentName> take_hollow();

 private:
  struct Place {
    std::uint64_t slot_tag = 0;
    std::uint64_t word = 0;
  };

  Result<bool> go_to_next_segment();
  Result<void> read_segment(const format::SegmentName& name);
  Result<bool> let_go(const Place& place, std::vector<Gone>& gone);
  void judge_passed();

  const Parts parts_;
  std::optional<format::SegmentName> at_;
  std::uint64_t segment_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;
  std::vector<Place> places_;
  std::size_t next_ = 0;
  std::uint64_t rounds_ = 0;
  std::optional<format::SegmentName> hollow_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_SWEEP_H_
