// An index that lacks what the segments hold. Its header has a check, its slots have none, since
// every process changes them all the time: a slot that was damaged while nobody had the store open
// hides its entry, and nobody could tell. So whoever walks the whole store anyway, to verify, prune
// or maintain it, compares the two, and makes the index anew before anything goes because the index
// does not lead there.
#include <array>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/try.h"
#include "store/pack/evict_segment.h"
#include "store/pack/evict_usage.h"
#include "store/pack/large_files.h"
#include "store/pack/look_up.h"
#include "store/pack/rebuild.h"
#include "store/pack/segment_writer.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

constexpr int attempts_to_compare = 4;  // each lost to somebody who makes the index anew

// Whoever evicts from it, or writes to it, is at work there.
Result<bool> is_at_rest(Shelf& shelf, std::uint32_t number) {
  Directory& segments = shelf.segments_directory();
  auto file = segments.open_file(format::segment_name(number), OpenMode::read);
  if (!file && file.error().code == Errc::absent) {
    LARDER_TRY(const auto bad, find_bad_segment(segments, number));
    if (bad) file = segments.open_file(path_of(*bad), OpenMode::read);
  }
  if (!file && file.error().code == Errc::absent) return false;
  if (!file) return std::unexpected(file.error());
  LARDER_TRY(const bool is_locked, (*file)->is_locked(owner_lock_at, 1));
  return !is_locked;
}

// What is no file of an artifact is as good as none.
Result<bool> has_file(Shelf& shelf, const format::Record& record) {
  auto holds = shelf.large().holds_payload(format::large_file_key(record), record.payload_digest);
  if (holds) return holds;
  if (is_no_file(holds.error())) return false;
  return holds;
}

// The record, its payload and its file: what is damaged has left the index for that.
Result<bool> is_whole(Shelf& shelf, std::uint64_t word) {
  const auto location = format::Location::of(word);
  std::shared_ptr<Segment> keep;
  const auto segment = shelf.segments().find(location.segment, keep);
  LARDER_TRY(const auto record, read_record(shelf, location, keep));
  if (!segment || !record) return false;
  if (record->kind == format::RecordKind::large) {
    return has_file(shelf, *record);
  }
  std::vector<std::byte> stored(record->stored_bytes);
  LARDER_TRY(
      const std::size_t count,
      (*segment)->file()->read_at(stored, location.offset_bytes() + format::record_header_bytes));
  return count == stored.size() && format::payload_is_good(*record, stored);
}

// Whether a slot of that tag leads to a record of it: to the one at `word`, or to another, a copy
// or what was put since. One that is damaged leads to anything.
Result<bool> leads_to_record(Shelf& shelf, const IndexTable& table, std::uint64_t tag,
                             std::uint64_t word) {
  for (IndexTable::Cursor cursor(table, tag); cursor.next();) {
    const std::uint64_t there = cursor.word() & format::place_mask;
    if (there == word) return true;
    if (there == 0) continue;
    std::shared_ptr<Segment> keep;
    LARDER_TRY(const auto record, read_record(shelf, format::Location::of(there), keep));
    if (record && shelf.tag_of(*record) == tag) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Index>> Shelf::index_of_segments() {
  auto truth = std::make_unique<Index>(
      Index::Parts{.root = root(), .state = *state_, .epochs = parts_.epochs, .origin = origin_});
  LARDER_TRY(const Rebuilt read,
             rebuild({.segments_directory = *segments_directory_,
                      .origin = origin_,
                      .hash = hash_,
                      .keys = keys_,
                      .segments = *segments_,
                      .index = *truth,
                      .state = *state_,
                      .large_is_good = [](const auto&) { return Result<bool>(true); }},
                     IndexPlace::for_comparison));
  if (!read.is_complete) {
    return std::unexpected(
        Error{.code = Errc::io_error, .message = "parts of them cannot be read"});
  }
  // What was put while the index lacked the entry says of none that is older.
  if (read.hides_older && !read_only()) note_forgotten();
  return truth;
}

Result<Shelf::Comparison> Shelf::compare_once(OwnSegments own) {
  LARDER_TRY(const auto truth, index_of_segments());
  LARDER_TRY(const IndexTable* const all, truth->table());
  LARDER_TRY(const IndexTable* const table, index_->table());
  Comparison found;
  std::map<std::uint32_t, bool> at_rest;
  for (std::uint64_t slot = 0; slot < all->slots(); ++slot) {
    const std::uint64_t word = all->word_at(slot) & format::place_mask;
    if (word == 0) continue;
    LARDER_TRY(const bool is_led_to, leads_to_record(*this, *table, all->tag_at(slot), word));
    if (is_led_to) continue;
    const std::uint32_t number = format::Location::of(word).segment;
    if (!at_rest.contains(number)) {
      LARDER_TRY(const bool rests, is_at_rest(*this, number));
      at_rest.emplace(number, rests);
    }
    const bool is_own = own == OwnSegments::compared && writers_->writes(number);
    if (!at_rest.at(number) && !is_own) {
      found.at_work.insert(number);
      continue;
    }
    LARDER_TRY(const bool whole, is_whole(*this, word));
    if (whole) found.hidden.insert(word);
  }
  return found;
}

// What was being put, removed or evicted at the first look is so no more at the second.
Result<Shelf::Comparison> Shelf::compare_index(OwnSegments own) {
  LARDER_TRY(Comparison first, compare_once(own));
  if (first.hidden.empty()) return first;
  LARDER_TRY(Comparison second, compare_once(own));
  std::erase_if(second.hidden, [&](std::uint64_t word) { return !first.hidden.contains(word); });
  second.at_work.merge(first.at_work);
  return second;
}

Result<std::uint64_t> Shelf::count_hidden() {
  if (!has_segments() || has_own_index_ || index_is_partial()) return 0;
  LARDER_TRY(const Comparison compared, compare_index(OwnSegments::left_out));
  return compared.hidden.size();
}

std::set<std::uint32_t> Shelf::uncompared_segments() {
  const std::lock_guard lock(uncompared_mutex_);
  return uncompared_.value_or(std::set<std::uint32_t>());
}

Result<bool> Shelf::comparison_is_due() {
  if (may_lack_more_.load() || !index_was_compared()) return true;
  const std::lock_guard lock(uncompared_mutex_);
  if (!uncompared_) return true;
  for (const std::uint32_t number : *uncompared_) {
    LARDER_TRY(const bool rests, is_at_rest(*this, number));
    if (rests) return true;
  }
  return false;
}

// One thread at a time: nobody may take for compared what another one is about to.
Result<void> Shelf::heal_index_at_first() {
  const std::lock_guard lock(heal_mutex_);
  LARDER_TRY(const bool is_due, comparison_is_due());
  if (is_due) LARDER_CHECK_OK(heal_index());
  return {};
}

void Shelf::note_compared(std::set<std::uint32_t> but_for, std::uint64_t at_rebuilds) {
  const std::lock_guard lock(uncompared_mutex_);
  compared_at_rebuilds_ = at_rebuilds;
  uncompared_ = std::move(but_for);
}

Result<std::uint64_t> Shelf::heal_index() {
  if (!has_segments()) return 0;
  may_lack_more_ = false;
  auto healed = compare_and_heal();
  if (!healed) may_lack_more_ = true;
  return healed;
}

// Whoever makes it anew holds the lock, and is waited for: what he did not come to may be hidden.
Result<std::uint64_t> Shelf::compare_and_heal() {
  for (int attempt = 0; attempt < attempts_to_compare; ++attempt) {
    const IndexSeen seen = see_index();
    if (seen.is_partial) {
      LARDER_CHECK_OK(make_index_anew(seen));
      continue;
    }
    LARDER_TRY(Comparison compared, compare_index(OwnSegments::compared));
    const std::uint64_t hidden = compared.hidden.size();
    if (hidden == 0) {
      note_compared(std::move(compared.at_work), seen.rebuilds);
      return 0;
    }
    LARDER_TRY(const MadeAnew made, make_index_anew(seen));
    if (made == MadeAnew::by_another) continue;
    LARDER_CHECK_OK(note_made_anew(hidden));
    return hidden;
  }
  return std::unexpected(
      Error{.code = Errc::timed_out, .message = "others keep making it anew; try again later"});
}

Result<void> Shelf::note_made_anew(std::uint64_t hidden) {
  if (!is_complete_.load()) {
    return std::unexpected(
        Error{.code = Errc::io_error, .message = "not all of them could be read once more"});
  }
  note_compared({}, made_at_rebuilds_);
  tell(LogLevel::warning, "the index lacked " + std::to_string(hidden) +
                              " entries that the segments hold, and was made anew from them");
  return {};
}

}  // namespace larder::pack_store
