// Keeps one shelf within its budget: segment by segment, in small steps.
//
// Which segment leaves. The oldest; but those that hold what was carried, and so was read more than
// once, only when they take most of the store, so that what is new and never read again leaves
// without costing what is in use.
//
// Concurrency model. One thread of one process evicts at a time: its turn. A put that finds another
// one at it goes on; but where there is more than a segment too much it waits for its turn, the
// longer the more there is: who puts in many processes must not outrun who evicts. A turn is held
// for the length of a step, or of a segment by what goes over the whole store, so that everybody
// comes to it; nobody keeps one while he waits for the other half of his. Between steps only the
// lock of the segment that is leaving is held, so that nobody waits for somebody who stopped
// putting. How much there is on disk is a word in `state` that all add to; it is a hint, and the
// files are counted before anything is evicted, and now and then anyway.
#ifndef LARDER_STORE_PACK_EVICTOR_H_
#define LARDER_STORE_PACK_EVICTOR_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "store/pack/evict_alone.h"
#include "store/pack/evict_hidden.h"
#include "store/pack/evict_older.h"
#include "store/pack/evict_prune.h"
#include "store/pack/evict_segment.h"
#include "store/pack/evict_sweep.h"
#include "store/pack/evict_usage.h"
#include "store/pack/writers.h"

namespace larder::pack_store {

// Any thread may call any function, with a guard of the epochs held.
class Evictor {
 public:
  struct Parts {
    Shelf& shelf;
    FileSystem& file_system;
    Budget budget;
    std::uint64_t segment_bytes = 0;  // of a full one
    Writers::Parts carriers;
    // Whether a mapping keeps its lock when the descriptors are closed: else nobody knows what is
    // mapped.
    bool may_cut = true;
  };

  explicit Evictor(const Parts& parts);

  // What the store lends, and what it shall tell its listener afterwards.
  struct Caller {
    std::function<bool()> sync_own;  // flushes this process's segments; whether all went well
    // Lets go of the guard of the epochs for a moment, so that what has left is closed. Nothing of
    // the index and no segment of the table may be in use.
    std::function<void()> rest;
    // Whether the index may lack what is whole in the segment of that number. Nothing of such a
    // one is taken for dead by upkeep; puts do not ask.
    std::function<bool(std::uint32_t)> may_lack = [](std::uint32_t) { return false; };
    std::vector<Gone> gone = {};
    SegmentEviction::Blocks blocks = SegmentEviction::Blocks::when_closed;  // at least
    std::vector<Error> refused = {};  // why segments stay that should have left, or files or blocks
  };

  // Counts as used while it lives.
  class Reserved {
   public:
    Reserved() = default;
    Reserved(std::shared_ptr<std::atomic<std::uint64_t>> sum, std::uint64_t bytes)
        : sum_(std::move(sum)), bytes_(bytes) {
      *sum_ += bytes_;
    }
    Reserved(Reserved&& other) noexcept
        : sum_(std::exchange(other.sum_, nullptr)), bytes_(other.bytes_) {}
    Reserved& operator=(Reserved&& other) noexcept {
      std::swap(sum_, other.sum_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Reserved() {
      if (sum_) *sum_ -= bytes_;
    }

   private:
    std::shared_ptr<std::atomic<std::uint64_t>> sum_;
    std::uint64_t bytes_ = 0;
  };

  // For something large, before it is written: then what has to leave for it, leaves first. See
  // keep_budget. nullopt without a budget of bytes.
  std::optional<Reserved> reserve(std::uint64_t bytes);

  // Counts a put; whether there is something to do after it. A few nanoseconds.
  bool is_due(std::uint64_t put_bytes) noexcept;

  // One step; when there is more than a segment too much, or this is the first look of the process
  // and there is anything too much, as many as it takes until what is begun is finished, and some
  // segments have left. Does nothing while somebody else evicts.
  Result<void> keep_budget(std::uint64_t put_bytes, Caller& caller);

  // Until the budget holds and no segment is mostly dead, or nothing more can go. Then cleans up
  // after processes that were killed.
  Result<void> maintain(Caller& caller);

  // Evicts whole segments until about `bytes` more are free; whether any left. What leaves and
  // gives nothing back, because somebody has it mapped, lets others leave instead. Where nobody
  // has, a snapshot keeps it, say, that ends it: then nothing leaves for room until there is more
  // of it, or many a call was refused. timed_out when others evict for too long.
  Result<bool> make_room(std::uint64_t bytes, Caller& caller);

  // Evicts until `budget` holds; what stays in a segment is written anew.
  Result<PruneReport> prune(const Budget& budget, Caller& caller);
  // What it would report. Changes nothing.
  Result<PruneReport> foresee(const Budget& budget);
  Result<PruneReport> clear(Caller& caller);

  // What is there, and what this process has put and not yet told the others.
  std::uint64_t used_bytes() const noexcept;

  // Whether this process carried the record, and the disk has it. Who has made the index anew leads
  // it to copies that were not synced yet.
  bool carried(const format::Location& location);
  // Makes durable what it has carried so far.
  Result<void> sync_copies() {
    return carriers_.is_settled() ? Result<void>() : sync_carried(parts_.shelf, carriers_);
  }

  // At the end, when all of this process is synced: carries what lives in a segment that no sync
  // vouches for any more into one of this process.
  Result<void> write_anew(const format::SegmentName& name);

  // Tells the others what this process put, and lets go of what was begun.
  void close();

 private:
  enum class Release { synced, sealed_and_synced };

  // Among the threads of this process, and among processes. Both end with it.
  struct Turn {
    std::unique_lock<std::timed_mutex> thread;
    store_directory::LockFile::Held process;
    std::chrono::steady_clock::time_point since;
  };

  SegmentEviction::Parts parts_for_segment();

  void account() noexcept;
  void take_credit() noexcept;
  void forgive_refusals();
  Result<OnDisk> measure(LargeFiles large);
  bool is_time_to_measure() const noexcept;
  std::uint64_t index_bytes() const noexcept;
  std::uint64_t bytes_over() const noexcept;
  std::uint64_t tolerated_bytes() const noexcept;
  bool entries_are_unknown() const noexcept;
  std::uint64_t entries_over() const noexcept;
  std::uint64_t entries_to_let_go() const noexcept;
  void recount();
  std::optional<EvictionReason> reason_to_evict();
  bool is_time_for_age() noexcept;

  // evictor_turn.cc
  using Rest = std::function<void()>;
  Result<std::optional<Turn>> try_turn(std::chrono::milliseconds limit_of_thread);
  Result<std::optional<Turn>> take_turn(std::chrono::milliseconds limit, const Rest& rest);
  Result<Turn> wait_for_turn(std::chrono::milliseconds limit, const Rest& rest);
  Result<void> let_others(std::optional<Turn>& turn, Caller& caller);
  std::uint64_t bytes_to_free() const;
  std::uint64_t steps_over() const;
  std::chrono::milliseconds patience_of_put() const;

  // evictor_pick.cc
  struct Care {
    LargeFiles large_files = LargeFiles::as_kept;
    std::uint64_t tolerated_bytes =
        0;  // over the budget, before what this process writes has to go
    std::size_t looks = ~std::size_t{0};  // at segments that cannot leave
  };
  enum class Picked { no, not_yet, yes };
  Result<bool> pick(const Care& care, Caller& caller);
  Result<bool> pick_for(EvictionReason reason, const Care& care, Caller& caller);
  bool is_worth_it(Release release, const Care& care, const OnDisk& disk);
  std::uint64_t open_bytes(const OnDisk& disk);
  Result<Picked> pick_from(const OnDisk& disk, EvictionReason reason, const Care& care);
  Result<bool> pick_aged(Caller& caller);
  Result<bool> pick_suspect(const Caller& caller);
  Result<void> find_aged(Caller& caller);
  std::int64_t oldest_use_s(const format::SegmentName& name);
  Content content_of(const SegmentOnDisk& segment);
  void forget_contents(const OnDisk& disk);
  std::vector<SegmentOnDisk> in_order(const OnDisk& disk);
  void give_credit(std::uint64_t leaving, std::uint64_t largest) noexcept;
  Result<bool> begin_for_budget(EvictionReason reason, const SegmentOnDisk& segment);
  SegmentEviction::Rules rules_of_budget(EvictionReason reason);
  SegmentEviction::Rules rules_of_age() const;
  Result<bool> begin(const format::SegmentName& name, SegmentEviction::Rules rules);
  bool may_move(const SegmentEviction::Staying& staying) noexcept;
  bool writes(const format::SegmentName& name);
  Result<bool> release_own(Caller& caller, Release release);

  Result<void> sweep(std::uint64_t looks, Caller& caller);
  Result<bool> step(std::uint64_t put_bytes, Caller& caller);
  Result<bool> advance(std::uint64_t bytes, Caller& caller);
  Result<void> finish_current(Caller& caller);
  Result<void> finish_what_is_begun(Caller& caller);

  // evictor_room.cc
  struct Freed {
    std::uint64_t bytes = 0;
    std::size_t segments = 0;
  };
  // True while it lives.
  class Wanted {
   public:
    explicit Wanted(bool& flag) : flag_(flag) { flag_ = true; }
    Wanted(const Wanted&) = delete;
    Wanted& operator=(const Wanted&) = delete;
    ~Wanted() { flag_ = false; }

   private:
    bool& flag_;
  };
  Freed free_from(const OnDisk& disk, std::uint64_t bytes, Caller& caller);
  Result<bool> has_so_much(std::uint64_t bytes);
  std::uint64_t free_bytes() const;
  SegmentEviction::Blocks wanted_blocks(const Caller& caller) const;
  // Of one segment, for room.
  struct Leave {
    std::uint64_t disk_bytes = 0;
    std::uint64_t used_bytes = 0;
    std::uint64_t room_before = 0;
  };
  std::uint64_t room_bytes() const;
  Leave leave_of(const SegmentEviction& segment) const;
  std::uint64_t gain_of(const Leave& leave) const;
  static bool gave_nothing_back(const Leave& leave, std::uint64_t gained) noexcept;
  void wait_for_gain(const Leave& leave, std::unique_ptr<SegmentEviction> gone, Caller& caller);
  void refuse_room(std::uint64_t missing_bytes);
  bool is_worth_it_again() const;
  void count_refused();
  bool is_in_vain() const noexcept { return calls_to_refuse_ > 0; }
  void begin_sparing() noexcept;
  void end_sparing() noexcept;
  bool is_mapped(const format::SegmentName& name) const;
  bool is_spared(const format::SegmentName& name);
  bool is_any_spared_free() const;
  void note_none_to_spare();

  // evictor_prune.cc
  bool may_go(const format::SegmentName& name);
  Result<PrunePlan> plan(const Budget& budget, const OnDisk& disk, const Caller& caller);
  enum class Round { first, later };
  SegmentEviction::Removals removals_of(std::uint32_t segment, const PrunePlan& plan,
                                        Round round) const;
  Result<void> carry_out(const PrunePlan& plan, Round round, std::optional<Turn>& turn,
                         Caller& caller);
  Result<void> evict_whole(const format::SegmentName& name, SegmentEviction::Rules rules,
                           Caller& caller);
  Result<void> renew(const std::vector<std::uint64_t>& place_words, Caller& caller);
  Result<void> lead_to(std::vector<Renewal>& renewed);
  Result<void> withdraw_left(const PrunePlan::Leaving& leaving, Caller& caller);
  Result<void> clear_segments(Caller& caller);
  Result<PruneReport> finish_report(std::size_t gone_before, const Caller& caller);
  void trim_all();
  Result<std::size_t> bury_all_hidden(Caller& caller);
  void number_anew();

  // evictor_maintain.cc
  Result<void> keep_up(std::optional<Turn>& turn, Caller& caller);
  Result<void> compact_hollow(std::optional<Turn>& turn, Caller& caller);
  Result<void> prove_abandoned(Caller& caller);
  Result<std::shared_ptr<Segment>> take_abandoned(const format::SegmentName& name);
  Result<void> prove(const format::SegmentName& name);
  Result<void> trim(const format::SegmentName& name);
  void trim_abandoned(const OnDisk& disk);
  void sweep_unused_large(Caller& caller);

  const Parts parts_;
  const std::uint64_t account_step_;
  Writers carriers_;
  OlderRecords older_;

  std::atomic<std::uint64_t> unaccounted_ = 0;  // put, and not in the word yet
  std::atomic<std::uint64_t> accounted_ = 0;    // put, and no credit taken for it yet
  const std::shared_ptr<std::atomic<std::uint64_t>> reserved_;  // outlives this where puts go on
  std::atomic<bool> is_busy_ = true;                            // at first, to look once
  std::atomic<std::int64_t> next_look_at_age_s_ = 0;
  std::atomic<bool> is_age_due_ = false;
  // Of what is too much, what could not leave when this process looked last.
  std::atomic<std::uint64_t> held_steps_ = 0;

  std::timed_mutex mutex_;  // of a turn; the rest is guarded by it
  std::optional<std::uint64_t> put_since_measured_;
  std::unique_ptr<SegmentEviction> current_;
  std::uint64_t own_evictions() const noexcept { return current_ && current_->has_begun(); }
  EntrySweep sweep_;
  std::vector<format::SegmentName> aged_;
  // Segments that failed to leave, or would have given nothing back, for a while.
  std::set<std::uint32_t> refused_;
  bool is_own_failure_ = false;  // of the last one: no other one need fail
  std::uint64_t put_since_refusals_ = 0;
  std::uint64_t carry_credit_ = 0;
  std::uint64_t first_credit_left_;
  std::uint64_t move_credit_ = 0;  // for removals that could stay where they are
  // While evictions for room are in vain.
  std::atomic<std::uint64_t> calls_to_refuse_ = 0;  // read without a turn, too
  std::uint64_t next_calls_to_refuse_ = 0;          // 0 when the last one was not in vain
  std::atomic<std::uint64_t> room_when_worth_it_ = 0;
  std::uint64_t put_since_in_vain_ = 0;
  bool wants_room_ = false;   // whatever the budget
  std::uint64_t gained_ = 0;  // by what left last, when room was wanted
  // What somebody has mapped stays for a while when room is wanted: one gave nothing back, or it is
  // not known yet whether any does, as in a process that puts but once.
  bool spares_viewed_ = true;
  std::uint64_t put_since_spared_ = 0;
  std::set<std::uint32_t> spared_;
  std::map<std::uint32_t, Content> contents_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICTOR_H_
