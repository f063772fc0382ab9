// The steps that puts make, and what tells whether one is due.
#include "store/pack/evictor.h"

#include <algorithm>

#include "base/try.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockFile;
using store_directory::LockOffset;

constexpr std::uint64_t least_account_step = 16u << 10;
constexpr std::uint64_t largest_account_step = 256u << 10;
constexpr std::uint64_t account_fraction = 256;  // of the budget: how late a put may be counted
constexpr std::uint64_t age_fraction = 16;       // of the greatest age: how often to look for it
constexpr std::uint64_t measure_fraction = 16;   // of the budget, put by this process
constexpr std::uint64_t least_step = 256u << 10;
constexpr std::uint64_t largest_step = 4u << 20;
constexpr std::uint64_t step_factor = 16;       // so that eviction outruns the puts
constexpr std::uint64_t looks_of_sweep = 4096;  // of one put: some hundred microseconds
// At segments that cannot leave: others wait for their turn meanwhile, and the next put goes on
// behind them.
constexpr std::size_t looks_of_put = 64;
constexpr std::uint64_t entries_fraction = 256;  // of the budget: how many leave at once

std::uint64_t account_step_of(const Budget& budget) noexcept {
  if (!budget.max_bytes) return largest_account_step;
  return std::clamp(*budget.max_bytes / account_fraction, least_account_step, largest_account_step);
}

void lower(std::atomic_ref<std::uint64_t> word, std::uint64_t amount) noexcept {
  std::uint64_t seen = word.load();
  while (!word.compare_exchange_weak(seen, seen - std::min(seen, amount))) {
  }
}

}  // namespace

Evictor::Evictor(const Parts& parts)
    : parts_(parts),
      account_step_(account_step_of(parts.budget)),
      carriers_(parts.carriers),
      older_(parts.shelf, carriers_),
      reserved_(std::make_shared<std::atomic<std::uint64_t>>(0)),
      sweep_({.shelf = parts.shelf, .file_system = parts.file_system, .carriers = carriers_}),
      first_credit_left_(parts.segment_bytes) {}

SegmentEviction::Parts Evictor::parts_for_segment() {
  return {.shelf = parts_.shelf,
          .file_system = parts_.file_system,
          .carriers = carriers_,
          .older = older_};
}

bool Evictor::is_due(std::uint64_t put_bytes) noexcept {
  const std::uint64_t unaccounted =
      unaccounted_.fetch_add(put_bytes, std::memory_order_relaxed) + put_bytes;
  if (parts_.budget.max_age_s && is_time_for_age()) is_age_due_ = true;
  // Whoever does not get his turn tells the others all the same, so that they wait for theirs.
  if (unaccounted >= account_step_) account();
  const bool is_miscounted = parts_.budget.max_entries && entries_are_unknown();
  return is_busy_.load(std::memory_order_relaxed) || unaccounted >= account_step_ ||
         is_miscounted || entries_over() > 0 || is_age_due_.load(std::memory_order_relaxed);
}

bool Evictor::carried(const format::Location& location) { return carriers_.has_synced(location); }

std::optional<Evictor::Reserved> Evictor::reserve(std::uint64_t bytes) {
  if (!parts_.budget.max_bytes) return std::nullopt;
  return Reserved(reserved_, bytes);
}

// Once in a sixteenth of the greatest age, not at every put.
bool Evictor::is_time_for_age() noexcept {
  const std::int64_t now_s = parts_.file_system.now_s();
  std::int64_t next_s = next_look_at_age_s_.load(std::memory_order_relaxed);
  if (now_s < next_s) return false;
  const auto pause_s = static_cast<std::int64_t>(*parts_.budget.max_age_s / age_fraction);
  return next_look_at_age_s_.compare_exchange_strong(next_s, now_s + 1 + pause_s);
}

// Into the word that all processes share.
void Evictor::account() noexcept {
  const std::uint64_t put = unaccounted_.exchange(0);
  parts_.shelf.state().word(StateWord::segment_bytes).fetch_add(put);
  accounted_ += put;
}

// For what was put since the last step.
void Evictor::take_credit() noexcept {
  const std::uint64_t put = accounted_.exchange(0);
  if (put_since_measured_) *put_since_measured_ += put;
  put_since_refusals_ += put;
  move_credit_ = std::min(move_credit_ + put, format::max_segment_bytes);
  put_since_in_vain_ += put;
  put_since_spared_ += put;
  // The oldest segment may hold all that is in use. Not for processes that put but once: each would
  // carry another one whole.
  const std::uint64_t first = std::min(put, first_credit_left_);
  first_credit_left_ -= first;
  carry_credit_ += first / 2;
}

// What kept segments from leaving may be over: somebody has flushed, a disk can be read again, or
// what removals were there for has left.
void Evictor::forgive_refusals() {
  const std::uint64_t limit = parts_.budget.max_bytes.value_or(parts_.segment_bytes * 64);
  const std::uint64_t enough = std::max(limit / measure_fraction, parts_.segment_bytes);
  if (put_since_refusals_ <= enough) return;
  put_since_refusals_ = 0;
  refused_.clear();
}

Result<OnDisk> Evictor::measure(LargeFiles large) {
  LARDER_CHECK_OK(parts_.shelf.prepare_to_change());
  LARDER_TRY(OnDisk disk, look_at_disk(parts_.shelf, large));
  unaccounted_ = 0;
  parts_.shelf.state().word(StateWord::segment_bytes).store(disk.used_bytes());
  put_since_measured_ = 0;
  return disk;
}

// At first too: what others put who were killed is in no word.
bool Evictor::is_time_to_measure() const noexcept {
  const std::uint64_t limit = parts_.budget.max_bytes.value_or(parts_.segment_bytes * 64);
  return !put_since_measured_ || *put_since_measured_ > limit / measure_fraction;
}

std::uint64_t Evictor::index_bytes() const noexcept {
  // Not at hand: then the store looks smaller for a moment, and nothing leaves because of that.
  const IndexTable* const table = parts_.shelf.index().table_at_hand();
  if (table == nullptr) return 0;
  return format::index_header_bytes + table->slots() * format::slot_bytes;
}

std::uint64_t Evictor::used_bytes() const noexcept {
  return parts_.shelf.state().word(StateWord::segment_bytes).load() +
         unaccounted_.load(std::memory_order_relaxed) + index_bytes();
}

std::uint64_t Evictor::bytes_over() const noexcept {
  const std::uint64_t used = used_bytes() + reserved_->load(std::memory_order_relaxed);
  const std::uint64_t limit = parts_.budget.max_bytes.value_or(used);
  return used - std::min(used, limit);
}

// More than fit into the index there cannot be: killed processes, or a damaged `state`, have
// brought the count below zero. Nothing leaves because of it until it is counted anew.
bool Evictor::entries_are_unknown() const noexcept {
  const IndexTable* const table = parts_.shelf.index().table_at_hand();
  const std::uint64_t entries = parts_.shelf.state().word(StateWord::entries).load();
  return table == nullptr || entries > table->slots();
}

std::uint64_t Evictor::entries_over() const noexcept {
  if (!parts_.budget.max_entries || entries_are_unknown()) return 0;
  const std::uint64_t entries = parts_.shelf.state().word(StateWord::entries).load();
  return entries - std::min(entries, *parts_.budget.max_entries);
}

// A few more than there are too many, so that not every put has to evict one.
std::uint64_t Evictor::entries_to_let_go() const noexcept {
  const std::uint64_t over = entries_over();
  return over == 0 ? 0 : over + *parts_.budget.max_entries / entries_fraction;
}

// The count that all share drifts when processes are killed.
void Evictor::recount() {
  const auto table = parts_.shelf.index().table();
  if (!table) return;
  parts_.shelf.state().word(StateWord::entries).store(count_entries(**table));
}

std::optional<EvictionReason> Evictor::reason_to_evict() {
  if (bytes_over() > 0) return EvictionReason::bytes;
  if (parts_.budget.min_free_bytes) {
    const auto space = parts_.shelf.root().space();
    if (space && space->free_bytes < *parts_.budget.min_free_bytes && !is_in_vain()) {
      return EvictionReason::free_space;
    }
  }
  return std::nullopt;
}

// True when the segment is gone. What throws half-way gives it up: its rules may lead to what the
// caller has, and is gone when somebody goes on.
Result<bool> Evictor::advance(std::uint64_t bytes, Caller& caller) {
  std::unique_ptr<SegmentEviction> leaving = std::move(current_);
  auto word = parts_.shelf.state().word(StateWord::segment_bytes);
  const std::uint64_t carried = leaving->carried_bytes();
  const bool is_for_room = (parts_.budget.min_free_bytes || wants_room_) && !is_in_vain();
  const Leave leave = is_for_room ? leave_of(*leaving) : Leave{};
  auto done = leaving->advance({.bytes = bytes,
                                .blocks = [&] { return wanted_blocks(caller); },
                                .sync_own = caller.sync_own,
                                .gone = caller.gone,
                                .told = caller.refused});
  word.fetch_add(leaving->carried_bytes() - carried);
  if (!done) refused_.insert(leaving->number());
  // Who made the index anew meanwhile may have led it to copies that are lost now.
  if (!done && done.error().code == Errc::io_error) parts_.shelf.note_index_may_lack();
  is_own_failure_ = !done && leaving->is_own_failure(done.error());
  if (done && *done) lower(word, leaving->used_bytes());
  if (done && *done && leaving->had_to_stay()) {
    const auto& destinations = leaving->destinations();
    refused_.insert(destinations.begin(), destinations.end());
  }
  if (done && *done && is_for_room) wait_for_gain(leave, std::move(leaving), caller);
  if (done && !*done) current_ = std::move(leaving);
  return done;
}

Result<void> Evictor::finish_current(Caller& caller) {
  while (current_) LARDER_CHECK_OK(advance(largest_step, caller));
  caller.rest();
  return {};
}

// What keeps one segment from leaving keeps no other one: it stays, and is told.
Result<void> Evictor::finish_what_is_begun(Caller& caller) {
  auto done = finish_current(caller);
  if (done || !is_own_failure_) return done;
  caller.refused.push_back(std::move(done).error());
  return {};
}

Result<void> Evictor::sweep(std::uint64_t looks, Caller& caller) {
  return sweep_.run({.entries = entries_to_let_go(),
                     .looks = looks,
                     .own_evictions = own_evictions(),
                     .sync_own = caller.sync_own,
                     .gone = caller.gone});
}

// True when there is more to do.
Result<bool> Evictor::step(std::uint64_t put_bytes, Caller& caller) {
  account();
  take_credit();
  forgive_refusals();
  if (is_time_to_measure()) {
    LARDER_CHECK_OK(measure(LargeFiles::as_kept));
    if (parts_.budget.max_entries) recount();
  }
  if (parts_.budget.max_entries && entries_are_unknown()) recount();
  LARDER_CHECK_OK(sweep(looks_of_sweep, caller));
  if (!current_) {
    LARDER_TRY(const bool picked,
               pick({.tolerated_bytes = parts_.segment_bytes, .looks = looks_of_put}, caller));
    if (!picked) return false;
  }
  LARDER_CHECK_OK(advance(std::clamp(put_bytes * step_factor, least_step, largest_step), caller));
  return true;
}

// What is too much by now, and makes a put go on with the steps.
std::uint64_t Evictor::tolerated_bytes() const noexcept {
  // A process may put but once: then there is no later put to finish what this one begins.
  return put_since_measured_ ? parts_.segment_bytes : 0;
}

Result<void> Evictor::keep_budget(std::uint64_t put_bytes, Caller& caller) {
  std::optional<std::uint64_t> tolerated;
  bool must_finish = false;
  // Half of what leaves may be carried.
  std::uint64_t segments_left = 2 + 2 * put_bytes / parts_.segment_bytes;
  Result<void> outcome;
  bool goes_on = true;
  while (goes_on) {
    LARDER_TRY(const auto turn, take_turn(patience_of_put(), caller.rest));
    if (!turn) break;
    if (!tolerated) tolerated = tolerated_bytes();
    must_finish = must_finish || bytes_to_free() > *tolerated;
    const auto more = step(must_finish ? largest_step : put_bytes, caller);
    // After a failure the next look is some puts away: it would fail again.
    is_busy_.store(more.value_or(false), std::memory_order_relaxed);
    if (!more) outcome = std::unexpected(more.error());
    if (more && !*more) break;
    if (!more || !current_) --segments_left;
    goes_on = segments_left > 0 && ((must_finish && current_) || bytes_to_free() > *tolerated);
  }
  return outcome;
}

void Evictor::close() {
  const std::lock_guard lock(mutex_);
  current_.reset();
  if (unaccounted_ > 0) account();
  carriers_.close_all();
}

}  // namespace larder::pack_store
