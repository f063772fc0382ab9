// Whether a record that leaves was the last thing that kept an older one of its fingerprint down. A
// removal needs nobody to keep it down.
#ifndef LARDER_STORE_PACK_EVICT_OLDER_H_
#define LARDER_STORE_PACK_EVICT_OLDER_H_

#include <cstdint>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "store/pack/shelf.h"

namespace larder::pack_store {

// Segments made for carried records are told from the others by their first record: it is older
// than the segment. What is put into a segment is younger.
enum class Content { unknown, put, carried };
Content content_of(Segment& segment);

// What was written to a segment, whether the disk has it or not. io_error when some of it cannot be
// read.
Result<std::vector<format::SummaryEntry>> list_records(Shelf& shelf, Writers& carriers,
                                                       Segment& segment);

// Exact where a segment can be read: were it not, tombstones would pile up for as long as any old
// entry is in use. Most need no reading: those of Content::put hold nothing older than themselves.
class OlderRecords {
 public:
  OlderRecords(Shelf& shelf, Writers& carriers) : shelf_(shelf), carriers_(carriers) {}

  using Sequences = std::unordered_map<std::uint64_t, std::uint64_t>;  // by slot tag

  // Those of `newest` of which another segment than `leaving` may hold an older put, or a copy with
  // the same sequence.
  Result<std::unordered_set<std::uint64_t>> among(const Sequences& newest, std::uint32_t leaving);

 private:
  // Of a segment that somebody still writes: what was read of it, so that it is not read again each
  // time. Records are never changed in place.
  struct Growing {
    std::uint64_t until = 0;  // every record before this offset is in; those behind it may be
    Sequences lowest;         // of the puts
  };

  Result<void> look_into(const format::SegmentName& name, const Sequences& newest,
                         std::uint64_t highest, std::unordered_set<std::uint64_t>& found);
  std::uint64_t lower_bound(Segment& segment);
  // Valid until the next call; `scratch` may hold them.
  Result<const Sequences*> lowest_puts(Segment& segment, Sequences& scratch);
  Result<const Sequences*> read_on(Segment& segment);
  void forget_all_but(const std::vector<format::SegmentName>& names);

  Shelf& shelf_;
  Writers& carriers_;
  std::map<std::uint32_t, std::uint64_t> lowest_;  // of the puts in segments that stay as they are
  std::map<std::uint32_t, Growing> growing_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_OLDER_H_
