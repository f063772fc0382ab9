// Which segments no sync vouches for: marks in `state`, which survive the process that set them.
//
// Crash model. The kernel tells of a failed write-back once: to every descriptor that was open
// before, and to one that is opened later only if nobody has heard of it yet. Who is told, and
// killed before the segment has a name that says so, takes the knowledge along; another process
// would sync the same file without complaint, from pages that the disk never got. So a mark stands
// in `state` from before each sync of a segment until that returned OK, or until the name of the
// segment says how far it is good. A mark that stays says that the outcome is not known, or that
// the disk refused the name: no later sync vouches for that segment. It is not adopted or proven,
// nothing older leaves because of it, and the index is not called clean; what lives in it is
// written anew (Evictor::pick_suspect), and the mark goes with it. After a power cut nothing is
// left of the page cache: a mark that is there costs that work for nothing, one that is not is not
// missed.
#ifndef LARDER_STORE_PACK_SYNC_MARKS_H_
#define LARDER_STORE_PACK_SYNC_MARKS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "store/pack/segment.h"
#include "store/pack/state_file.h"

namespace larder::pack_store {

// Any thread may call any function.
class SyncMarks {
 public:
  explicit SyncMarks(const StateFile& state) noexcept : state_(&state) {}

  struct Mark {
    std::size_t slot = 0;
    std::uint64_t word = 0;
  };

  // Before a sync of the segment. nullopt when there is no room: hundreds of processes were killed
  // in a sync, and nobody has written anew what they left.
  std::optional<Mark> set(std::uint32_t number) noexcept;
  void take_back(const Mark& mark) noexcept;  // after it returned OK
  // The sync failed: nobody believes the segment from there on.
  void note_failure(const Mark& mark, std::uint64_t good_until) noexcept;

  // Whether there is a mark: no sync by a file that is opened from now on vouches for the segment.
  bool is_suspect(std::uint32_t number) const noexcept;
  bool any() const noexcept;
  // Whether there is one for longer than a sync that is under way may take.
  bool stays_suspect(std::uint32_t number) const;
  std::vector<std::uint32_t> suspects() const;

  // How far a segment may be believed at all.
  std::uint64_t believed_until(std::uint32_t number) const noexcept;

  // The segment is gone, or its name says all.
  void forget(std::uint32_t number) noexcept;

  // Syncs a segment that somebody else wrote, by a file that the caller has opened for that. An
  // error: nothing vouches for the segment, now or by a later sync.
  Result<void> sync(std::uint32_t number, File& file);

  // As Segment::open, believed as far as the marks say.
  Result<std::shared_ptr<Segment>> open(Directory& segments, const Origin& origin,
                                        const format::SegmentName& name, OpenMode mode) const;

 private:
  const StateFile* state_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SYNC_MARKS_H_
