#ifndef LARDER_STORE_PACK_REMOVAL_H_
#define LARDER_STORE_PACK_REMOVAL_H_

#include <cstdint>
#include <optional>

#include "format/pack_record.h"
#include "larder/error.h"
#include "store/pack/segment_writer.h"

namespace larder::pack_store {

// Two copies: one flipped bit must not bring an entry back.
inline constexpr std::uint64_t removal_bytes = 2 * format::record_header_bytes;

// Writes the copies, both with the removal's sequence. With one of them the entry is removed:
// returns why the other is not there. Errors: those of writing; then none is.
Result<std::optional<Error>> append_removal(SegmentWriter& writer, const format::Record& removal);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_REMOVAL_H_
