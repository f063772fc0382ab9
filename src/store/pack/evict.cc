#include "base/guarded.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
Result<PruneReport> PackStoreImpl::prune(const Budget&, DryRun) { return PruneReport{}; }
Result<PruneReport> PackStoreImpl::clear() { return PruneReport{}; }
Result<void> PackStoreImpl::maintain() { return {}; }
bool PackStoreImpl::make_room(Shelf&) { return false; }
Result<void> PackStoreImpl::keep_up(Shelf& shelf, std::uint64_t) {
  if (shelf.writers().is_behind()) return sync_shelf(state(), shelf);
  return {};
}
}  // namespace larder::pack_store
