#include "store/pack/evict_sweep.h"

#include <algorithm>
#include <limits>

#include "base/try.h"
#include "store/pack/evict_alone.h"
#include "store/pack/evict_older.h"
#include "store/pack/evict_usage.h"

namespace larder::pack_store {

std::optional<format::SegmentName> EntrySweep::take_hollow() {
  return std::exchange(hollow_, std::nullopt);
}

void EntrySweep::judge_passed() {
  if (at_ && kept_bytes_ < segment_bytes_ / 2) hollow_ = at_;
}

Result<void> EntrySweep::read_segment(const format::SegmentName& name) {
  places_.clear();
  next_ = 0;
  kept_bytes_ = 0;
  segment_bytes_ = 0;
  at_ = name;
  std::shared_ptr<Segment> keep;
  const auto segment = parts_.shelf.segments().find(name.number, keep);
  if (!segment) return {};  // it left meanwhile, or is none of ours
  LARDER_TRY(const FileInfo info, (*segment)->file()->info());
  const auto entries = list_records(parts_.shelf, parts_.carriers, **segment);
  // What the disk cannot read keeps nothing else from leaving.
  if (!entries && entries.error().code == Errc::io_error) return {};
  if (!entries) return std::unexpected(entries.error());
  segment_bytes_ = info.size_bytes;
  for (const format::SummaryEntry& entry : *entries) {
    if (entry.removed) continue;
    const format::Location location{
        .segment = name.number, .place = entry.place, .units = entry.hit_units};
    places_.push_back({.slot_tag = entry.slot_tag, .word = location.word()});
  }
  return {};
}

// False when there is none.
Result<bool> EntrySweep::go_to_next_segment() {
  judge_passed();
  const auto follows = [this](std::uint32_t number) { return at_ && number > at_->number; };
  std::optional<format::SegmentName> lowest, next;
  LARDER_CHECK_OK(parts_.shelf.segments_directory().list([&](std::string_view name) {
    const auto parsed = format::parse_segment_name(name);
    if (!parsed) return true;
    if (!lowest || parsed->number < lowest->number) lowest = parsed;
    if (follows(parsed->number) && (!next || parsed->number < next->number)) next = parsed;
    return true;
  }));
  if (!next) {
    next = lowest;
    ++rounds_;
  }
  if (!next) return false;
  LARDER_CHECK_OK(read_segment(*next));
  return true;
}

// Nobody knows whose it is: no removal can be written.
Result<bool> EntrySweep::let_go_of_damaged(const Place& place, std::vector<Gone>& gone) {
  Shelf& shelf = parts_.shelf;
  LARDER_CHECK_OK(shelf.prepare_to_change());
  shelf.note_forgotten();
  LARDER_TRY(const Published withdrawn, shelf.index().withdraw(place.slot_tag, place.word));
  if (withdrawn != Published::done) return false;
  shelf.count_entries(-1);
  gone.push_back(nameless(format::Location::of(place.word).hit_bytes()));
  return true;
}

// False when it stays.
Result<bool> EntrySweep::let_go(const Place& place, std::vector<Gone>& gone,
                                std::vector<format::Record>& withdrawn,
                                std::shared_ptr<Segment>& keep) {
  Shelf& shelf = parts_.shelf;
  LARDER_TRY(const auto word, find_word(shelf, place.slot_tag, place.word));
  if (!word) return false;
  const auto location = format::Location::of(place.word);
  if ((*word & format::visited_bit) != 0) {
    // Published once more, without the mark.
    LARDER_CHECK_OK(shelf.index().publish(place.slot_tag, place.word, place.word, always_other));
    kept_bytes_ += location.hit_bytes();
    return false;
  }
  const auto record = read_record(shelf, location, keep);
  // No removal can be written for it, and when it can be read again it would be back.
  if (!record) {
    kept_bytes_ += location.hit_bytes();
    return false;
  }
  if (!*record) return let_go_of_damaged(place, gone);
  const std::int64_t now_s = parts_.file_system.now_s();
  LARDER_TRY(const bool left, withdraw_alone(shelf, **record, place.word, now_s, Copies::one));
  if (!left) return false;
  withdrawn.push_back(**record);
  gone.push_back(gone_of(**record, EvictionReason::entries, now_s));
  return true;
}

Result<void> EntrySweep::go_round(const Step& step, std::vector<format::Record>& withdrawn) {
  std::uint64_t entries = step.entries;
  std::shared_ptr<Segment> keep;
  // The first round may only take marks away. What no segment tells of is not found in any.
  std::uint64_t last_round = rounds_ + 2;
  for (std::uint64_t looks = step.looks; entries > 0 && looks > 0 && rounds_ <= last_round;
       --looks) {
    if (next_ == places_.size()) {
      LARDER_TRY(const bool any, go_to_next_segment());
      if (!any) return {};
      continue;
    }
    LARDER_TRY(const bool left, let_go(places_[next_++], step.gone, withdrawn, keep));
    if (!left) continue;
    --entries;
    last_round = rounds_ + 2;
  }
  return {};
}

Result<void> EntrySweep::run(const Step& step) {
  std::vector<format::Record> withdrawn;
  const DropFiles how{.now_s = parts_.file_system.now_s(),
                      .own_evictions = step.own_evictions,
                      .given_up = parts_.shelf.given_up(),
                      .sync_own = step.sync_own};
  auto done = go_round(step, withdrawn);
  drop_files(parts_.shelf, withdrawn, how);
  return done;
}

}  // namespace larder::pack_store
