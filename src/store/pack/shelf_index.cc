// The index made anew from the segments, for a shelf that comes in after an unclean end, or finds
// none that is good; what a rebuild found out goes into `state`.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/try.h"
#include "format/pack_name.h"
#include "store/pack/large_files.h"
#include "store/pack/rebuild.h"
#include "store/pack/segment_leftovers.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockOffset;

constexpr int attempts_to_join = 4;  // each lost to somebody who makes the index anew
constexpr auto creation_wait = std::chrono::seconds(10);  // for another process's eviction or index

// More than any store will ever give out: a damaged word.
constexpr std::uint64_t believable_sequence = 1ull << 62;
// After a power cut `state` may be behind the records of a segment that cannot be read now.
constexpr std::uint64_t beyond_what_is_unread = 1ull << 40;

}  // namespace

Result<Rebuilt> Shelf::rebuild_index(IndexPlace place) {
  auto rebuilt = rebuild({.segments_directory = *segments_directory_,
                          .origin = origin_,
                          .hash = hash_,
                          .keys = keys_,
                          .segments = *segments_,
                          .index = *index_,
                          .state = *state_,
                          .large_is_good = [this](const auto& record) { return is_good(record); }},
                         place);
  if (rebuilt) tell_torn(*rebuilt);
  if (rebuilt && !rebuilt->is_complete && parts_.options.log) {
    parts_.options.log(LogLevel::warning,
                       parts_.path +
                           ": parts of it cannot be read; what is there is missing until a later "
                           "open can read it: look at the system's log");
  }
  return rebuilt;
}

// After a kill as usual; who looks for what a damaged disk cost him needs to hear of it.
void Shelf::tell_torn(const Rebuilt& rebuilt) const {
  if (!parts_.options.log) return;
  for (const auto& [number, places] : rebuilt.torn) {
    const std::uint64_t first = std::uint64_t{places.front()} * format::pack_unit_bytes;
    const std::string more =
        places.size() == 1 ? "" : " and in " + std::to_string(places.size() - 1) + " places more";
    parts_.options.log(LogLevel::info,
                       parts_.path + "/" + std::string(format::segments_name) + "/" +
                           format::segment_name(number) + ": at " + std::to_string(first) + more +
                           " stands no whole record: cut off by a kill or a power cut, or damaged; "
                           "what it was is a miss now");
  }
}

// Of a record that leads to a file. One of another key is known by its digest alone.
Result<bool> Shelf::is_good(const format::Record& record) {
  const Fingerprint file = format::large_file_key(record);
  if (!has_key(record.key_id)) {
    LARDER_TRY(const bool is_there, large_->holds_payload(file, record.payload_digest));
    if (is_there) unproven_large_.push_back(record);
    return is_there;
  }
  const auto details = large_->inspect(file);
  if (details && *details) unproven_large_.push_back(record);
  if (details) return details->has_value();
  const Errc code = details.error().code;
  // A damaged recipe keeps no payload from being served.
  if (code == Errc::corrupt) {
    LARDER_TRY(const bool is_there, large_->holds_payload(file, record.payload_digest));
    if (is_there) unproven_large_.push_back(record);
    return is_there;
  }
  if (code == Errc::not_ours || code == Errc::too_large) return false;
  return std::unexpected(details.error());
}

// Beside others, an index is not taken from them because this process lacks descriptors or memory.
Result<bool> Shelf::index_is_good(bool alone) {
  if (alone && !state_->is_clean()) return false;
  if (index_is_partial()) return false;
  auto opened = index_->open_current();
  if (opened) return true;
  const Errc code = opened.error().code;
  if (alone || code == Errc::absent || code == Errc::corrupt) return false;
  return std::unexpected(std::move(opened).error());
}

std::uint64_t Shelf::rebuilds() const noexcept { return state_->word(StateWord::rebuilds).load(); }

// In this order: what begins after it was seen that nothing is partial raises the count.
Shelf::IndexSeen Shelf::see_index() const noexcept {
  const std::uint64_t before = rebuilds();
  return {.rebuilds = before, .is_partial = index_is_partial()};
}

// Beside others. Nothing is done when somebody has done it since, to its end: each who waited for
// him would else do it once more.
Result<Shelf::MadeAnew> Shelf::make_index_anew(const IndexSeen& seen) {
  LARDER_CHECK_OK(state_->make_dirty());
  LARDER_TRY(const auto no_eviction, locks().acquire(LockOffset::eviction(), creation_wait));
  LARDER_TRY(const auto held, locks().acquire(LockOffset::index(), creation_wait));
  const bool was_begun_since = seen.is_partial || rebuilds() != seen.rebuilds;
  if (was_begun_since && !index_is_partial()) return MadeAnew::by_another;
  LARDER_TRY(const Rebuilt rebuilt, rebuild_index(IndexPlace::beside_others));
  take_over(rebuilt, false);
  is_complete_ = rebuilt.is_complete;
  made_at_rebuilds_ = rebuilds();
  unproven_large_.clear();
  return MadeAnew::by_this_process;
}

Result<void> Shelf::make_index_anew_alone() {
  LARDER_CHECK_OK(state_->make_dirty());
  LARDER_TRY(const auto held, locks().acquire(LockOffset::index(), creation_wait));
  LARDER_TRY(Rebuilt rebuilt, rebuild_index(IndexPlace::shared));
  take_over(rebuilt, true);
  is_complete_ = rebuilt.is_complete;
  remove_headless_segments(leftover_parts());
  forget_settled_marks();
  unproven_ = std::move(rebuilt.unproven);
  return prepare_to_change();
}

Result<void> Shelf::make_index_good(bool alone) {
  for (int attempt = 0; attempt < attempts_to_join; ++attempt) {
    const IndexSeen seen = see_index();
    LARDER_TRY(const bool is_good, index_is_good(alone));
    if (is_good) return {};
    if (alone) return make_index_anew_alone();
    LARDER_TRY(const MadeAnew made, make_index_anew(seen));
    if (made == MadeAnew::by_this_process) return {};
  }
  return std::unexpected(busy());
}

// What a rebuild found out goes into `state`: alone, in place of what stood there; else only where
// it is ahead of what the others say.
void Shelf::take_over(const Rebuilt& rebuilt, bool alone) {
  const auto raise = [&](StateWord which, std::uint64_t value) {
    auto word = state_->word(which);
    std::uint64_t seen = word.load();
    while ((alone || seen < value) && !word.compare_exchange_weak(seen, value)) {
    }
  };
  // A segment that could not be read, or is gone for a while, may hold higher ones.
  const std::uint64_t known = state_->word(StateWord::sequence).load();
  const std::uint64_t next =
      rebuilt.highest_sequence + 1 + (rebuilt.is_complete ? 0 : beyond_what_is_unread);
  const std::uint64_t given_next = known < believable_sequence ? std::max(next, known) : next;
  raise(StateWord::sequence, given_next);
  state_->word(StateWord::unread_below).store(rebuilt.is_complete ? 0 : given_next);
  raise(StateWord::next_segment, rebuilt.next_segment);
  // Beside others, who count as they go, the next recount of an eviction sets it right.
  if (alone) state_->word(StateWord::entries).store(rebuilt.entries);
  // A session that never ends: the next who is alone reads the segments again.
  if (alone) state_->word(StateWord::open_sessions).store(0);
  if (!rebuilt.is_complete) state_->word(StateWord::open_sessions).fetch_add(1);
  if (alone) state_->word(StateWord::forgotten).store(0);
  if (alone) state_->word(StateWord::taking_out).store(0);
  if (!rebuilt.is_complete || rebuilt.has_copies) note_forgotten();
  if (!alone) return;
  for (std::size_t i = 0; i < format::state_hints; ++i) {
    const std::uint64_t number = rebuilt.next_segment - 1 - i;
    state_->hint(i).store(number < rebuilt.next_segment ? number + 1 : 0);
  }
}

bool Shelf::index_is_partial() const { return state_->word(StateWord::partial_index).load() != 0; }

}  // namespace larder::pack_store
