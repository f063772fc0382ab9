// Files that were to become segments.
#ifndef LARDER_STORE_PACK_SEGMENT_LEFTOVERS_H_
#define LARDER_STORE_PACK_SEGMENT_LEFTOVERS_H_

#include "larder/file_system.h"

namespace larder::pack_store {

// Removes those whose maker was killed before he wrote a header: shorter than that, and nobody
// holds their lock. One that is just being made may be taken for one, and its maker then finds his
// file locked or without a name: SegmentWriter::create. What cannot be removed stays.
void remove_headless_segments(Directory& segments);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SEGMENT_LEFTOVERS_H_
