// remove. A removal is a record like others, or the entry would come back when the index is
// rebuilt.
#include <chrono>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/evict_alone.h"
#include "store/pack/large_files.h"
#include "store/pack/pack_store_impl.h"
#include "store/pack/removal.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockOffset;

constexpr auto rebuild_wait = std::chrono::seconds(10);  // reads all segments
constexpr int remove_attempts = 16;  // each lost to somebody's change of the same entry

Result<Outcome> find_record(Shelf& shelf, const EntryName& name, Found& found) {
  return look_up(shelf, name, found,
                 [&](Found& there) { return pack_store::read_header(name, there); });
}

}  // namespace

// Of an entry under one key of this store object.
struct PackStoreImpl::Removing {
  EntryName name;
  std::int64_t now_s = 0;
  std::uint64_t given_up = 0;  // before
  format::Record removal = {.kind = format::RecordKind::removed,
                            .supersedes = true,
                            .written_s = format::record_time(now_s),
                            .key_id = name.key_id,
                            .fingerprint = name.fingerprint};
  std::vector<format::Record> removed = {};
  bool is_confirmed = false;  // a removal of what was not there was written
  std::uint64_t written_bytes = 0;
  bool is_over = false;  // false: others kept changing the entry
  bool waits_for_rebuild = true;
  std::optional<Shelf::TakingOut> taking_out = {};  // until the removal is durable

  void take_sequence(Shelf& shelf) noexcept {
    removal.sequence = shelf.next_sequence();
    if (name.key != nullptr) format::authenticate(removal, *name.key);
  }
};

// No when the entry was changed meanwhile. The sequence is taken before the slot is emptied, and
// the removal written afterwards, by whoever emptied it: a put that comes later has a higher
// sequence, and one that comes between is not removed. The epoch is raised before the slot is
// emptied: a put that does not see the new epoch sees the entry.
Result<PackStoreImpl::Done> PackStoreImpl::remove_once(Shelf& shelf, const Found& found,
                                                       Removing& removing) {
  const format::Record& removal = removing.removal;
  const std::uint64_t tag = shelf.tag_of(removal);
  LARDER_TRY(auto claimed, shelf.writers().claim(removal_bytes(Copies::two)));
  removing.take_sequence(shelf);
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  LARDER_TRY(const Published withdrawn, shelf.index().withdraw(tag, found.place_word()));
  if (withdrawn != Published::done) return Done::no;
  auto appended = append_removal(shelf, *claimed.writer, removal, Copies::two);
  if (!appended) {
    // What the segments still have is there, unless somebody has put another one.
    (void)shelf.index().publish(tag, 0, found.place_word(), other_than(shelf, removing.name));
    return std::unexpected(std::move(appended).error());
  }
  // For a rebuild that has read that segment before.
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  shelf.count_entries(-1);
  return Done::yes;
}

// Of an entry that is not there, but was, or may have been: whoever emptied its slot may have been
// killed before he wrote the removal, or wrote one that a power cut would take. No when it is
// there.
Result<PackStoreImpl::Done> PackStoreImpl::confirm_removal(Shelf& shelf, Removing& removing) {
  const format::Record& removal = removing.removal;
  LARDER_TRY(auto claimed, shelf.writers().claim(removal_bytes(Copies::two)));
  removing.take_sequence(shelf);
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  Found found;
  LARDER_TRY(const Outcome outcome, find_record(shelf, removing.name, found));
  if (outcome != Outcome::absent || found.word != 0) return Done::no;
  LARDER_CHECK_OK(append_removal(shelf, *claimed.writer, removal, Copies::two));
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  return Done::yes;
}

Result<store_directory::LockFile::Held> PackStoreImpl::wait_for_rebuild(
    Shelf& shelf, const Fingerprint& fingerprint) {
  auto held = shelf.locks().acquire(LockOffset::index(), rebuild_wait);
  if (held || held.error().code != Errc::timed_out) return held;
  return std::unexpected(Error{.code = Errc::timed_out,
                               .message = options_.directory + ": " + fingerprint.hex() +
                                          ": removed, but look-ups may find it until another "
                                          "process has made the index anew; remove it once more"});
}

// Goes on until nothing older is found: an index that was damaged may lead to an older value in a
// second slot, and one that is partial gets it later: whoever makes it anew is waited for, or it
// would be given out for a while after its removal. What that lacks is removed all the same.
Result<void> PackStoreImpl::remove_until_gone(Shelf& shelf, Removing& removing) {
  const format::Record& removal = removing.removal;
  std::vector<format::Record>& removed = removing.removed;
  bool& is_confirmed = removing.is_confirmed;
  std::optional<store_directory::LockFile::Held> no_rebuild;
  for (int attempt = 0; attempt < remove_attempts; ++attempt) {
    Found found;
    const Shelf::IndexSeen seen = shelf.see_index();
    LARDER_TRY(const Outcome outcome, find_record(shelf, removing.name, found));
    const bool is_later = outcome != Outcome::wanted || found.record.sequence > removal.sequence;
    const bool has_slot = outcome != Outcome::absent || found.word != 0;
    LARDER_TRY(const bool has_tag, shelf.index().has_tag(shelf.tag_of(removal)));
    const bool is_partial = !shelf.index_was_whole_since(seen);
    const bool may_be_there = is_partial || has_tag || shelf.has_forgotten();
    removing.is_over = (!removed.empty() && is_later) ||
                       (is_confirmed && (!has_slot || is_later)) || (!has_slot && !may_be_there);
    if (removing.is_over) {
      if (!is_partial || no_rebuild || !removing.waits_for_rebuild) return {};
      LARDER_TRY(auto held, wait_for_rebuild(shelf, removing.name.fingerprint));
      no_rebuild.emplace(std::move(held));
      removing.is_over = false;  // unless the last look says so
      continue;
    }
    no_rebuild.reset();  // what is changed may have to wait for it
    LARDER_CHECK_OK(shelf.prepare_to_change());
    // A confirmation takes nothing out: else each would ask the next one to be confirmed.
    if (has_slot && !removing.taking_out) removing.taking_out.emplace(shelf);
    LARDER_TRY(const Done done,
               has_slot ? remove_once(shelf, found, removing) : confirm_removal(shelf, removing));
    if (done == Done::no) continue;
    removing.written_bytes += removal_bytes(Copies::two);
    is_confirmed = is_confirmed || !has_slot;
    if (!has_slot) continue;
    if (outcome != Outcome::absent) removed.push_back(found.record);
  }
  return {};
}

Result<PackStoreImpl::Removed> PackStoreImpl::remove_from(Shelf& shelf, const EntryName& name) {
  Removing removing{.name = name, .now_s = file_system_.now_s(), .given_up = shelf.given_up()};
  const auto gone = remove_until_gone(shelf, removing);
  if (!gone) {
    (void)finish_removal(shelf, removing);
    return std::unexpected(gone.error());
  }
  const bool was_there = !removing.removed.empty();
  if (!was_there && !removing.is_over) return std::unexpected(contended(name.fingerprint));
  if (was_there || removing.is_confirmed) LARDER_CHECK_OK(finish_removal(shelf, removing));
  return Removed{.was_there = was_there, .written_bytes = removing.written_bytes};
}

// After a put, which is with the newest key: what it replaced under older ones must not come back
// when it is evicted. Synced before, so that a crash leaves the old entry or the new one. The files
// of large artifacts are left for the sweep. What the index lacks by then is left, unless it is
// being made anew: a removal for it would have to be written by each put.
Result<void> PackStoreImpl::retire_older_keys(Shelf& shelf, const Fingerprint& fingerprint,
                                              std::uint64_t losses_before) {
  for (const DerivedKey& key : shelf.keys().subspan(1)) {
    const Shelf::IndexSeen seen = shelf.see_index();
    LARDER_TRY(IndexTable* const table, shelf.index().table());
    const bool is_there = table->has_entry(shelf.tag_of(fingerprint, key.id));
    if (!is_there && shelf.index_was_whole_since(seen)) continue;
    LARDER_TRY(const Synced synced, sync_shelf(state(), shelf));
    if (synced == Synced::not_all) {
      // What else is lost, the next flush names.
      if (!was_lost_since(fingerprint, losses_before)) return {};
      return std::unexpected(Error{.code = Errc::io_error,
                                   .message = options_.directory + ": " + fingerprint.hex() +
                                              ": put, and lost by the disk; an entry of an older "
                                              "key is still there: look at the system's log"});
    }
    // What a rebuild leads to for a while is the value under an older key.
    Removing removing{.name = name_of(fingerprint, key),
                      .now_s = file_system_.now_s(),
                      .waits_for_rebuild = false};
    LARDER_CHECK_OK(remove_until_gone(shelf, removing));
    if (removing.taking_out) removing.taking_out->keep_until_synced();
  }
  return {};
}

// Makes it durable. What may be back after a crash keeps its file:
// without it, the value before that would be back.
Result<void> PackStoreImpl::finish_removal(Shelf& shelf, Removing& removing) {
  LARDER_TRY(const Synced synced, sync_shelf(state(), shelf));
  if (synced == Synced::not_all) return {};
  if (removing.taking_out) removing.taking_out->settle();
  removing.taking_out.reset();
  for (const format::Record& record : removing.removed) {
    if (record.kind != format::RecordKind::large) continue;
    drop_large(shelf, record, Absent::is_gone, dropping(shelf, removing.given_up));
  }
  return {};
}

Dropping PackStoreImpl::dropping(Shelf& shelf, std::uint64_t given_up) {
  const auto bury = [&](const format::Record& record) {
    const auto buried = bury_hidden(shelf, shelf.writers(), record, file_system_.now_s());
    if (!buried || *buried != Buried::yes) return false;
    const auto synced = sync_shelf(state(), shelf);
    return synced && *synced == Synced::all;
  };
  return {
      .lasts = [&](const format::Location& location) { return is_known_to_last(shelf, location); },
      .bury = bury,
      .given_up = given_up};
}

Result<bool> PackStoreImpl::remove(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    if (options_.access == Access::read_only) LARDER_CHECK_OK(shelf_for_writing());
    auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr) return false;
    const std::uint64_t losses_before = state().losses;
    bool removed = false;
    std::uint64_t written_bytes = 0;
    // The oldest key first: a crash on the way leaves the value of a newer one, or none.
    for (const DerivedKey& key : std::views::reverse(shelf->keys())) {
      LARDER_TRY(const Removed gone, remove_from(*shelf, name_of(fingerprint, key)));
      removed = removed || gone.was_there;
      written_bytes += gone.written_bytes;
    }
    // The removal itself was a pending record of that fingerprint: when it could not be made
    // durable, the entry may come back.
    if (removed && was_lost_since(fingerprint, losses_before)) {
      forget_loss(fingerprint, state().losses);
      return std::unexpected(Error{.code = Errc::io_error,
                                   .message = options_.directory + ": " + fingerprint.hex() +
                                              ": removed, but not durably; look at the system's "
                                              "log"});
    }
    if (removed) state().counters.add(&Metrics::removals);
    // Removals fill segments like puts: who only removes has to keep the budget, too.
    if (written_bytes > 0 && shelf->evictor().is_due(written_bytes)) {
      evict_for(*shelf, written_bytes, guard);
    }
    return removed;
  });
}

}  // namespace larder::pack_store
