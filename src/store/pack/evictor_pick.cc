// Which segment leaves next, and by what rules.
#include <algorithm>

#include "base/try.h"
#include "store/pack/evictor.h"

namespace larder::pack_store {
namespace {

using Verdict = SegmentEviction::Verdict;
using Removals = SegmentEviction::Removals;

constexpr std::uint64_t carried_percent = 90;      // of the store, before any of it leaves
constexpr std::uint64_t least_gain_fraction = 16;  // of a segment, for moving its removals
constexpr std::uint32_t first_place = format::records_at / format::pack_unit_bytes;
constexpr std::uint32_t header_units = format::record_header_bytes / format::pack_unit_bytes;

}  // namespace

bool Evictor::writes(const format::SegmentName& name) {
  return parts_.shelf.writers().writes(name.number) || carriers_.writes(name.number);
}

// Never more than half again as much as the largest thing that may be carried.
void Evictor::give_credit(std::uint64_t leaving, std::uint64_t largest) noexcept {
  const std::uint64_t most = std::max(carry_credit_, largest + largest / 2);
  carry_credit_ = std::min(carry_credit_ + leaving / 2, most);
}

// One that cannot leave gives none.
Result<bool> Evictor::begin_for_budget(EvictionReason reason, const SegmentOnDisk& segment) {
  if (reason == EvictionReason::free_space && is_spared(segment.name)) return false;
  LARDER_TRY(const bool begun, begin(segment.name, rules_of_budget(reason)));
  if (!begun) return false;
  give_credit(std::min(segment.used_bytes, parts_.segment_bytes), parts_.segment_bytes);
  return true;
}

// What was read since goes on, as long as that is no more than half of what leaves: a segment of
// which less was read leaves some of its share to the next ones. Files of their own leave with the
// segment, and count for both.
SegmentEviction::Rules Evictor::rules_of_budget(EvictionReason reason) {
  return {.judge = [this, reason](const SegmentEviction::Asked& asked) -> Verdict {
            if (asked.large_bytes > 0) give_credit(asked.large_bytes, asked.large_bytes);
            if (!asked.visited || asked.bytes > carry_credit_) {
              return {.fate = Verdict::Fate::drop, .reason = reason};
            }
            carry_credit_ -= asked.bytes;
            return {.fate = Verdict::Fate::carry};
          },
          .when_full = SegmentEviction::WhenFull::drop,
          .removals = Removals::stay};
}

SegmentEviction::Rules Evictor::rules_of_age() const {
  return {.judge = [limit = parts_.budget.max_age_s.value_or(~0ull)](
                       const SegmentEviction::Asked& asked) -> Verdict {
            if (asked.age_s <= limit) return {.fate = Verdict::Fate::carry};
            return {.fate = Verdict::Fate::drop, .reason = EvictionReason::age};
          },
          .needs_age = true};
}

Result<bool> Evictor::begin(const format::SegmentName& name, SegmentEviction::Rules rules) {
  is_own_failure_ = false;
  LARDER_CHECK_OK(parts_.shelf.prepare_to_change());
  auto begun = SegmentEviction::begin(parts_for_segment(), name, std::move(rules));
  is_own_failure_ = !begun && SegmentEviction::is_unreadable(begun.error());
  if (!begun) {
    refused_.insert(name.number);
    return std::unexpected(std::move(begun).error());
  }
  std::unique_ptr<SegmentEviction> leaving = *std::move(begun);
  if (!leaving) return false;
  const auto staying = leaving->staying_removals();
  if (staying && may_move(*staying)) {
    current_ = std::move(leaving);
    return true;
  }
  refused_.insert(name.number);
  return staying ? Result<bool>(false) : std::unexpected(staying.error());
}

// Two segments may hold older records for each other's removals: then both would stay for ever. So
// a part of them moves, no more than what was put, and none where nothing else would leave.
bool Evictor::may_move(const SegmentEviction::Staying& staying) noexcept {
  if (staying.bytes == 0) return true;
  const bool gains = staying.bytes <= staying.of_bytes - staying.of_bytes / least_gain_fraction;
  if (!gains || staying.bytes > move_credit_) return false;
  move_credit_ -= staying.bytes;
  return true;
}

Content Evictor::content_of(const SegmentOnDisk& segment) {
  if (const auto known = contents_.find(segment.name.number); known != contents_.end()) {
    return known->second;
  }
  std::shared_ptr<Segment> keep;
  const auto found = parts_.shelf.segments().find(segment.name.number, keep);
  const Content content = found ? pack_store::content_of(**found) : Content::unknown;
  if (content != Content::unknown) contents_[segment.name.number] = content;
  return content;
}

// Of segments that left.
void Evictor::forget_contents(const OnDisk& disk) {
  std::erase_if(contents_, [&](const auto& known) {
    const auto at =
        std::ranges::lower_bound(disk.segments, known.first, {},
                                 [](const SegmentOnDisk& segment) { return segment.name.number; });
    return at == disk.segments.end() || at->name.number != known.first;
  });
}

std::vector<SegmentOnDisk> Evictor::in_order(const OnDisk& disk) {
  forget_contents(disk);
  std::vector<SegmentOnDisk> carried, others;
  std::uint64_t carried_bytes = 0, bytes = 0;
  for (const SegmentOnDisk& segment : disk.segments) {
    const bool is_carried = content_of(segment) == Content::carried;
    (is_carried ? carried : others).push_back(segment);
    if (is_carried) carried_bytes += segment.used_bytes;
    bytes += segment.used_bytes;
  }
  const bool carried_first = carried_bytes > bytes / 100 * carried_percent;
  auto& first = carried_first ? carried : others;
  const auto& second = carried_first ? others : carried;
  first.insert(first.end(), second.begin(), second.end());
  return std::move(first);
}

// The first that nobody holds.
Result<Evictor::Picked> Evictor::pick_from(const OnDisk& disk, EvictionReason reason,
                                           const Care& care) {
  std::optional<Error> failure;
  std::size_t looks_left = care.looks;
  for (const SegmentOnDisk& segment : in_order(disk)) {
    if (looks_left == 0) return Picked::not_yet;
    if (refused_.contains(segment.name.number)) continue;
    auto begun = begin_for_budget(reason, segment);
    if (begun && *begun) return Picked::yes;
    if (!begun) failure = std::move(begun).error();
    if (refused_.contains(segment.name.number)) --looks_left;
  }
  if (failure) return std::unexpected(*std::move(failure));
  return Picked::no;
}

// Lets go of the segments that this process holds. False when they could not be synced.
Result<bool> Evictor::release_own(Caller& caller, Release release) {
  if (release == Release::sealed_and_synced) {
    LARDER_CHECK_OK(parts_.shelf.writers().seal_all());
    LARDER_CHECK_OK(carriers_.seal_all());
    const auto lost = carriers_.sync([this] { return parts_.shelf.is_in_place(); });
    if (lost.error) return std::unexpected(*lost.error);
  }
  return caller.sync_own();
}

// What this process is writing, and would leave if it were sealed.
std::uint64_t Evictor::open_bytes(const OnDisk& disk) {
  std::uint64_t record_bytes = 0, most_large_bytes = 0;
  for (Writers* const own : {&parts_.shelf.writers(), &carriers_}) {
    const Writers::Open open = own->open_bytes(refused_);
    record_bytes += open.record_bytes;
    most_large_bytes += open.most_large_bytes;
  }
  return record_bytes + std::min(most_large_bytes, disk.large_bytes);
}

// Where nobody else has a segment to spare, this process may be holding them all: those that only
// wait for a sync first; what is being written when there is more of it than is tolerated. Where
// others hold more than the budget by themselves, nothing else brings it back: then each put would
// take the ones before it away.
Result<bool> Evictor::pick_for(EvictionReason reason, const Care& care, Caller& caller) {
  LARDER_TRY(const OnDisk disk, measure(care.large_files));
  if (!reason_to_evict()) return false;
  trim_abandoned(disk);
  LARDER_TRY(Picked picked, pick_from(disk, reason, care));
  for (const Release release : {Release::synced, Release::sealed_and_synced}) {
    if (picked != Picked::no || !is_worth_it(release, care, disk)) continue;
    LARDER_TRY(const bool released, release_own(caller, release));
    if (!released) break;
    LARDER_TRY(picked, pick_from(disk, reason, care));
  }
  if (picked == Picked::no && reason == EvictionReason::free_space) note_none_to_spare();
  if (picked != Picked::not_yet) held_steps_ = picked == Picked::no ? steps_over() : 0;
  return picked == Picked::yes;
}

bool Evictor::is_worth_it(Release release, const Care& care, const OnDisk& disk) {
  if (release == Release::synced) return parts_.shelf.writers().has_sealed();
  return bytes_over() > care.tolerated_bytes && open_bytes(disk) > care.tolerated_bytes;
}

// When the first record was used: it is the oldest, or about that. Where it is damaged, when
// anything was written to the file.
std::int64_t Evictor::oldest_use_s(const format::SegmentName& name) {
  const format::Location first{.segment = name.number, .place = first_place, .units = header_units};
  if (const auto record = describe_record(parts_.shelf, first)) return record->written_s;
  const auto info = parts_.shelf.segments_directory().info_at(path_of(name));
  return info ? info->modified_s : parts_.file_system.now_s();
}

// Segments whose first record is too old.
Result<void> Evictor::find_aged(Caller& caller) {
  const std::uint64_t limit = *parts_.budget.max_age_s;
  const std::int64_t now_s = parts_.file_system.now_s();
  LARDER_TRY(const OnDisk disk, measure(LargeFiles::as_kept));
  bool is_own = false;
  for (const SegmentOnDisk& segment : disk.segments) {
    const std::int64_t age_s = now_s - oldest_use_s(segment.name);
    if (age_s < 0 || static_cast<std::uint64_t>(age_s) <= limit) continue;
    aged_.push_back(segment.name);
    is_own = is_own || writes(segment.name);
  }
  std::ranges::reverse(aged_);
  if (is_own) LARDER_CHECK_OK(release_own(caller, Release::sealed_and_synced));
  return {};
}

Result<bool> Evictor::pick_aged(Caller& caller) {
  if (aged_.empty() && is_age_due_.exchange(false)) LARDER_CHECK_OK(find_aged(caller));
  while (!aged_.empty()) {
    const format::SegmentName name = aged_.back();
    aged_.pop_back();
    if (caller.may_lack(name.number)) continue;
    LARDER_TRY(const bool begun, begin(name, rules_of_age()));
    if (begun) return true;
  }
  return false;
}

// One that no sync vouches for any more, so that it keeps no other one from leaving.
Result<bool> Evictor::pick_suspect(const Caller& caller) {
  SyncMarks marks = parts_.shelf.marks();
  Directory& directory = parts_.shelf.segments_directory();
  for (const std::uint32_t number : marks.suspects()) {
    std::optional name = format::SegmentName{.number = number};
    if (refused_.contains(number) || writes(*name) || caller.may_lack(number)) continue;
    const auto info = directory.info_at(path_of(*name));
    if (!info && info.error().code == Errc::absent) {
      LARDER_TRY(name, find_bad_segment(directory, number));
    }
    if (!name) {
      marks.forget(number);
      continue;
    }
    // One that cannot leave now keeps no other one from leaving.
    const auto begun = begin(*name, {.judge = SegmentEviction::carry_all});
    if (begun && *begun) return true;
  }
  return false;
}

Result<bool> Evictor::pick(const Care& care, Caller& caller) {
  count_refused();
  LARDER_TRY(const bool is_suspect, pick_suspect(caller));
  if (is_suspect) return true;
  if (const auto hollow = sweep_.take_hollow();
      hollow && !refused_.contains(hollow->number) && !caller.may_lack(hollow->number)) {
    LARDER_TRY(const bool begun,
               begin(*hollow, {.judge = SegmentEviction::carry_all, .removals = Removals::stay}));
    if (begun) return true;
  }
  if (const auto reason = reason_to_evict()) {
    LARDER_TRY(const bool picked, pick_for(*reason, care, caller));
    if (picked) return true;
  }
  return parts_.budget.max_age_s ? pick_aged(caller) : Result<bool>(false);
}

}  // namespace larder::pack_store
