// What is in a segment: from its summary where it has a good one, else record by record.
#ifndef LARDER_STORE_PACK_SEGMENT_SCAN_H_
#define LARDER_STORE_PACK_SEGMENT_SCAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "format/pack_index.h"
#include "store/pack/segment.h"

namespace larder::pack_store {

// Calls back with each record whose header is good and that lies in [from, until), in order.
// Damage, holes and records of other keys are stepped over, 64 bytes at a time. io_error when the
// file cannot be read.
using RecordVisitor = std::function<void(const format::Record&, std::uint32_t place)>;
Result<void> scan_records(Segment& segment, std::uint64_t from, std::uint64_t until,
                          const RecordVisitor& visitor);

// How a segment ends.
struct SegmentEnd {
  std::optional<format::Footer> footer = {};  // as it claims: believe it after read_entries
  std::uint32_t footer_place = 0;
  bool is_durable = false;  // a good trailer follows
};
Result<SegmentEnd> read_end(Segment& segment);

struct SegmentEntries {
  std::vector<format::SummaryEntry> entries;
  bool from_summary = false;
};

// Everything in it that may be believed.
Result<SegmentEntries> read_entries(Segment& segment, const format::SlotHash& hash);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SEGMENT_SCAN_H_
