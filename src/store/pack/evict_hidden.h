// Entries that the segments hold and the index does not lead to, though no removal says that they
// are gone: of another key, which an eviction let go of without a removal that their owner would
// believe, or behind a slot that was damaged. They are back when the index is made anew.
#ifndef LARDER_STORE_PACK_EVICT_HIDDEN_H_
#define LARDER_STORE_PACK_EVICT_HIDDEN_H_

#include <vector>

#include "store/pack/shelf.h"

namespace larder::pack_store {

struct Hidden {
  std::vector<format::Record> records;  // where they are not damaged
  std::vector<Error> unread;            // one for each segment that cannot be read, or not whole
};

// Reads each segment that has no summary; what others put meanwhile may be among them. Errors:
// those of listing the segments, and of the index.
Result<Hidden> find_hidden(Shelf& shelf, Writers& carriers);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_HIDDEN_H_
