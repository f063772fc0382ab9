#include "store/pack/sync_marks.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "base/try.h"

namespace larder::pack_store {

using format::state_marks;
using format::SyncMark;

namespace {

constexpr int looks_at_a_mark = 20;

}  // namespace

// Each segment begins to look at a place of its own.
std::optional<SyncMarks::Mark> SyncMarks::set(std::uint32_t number) noexcept {
  const std::uint64_t word = SyncMark{.segment = number}.word();
  for (std::size_t i = 0; i < state_marks; ++i) {
    const std::size_t slot = (number + i) % state_marks;
    std::uint64_t seen = state_->mark(slot).load();
    if (!SyncMark::of(seen) && state_->mark(slot).compare_exchange_strong(seen, word)) {
      return Mark{.slot = slot, .word = word};
    }
  }
  return std::nullopt;
}

// Unless somebody forgot it, who found that the segment is gone.
void SyncMarks::take_back(const Mark& mark) noexcept {
  std::uint64_t seen = mark.word;
  state_->mark(mark.slot).compare_exchange_strong(seen, 0);
}

void SyncMarks::note_failure(const Mark& mark, std::uint64_t good_until) noexcept {
  const auto marked = SyncMark::of(mark.word);
  if (!marked) return;
  const auto place = static_cast<std::uint32_t>(good_until / format::pack_unit_bytes);
  std::uint64_t seen = mark.word;
  state_->mark(mark.slot).compare_exchange_strong(
      seen, SyncMark{.segment = marked->segment, .good_until_place = place}.word());
}

bool SyncMarks::is_suspect(std::uint32_t number) const noexcept {
  for (std::size_t slot = 0; slot < state_marks; ++slot) {
    const auto mark = SyncMark::of(state_->mark(slot).load());
    if (mark && mark->segment == number) return true;
  }
  return false;
}

bool SyncMarks::stays_suspect(std::uint32_t number) const {
  for (int i = 0; i < looks_at_a_mark && is_suspect(number); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return is_suspect(number);
}

bool SyncMarks::any() const noexcept {
  for (std::size_t slot = 0; slot < state_marks; ++slot) {
    if (SyncMark::of(state_->mark(slot).load())) return true;
  }
  return false;
}

std::vector<std::uint32_t> SyncMarks::suspects() const {
  std::vector<std::uint32_t> numbers;
  for (std::size_t slot = 0; slot < state_marks; ++slot) {
    if (const auto mark = SyncMark::of(state_->mark(slot).load())) numbers.push_back(mark->segment);
  }
  std::ranges::sort(numbers);
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  return numbers;
}

std::uint64_t SyncMarks::believed_until(std::uint32_t number) const noexcept {
  std::uint64_t until = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t slot = 0; slot < state_marks; ++slot) {
    const auto mark = SyncMark::of(state_->mark(slot).load());
    if (!mark || mark->segment != number || !mark->good_until_place) continue;
    until = std::min(until, std::uint64_t{*mark->good_until_place} * format::pack_unit_bytes);
  }
  return until;
}

void SyncMarks::forget(std::uint32_t number) noexcept {
  for (std::size_t slot = 0; slot < state_marks; ++slot) {
    std::uint64_t seen = state_->mark(slot).load();
    const auto mark = SyncMark::of(seen);
    if (mark && mark->segment == number) state_->mark(slot).compare_exchange_strong(seen, 0);
  }
}

// A failure that others have heard of before the file was opened has left its mark before that.
Result<void> SyncMarks::sync(std::uint32_t number, File& file) {
  const auto mark = stays_suspect(number) ? std::nullopt : set(number);
  if (!mark) {
    return std::unexpected(Error{.code = Errc::timed_out,
                                 .message = format::segment_name(number) +
                                            ": a sync of it did not end well; no other one can "
                                            "vouch for it until it is written anew"});
  }
  LARDER_CHECK_OK(file.sync_data());
  take_back(*mark);
  return {};
}

Result<std::shared_ptr<Segment>> SyncMarks::open(Directory& segments, const Origin& origin,
                                                 const format::SegmentName& name,
                                                 OpenMode mode) const {
  LARDER_TRY(auto segment, Segment::open(segments, origin, name, mode));
  segment->distrust_from(std::min(segment->good_until(), believed_until(name.number)));
  return segment;
}

}  // namespace larder::pack_store
