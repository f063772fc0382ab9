// Letting go of single entries, for a budget that counts them: a segment would be far too many.
#ifndef LARDER_STORE_PACK_EVICT_SWEEP_H_
#define LARDER_STORE_PACK_EVICT_SWEEP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "store/pack/evict_segment.h"

namespace larder::pack_store {

// Goes over the entries in the order of their segments, round and round: CLOCK. One that was read
// since the last time stays and loses its mark, another one leaves alone. The segment is written
// anew when little of it is left.
class EntrySweep {
 public:
  struct Parts {
    Shelf& shelf;
    FileSystem& file_system;
    Writers& carriers;
  };

  explicit EntrySweep(const Parts& parts) : parts_(parts) {}

  struct Step {
    std::uint64_t entries = 0;        // how many to let go; fewer when no more can leave
    std::uint64_t looks = 0;          // at how many to look at most
    std::uint64_t own_evictions = 0;  // of segments, begun and not ended
    std::function<bool()> sync_own;   // flushes this process's segments; whether all went well
    std::vector<Gone>& gone;          // appended to
  };
  Result<void> run(const Step& step);

  // A segment whose end was passed and of which less than half is left, once.
  std::optional<format::SegmentName> take_hollow();

 private:
  struct Place {
    std::uint64_t slot_tag = 0;
    std::uint64_t word = 0;
  };

  Result<bool> go_to_next_segment();
  Result<void> read_segment(const format::SegmentName& name);
  Result<bool> let_go(const Place& place, std::vector<Gone>& gone,
                      std::vector<format::Record>& withdrawn, std::shared_ptr<Segment>& keep);
  Result<bool> let_go_of_damaged(const Place& place, std::vector<Gone>& gone);
  Result<void> go_round(const Step& step, std::vector<format::Record>& withdrawn);
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
