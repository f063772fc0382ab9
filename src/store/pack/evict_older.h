// Whether a record that leaves was the last thing that kept an older one of its fingerprint down.
#ifndef LARDER_STORE_PACK_EVICT_OLDER_H_
#define LARDER_STORE_PACK_EVICT_OLDER_H_

#include <cstdint>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "store/pack/shelf.h"

namespace larder::pack_store {

// Exact where a segment can be read: were it not, tombstones would pile up for as long as any old
// entry is in use. Most segments need no reading: what is put into a segment is younger than the
// segment, and only segments that were made for carried records hold others. Such a one is told by
// its first record.
class OlderRecords {
 public:
  explicit OlderRecords(Shelf& shelf) : shelf_(shelf) {}

  using Sequences = std::unordered_map<std::uint64_t, std::uint64_t>;  // by slot tag

  // Those of `newest` of which another segment than `leaving` may hold a record with a lower
  // sequence.
  Result<std::unordered_set<std::uint64_t>> among(const Sequences& newest, std::uint32_t leaving);

 private:
  Result<void> look_into(const format::SegmentName& name, const Sequences& newest,
                         std::uint64_t highest, std::unordered_set<std::uint64_t>& found);
  Result<std::uint64_t> lower_bound(Segment& segment);

  Shelf& shelf_;
  std::map<std::uint32_t, std::uint64_t> lowest_;  // of segments that do not change any more
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_OLDER_H_
