// remove. A removal is a record like others, or the entry would come back when the index is
// rebuilt.
#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

constexpr int remove_attempts = 16;  // each lost to somebody's change of the same entry

}  // namespace

// No when the entry was changed meanwhile. The epoch is raised before the slot is emptied: a put
// that does not see the new epoch sees the entry.
Result<PackStoreImpl::Done> PackStoreImpl::remove_once(Shelf& shelf, const Fingerprint& fingerprint,
                                                       const Found& found) {
  format::Record removal{
      .kind = format::RecordKind::removed, .supersedes = true, .fingerprint = fingerprint};
  LARDER_TRY(auto claimed, shelf.writers().claim(removal.total_bytes()));
  removal.sequence = shelf.next_sequence();
  LARDER_CHECK_OK(claimed.writer->append(removal, {}, {}));
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  LARDER_TRY(const Published withdrawn,
             shelf.index().withdraw(shelf.tag_of(fingerprint), found.place_word()));
  return withdrawn == Published::done ? Done::yes : Done::no;
}

Result<bool> PackStoreImpl::remove_from(Shelf& shelf, const Fingerprint& fingerprint) {
  for (int attempt = 0; attempt < remove_attempts; ++attempt) {
    Found found;
    LARDER_TRY(const Outcome outcome, look_up(shelf, fingerprint, found, [&](Found& there) {
                 return pack_store::read_header(fingerprint, there);
               }));
    if (outcome == Outcome::absent) return false;
    LARDER_CHECK_OK(shelf.prepare_to_change());
    LARDER_TRY(const Done done, remove_once(shelf, fingerprint, found));
    if (done == Done::no) continue;
    shelf.count_entries(-1);
    LARDER_CHECK_OK(sync_shelf(state(), shelf));
    if (outcome == Outcome::wanted && found.record.kind == format::RecordKind::large) {
      // What stays is swept when nothing leads to it.
      (void)shelf.large().remove(format::large_file_key(fingerprint, found.record.payload_digest));
    }
    return true;
  }
  return std::unexpected(Error{.code = Errc::timed_out,
                               .message = options_.directory + ": " + fingerprint.hex() +
                                          ": others keep changing the entry; try again"});
}

Result<bool> PackStoreImpl::remove(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    if (options_.access == Access::read_only) LARDER_CHECK_OK(shelf_for_writing());
    const auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr) return false;
    LARDER_TRY(const bool removed, remove_from(*shelf, fingerprint));
    // The removal itself was a pending record of that fingerprint: when it could not be made
    // durable, the entry may come back.
    if (removed && is_lost(fingerprint)) {
      forget_loss(fingerprint);
      return std::unexpected(Error{.code = Errc::io_error,
                                   .message = options_.directory + ": " + fingerprint.hex() +
                                              ": removed, but not durably; look at the system's "
                                              "log"});
    }
    if (removed) state().counters.add(&Metrics::removals);
    return removed;
  });
}

}  // namespace larder::pack_store
