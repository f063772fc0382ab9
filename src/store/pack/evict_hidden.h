// Entries that the segments hold and the index does not lead to, though no removal says that they
// are gone: of another key, which an eviction let go of without a removal that their owner would
// believe, or behind a slot that was damaged. They are back when the index is made anew.
#ifndef LARDER_STORE_PACK_EVICT_HIDDEN_H_
#define LARDER_STORE_PACK_EVICT_HIDDEN_H_

#include <vector>

#include "store/pack/shelf.h"

namespace larder::pack_store {

// Their records, where they are not damaged. Reads each segment that has no summary; what others
// put meanwhile may be among them. io_error when some of a segment cannot be read.
Result<std::vector<format::Record>> find_hidden_records(Shelf& shelf, Writers& carriers);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_HIDDEN_H_
