#ifndef LARDER_STORE_PACK_REMOVAL_H_
#define LARDER_STORE_PACK_REMOVAL_H_

#include <cstdint>

#include "format/pack_record.h"
#include "larder/error.h"
#include "store/pack/segment_writer.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {

// Two: one flipped bit must not bring back what somebody has removed, or cleared. One, of what a
// put has let go of for a budget of entries: each put would pay for the other.
enum class Copies : std::uint8_t { one = 1, two = 2 };
constexpr std::uint64_t removal_bytes(Copies copies) noexcept {
  return static_cast<std::uint64_t>(copies) * format::record_header_bytes;
}

// Writes the copies, all with the removal's sequence. With one of them the entry is removed: why
// the other is not there, the store's log is told. Errors: those of writing; then none is.
Result<void> append_removal(Shelf& shelf, SegmentWriter& writer, const format::Record& removal,
                            Copies copies);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_REMOVAL_H_
