// What is in a segment: from its summary where it has a good one, else record by record.
#ifndef LARDER_STORE_PACK_SEGMENT_SCAN_H_
#define LARDER_STORE_PACK_SEGMENT_SCAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/derived_keys.h"
#include "format/pack_index.h"
#include "store/pack/segment.h"

namespace larder::pack_store {

// A part of the disk that cannot be read: it costs the records in it, no others. What else may go
// wrong (descriptors, memory) is over when somebody tries again, and no reason to forget anything.
bool is_lost_sector(const Error& error) noexcept;

// Calls back with each record in [from, until) whose header and payload are good, in order: after a
// kill or a power cut a header may stand there without its payload. Damage and holes are stepped
// over, 64 bytes at a time. Errors: other ones of reading than lost sectors.
struct Scanned {
  bool has_gaps = false;              // some of it was a lost sector
  std::vector<std::uint32_t> torn{};  // where something stands that is no whole record
};
using RecordVisitor = std::function<void(const format::Record&, std::uint32_t place)>;
// Whether the file that a `large` record leads to is there and whole. Errors: it is not known.
using LargeCheck = std::function<Result<bool>(const format::Record&)>;

// False when it names one of these keys and was not made with it: somebody forged it. What names
// another key, or none, cannot be told.
bool may_believe(const format::Record& record, std::span<const DerivedKey> keys) noexcept;

struct ScanRange {
  std::uint64_t from = format::records_at;
  std::uint64_t until = longest_segment_bytes;
  std::span<const DerivedKey> keys = {};  // forged records are passed over
  LargeCheck large_is_good = {};          // not set: all are
};
Result<Scanned> scan_records(Segment& segment, const ScanRange& range,
                             const RecordVisitor& visitor);

// A writer has at most so many zeros behind what it wrote, less one byte.
inline constexpr std::size_t zero_step_bytes = 128u << 10;

// Where an adopter may append to a segment of `size_bytes` whose owner is dead: in whole units,
// behind each record, also a torn one, and behind each byte that is not zero. Errors: of reading.
Result<std::uint64_t> read_written_end(Segment& segment, std::uint64_t size_bytes);

// How a segment ends.
struct SegmentEnd {
  std::optional<format::Footer> footer = {};  // as it claims: believe it after read_entries
  std::uint32_t footer_place = 0;
  bool is_durable = false;  // a good trailer follows
};
Result<SegmentEnd> read_end(Segment& segment);

// Its summary; nullopt when it has none, or a damaged one.
enum class Proof {
  wanted,    // that the disk has all that the summary lists
  unwanted,  // it is what was written, by whomever
};
Result<std::optional<std::vector<format::SummaryEntry>>> read_summary(Segment& segment,
                                                                      Proof proof);

struct SegmentEntries {
  std::vector<format::SummaryEntry> entries;
  bool from_summary = false;
  bool has_gaps = false;              // there may be more, behind a lost sector
  std::vector<std::uint32_t> torn{};  // what a kill, a power cut or damage has left
};

// Everything in it that may be believed. What no trailer proves to be on the disk is read whole: an
// older, durable record of a fingerprint must not give way to one whose payload a power cut took.
Result<SegmentEntries> read_entries(Segment& segment, const format::SlotHash& hash,
                                    const ScanRange& range);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SEGMENT_SCAN_H_
