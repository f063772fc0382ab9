#include "store/pack/evictor.h"

#include <algorithm>

#include "base/try.h"

namespace larder::pack_store {
namespace {

using format::StateWord;
using store_directory::LockOffset;

constexpr std::uint64_t least_account_step = 16u << 10;
constexpr std::uint64_t largest_account_step = 256u << 10;
constexpr std::uint64_t account_fraction = 256;  // of the budget: how late a put may be counted
constexpr std::uint64_t measure_fraction = 16;   // of the budget, put by this process
constexpr std::uint64_t age_fraction = 16;       // of the greatest age
constexpr std::uint64_t least_step = 256u << 10;
constexpr std::uint64_t largest_step = 4u << 20;
constexpr std::uint64_t step_factor = 16;           // so that eviction outruns the puts
constexpr auto patience = std::chrono::seconds(1);  // with another process's step

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
      older_(parts.shelf) {}

bool Evictor::is_due(std::uint64_t put_bytes) noexcept {
  const std::uint64_t unaccounted =
      unaccounted_.fetch_add(put_bytes, std::memory_order_relaxed) + put_bytes;
  if (is_busy_.load(std::memory_order_relaxed) || unaccounted >= account_step_) return true;
  return parts_.budget.max_age_s && is_time_for_age();
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
void Evictor::account() {
  const std::uint64_t put = unaccounted_.exchange(0);
  parts_.shelf.state().word(StateWord::segment_bytes).fetch_add(put);
  if (put_since_measured_ != ~0ull) put_since_measured_ += put;
}

Result<OnDisk> Evictor::measure() {
  LARDER_CHECK_OK(parts_.shelf.prepare_to_change());
  LARDER_TRY(OnDisk disk, look_at_disk(parts_.shelf));
  unaccounted_ = 0;
  parts_.shelf.state().word(StateWord::segment_bytes).store(disk.used_bytes());
  put_since_measured_ = 0;
  return disk;
}

bool Evictor::is_time_to_measure() const noexcept {
  if (put_since_measured_ == ~0ull) return true;
  const std::uint64_t limit = parts_.budget.max_bytes.value_or(parts_.segment_bytes * 64);
  return put_since_measured_ > limit / measure_fraction;
}

std::uint64_t Evictor::index_bytes() const {
  IndexTable* const table = parts_.shelf.index().table();
  if (table == nullptr) return 0;
  return format::index_header_bytes + table->slots() * format::slot_bytes;
}

std::uint64_t Evictor::used_bytes() const noexcept {
  return parts_.shelf.state().word(StateWord::segment_bytes).load() +
         unaccounted_.load(std::memory_order_relaxed) + index_bytes();
}

std::uint64_t Evictor::bytes_over() const {
  if (!parts_.budget.max_bytes) return 0;
  const std::uint64_t used = used_bytes();
  return used > *parts_.budget.max_bytes ? used - *parts_.budget.max_bytes : 0;
}

std::optional<EvictionReason> Evictor::reason_to_evict() {
  if (bytes_over() > 0) return EvictionReason::bytes;
  if (parts_.budget.min_free_bytes) {
    const auto space = parts_.shelf.root().space();
    if (space && space->free_bytes < *parts_.budget.min_free_bytes) {
      return EvictionReason::free_space;
    }
  }
  return std::nullopt;
}

// What was used since goes on, as long as that is no more than half of what leaves.
SegmentEviction::Rules Evictor::rules_of_budget(EvictionReason reason) {
  carry_credit_ = std::min(carry_credit_ + parts_.segment_bytes / 2, parts_.segment_bytes * 3 / 2);
  return {.judge = [this, reason](const SegmentEviction::Asked& asked) -> SegmentEviction::Verdict {
            if (!asked.visited || asked.bytes > carry_credit_) {
              return {.fate = SegmentEviction::Verdict::Fate::drop, .reason = reason};
            }
            carry_credit_ -= asked.bytes;
            return {.fate = SegmentEviction::Verdict::Fate::carry};
          },
          .when_full = SegmentEviction::WhenFull::drop};
}

Result<bool> Evictor::begin(const format::SegmentName& name, SegmentEviction::Rules rules) {
  auto begun = SegmentEviction::begin(parts_for_segment(), name, std::move(rules));
  if (!begun) {
    refused_.insert(name.number);
    return std::unexpected(std::move(begun).error());
  }
  current_ = *std::move(begun);
  return current_ != nullptr;
}

Result<bool> Evictor::pick_from(const OnDisk& disk, EvictionReason reason) {
  std::optional<Error> failure;
  for (const SegmentOnDisk& segment : disk.segments) {
    if (refused_.contains(segment.name.number)) continue;
    auto begun = begin(segment.name, rules_of_budget(reason));
    if (begun && *begun) return true;
    if (!begun) failure = std::move(begun).error();
  }
  if (failure) return std::unexpected(*std::move(failure));
  return false;
}

// Whether there is anything more to pick from afterwards.
Result<bool> Evictor::release_own(Caller& caller, bool seal) {
  if (seal) {
    LARDER_CHECK_OK(parts_.shelf.writers().seal_all());
    LARDER_CHECK_OK(carriers_.seal_all());
    const auto lost = carriers_.sync([this] { return parts_.shelf.is_in_place(); });
    if (lost.error) return std::unexpected(*lost.error);
  }
  return caller.sync_own();
}

// The oldest segment that nobody holds. Where there is none, this process may be holding them all.
Result<bool> Evictor::pick(Caller& caller) {
  LARDER_TRY(const OnDisk disk, measure());
  const auto reason = reason_to_evict();
  if (!reason) return false;
  LARDER_TRY(bool picked, pick_from(disk, *reason));
  if (picked) return true;
  LARDER_TRY(bool released, release_own(caller, false));
  if (released) {
    LARDER_TRY(picked, pick_from(disk, *reason));
  }
  const bool must_seal = bytes_over() > parts_.segment_bytes;
  if (picked || !must_seal) return picked;
  LARDER_TRY(released, release_own(caller, true));
  return released ? pick_from(disk, *reason) : Result<bool>(false);
}

// True when the segment is gone.
Result<bool> Evictor::advance(std::uint64_t bytes, Caller& caller) {
  auto word = parts_.shelf.state().word(StateWord::segment_bytes);
  const std::uint64_t carried = current_->carried_bytes();
  auto done = current_->advance({.bytes = bytes, .sync_own = caller.sync_own, .gone = caller.gone});
  word.fetch_add(current_->carried_bytes() - carried);
  if (!done) refused_.insert(current_->number());
  if (done && *done) lower(word, current_->used_bytes());
  if (!done || *done) current_.reset();
  return done;
}

Result<void> Evictor::finish_current(Caller& caller) {
  while (current_) LARDER_CHECK_OK(advance(largest_step, caller));
  return {};
}

// True when there is more to do.
Result<bool> Evictor::step(std::uint64_t put_bytes, Caller& caller) {
  account();
  if (is_time_to_measure()) LARDER_CHECK_OK(measure());
  if (!current_) {
    if (!reason_to_evict()) return false;
    LARDER_TRY(const bool picked, pick(caller));
    if (!picked) return false;
  }
  LARDER_CHECK_OK(advance(std::clamp(put_bytes * step_factor, least_step, largest_step), caller));
  return true;
}

Result<void> Evictor::keep_budget(std::uint64_t put_bytes, Caller& caller) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return {};
  LARDER_TRY(const auto held, parts_.shelf.locks().try_acquire(LockOffset::eviction()));
  if (!held) return {};
  const auto more = step(put_bytes, caller);
  // After a failure the next look is some puts away: it would fail again.
  is_busy_.store(more.value_or(false), std::memory_order_relaxed);
  if (!more) return std::unexpected(more.error());
  return {};
}

// Bounded: what must be carried on could otherwise be carried for ever.
Result<void> Evictor::catch_up(Caller& caller) {
  const std::lock_guard lock(mutex_);
  LARDER_TRY(const auto held, parts_.shelf.locks().acquire(LockOffset::eviction(), patience));
  refused_.clear();
  LARDER_TRY(const OnDisk disk, measure());
  for (std::size_t left = 2 * disk.segments.size() + 16; left > 0; --left) {
    LARDER_CHECK_OK(finish_current(caller));
    if (!reason_to_evict()) break;
    LARDER_TRY(const bool picked, pick(caller));
    if (!picked) break;
  }
  return finish_current(caller);
}

// What cannot leave now is passed over: any other segment will do.
std::uint64_t Evictor::free_from(const OnDisk& disk, std::uint64_t bytes, Caller& caller) {
  std::uint64_t freed = 0;
  for (const SegmentOnDisk& segment : disk.segments) {
    if (freed >= bytes) break;
    const auto begun = begin(segment.name, rules_of_budget(EvictionReason::bytes));
    if (!begun || !*begun) continue;
    const std::uint64_t gain = current_->disk_bytes();
    if (finish_current(caller)) freed += gain;
  }
  return freed;
}

Result<bool> Evictor::make_room(std::uint64_t bytes, Caller& caller) {
  const std::lock_guard lock(mutex_);
  LARDER_TRY(const auto held, parts_.shelf.locks().acquire(LockOffset::eviction(), patience));
  (void)finish_current(caller);
  LARDER_TRY(const OnDisk disk, measure());
  LARDER_TRY(const SpaceInfo space, parts_.shelf.root().space());
  std::uint64_t attainable = space.free_bytes;
  for (const SegmentOnDisk& segment : disk.segments) attainable += segment.disk_bytes;
  if (attainable < bytes) return false;  // the loss of all of it would be for nothing
  std::uint64_t freed = free_from(disk, bytes, caller);
  if (freed == 0) {
    LARDER_TRY(const bool released, release_own(caller, true));
    if (released) freed = free_from(disk, bytes, caller);
  }
  return freed > 0;
}

void Evictor::close() {
  const std::lock_guard lock(mutex_);
  current_.reset();
  if (unaccounted_ > 0) account();
  carriers_.close_all();
}

}  // namespace larder::pack_store
