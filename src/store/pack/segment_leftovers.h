// Files that were to become segments, or were some.
#ifndef LARDER_STORE_PACK_SEGMENT_LEFTOVERS_H_
#define LARDER_STORE_PACK_SEGMENT_LEFTOVERS_H_

#include <string>

#include "larder/store.h"
#include "store/pack/index.h"
#include "store/pack/origin.h"
#include "store/pack/state_file.h"

namespace larder::pack_store {

struct LeftoverParts {
  Directory& segments;
  const Origin& origin;
  StateFile& state;
  Index& index;
  std::string path;   // of `segments`
  const Logger& log;  // is told of what was damaged; that a power cut left zeros is as usual
};

// Removes files of this user with the name of a segment whose number the store gave out (another
// one is somebody's file), of which nobody holds the lock and nothing can ever be read, because no
// header tells the key of what is in it:
//
//   - shorter than a header: its maker was killed before he wrote one. One that is just being made
//     may be taken for that, and its maker then finds his file locked or without a name:
//     SegmentWriter::create;
//   - longer, where both copies of the header are damaged (a power cut leaves zeros): when neither
//     copy may be of another version of the format; and when the index, whole, leads nowhere in it.
//
// A maker holds the lock from before the header to the end, and who adopts or evicts needs a
// header: under the lock, nobody else writes. What cannot be removed stays.
void remove_headless_segments(const LeftoverParts& parts);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SEGMENT_LEFTOVERS_H_
