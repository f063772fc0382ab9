// An index that lacks what the segments hold. Its header has a check, its slots have none, since
// every process changes them all the time: a slot that was damaged while nobody had the store open
// hides its entry, and nobody could tell. So whoever walks the whole store anyway, to verify, prune
// or maintain it, compares the two, and makes the index anew before anything goes because the index
// does not lead there.
#include <array>
#include <vector>

#include "base/try.h"
#include "store/pack/evict_usage.h"
#include "store/pack/look_up.h"
#include "store/pack/rebuild.h"
#include "store/pack/segment_writer.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

// Whoever evicts from it, or writes to it, is at work there.
Result<bool> is_at_rest(Shelf& shelf, std::uint32_t number) {
  const auto file =
      shelf.segments_directory().open_file(format::segment_name(number), OpenMode::read);
  if (!file && file.error().code == Errc::absent) return false;
  if (!file) return std::unexpected(file.error());
  LARDER_TRY(const bool is_locked, (*file)->is_locked(owner_lock_at, 1));
  return !is_locked;
}

// What is no file of an artifact is as good as none.
Result<bool> has_file(Shelf& shelf, const format::Record& record) {
  auto holds = shelf.large().holds_payload(format::large_file_key(record), record.payload_digest);
  if (holds) return holds;
  const Errc code = holds.error().code;
  if (code == Errc::not_ours || code == Errc::corrupt || code == Errc::too_large) return false;
  return holds;
}

// The record, its payload and its file: what is damaged has left the index for that.
Result<bool> is_whole(Shelf& shelf, std::uint64_t word) {
  const auto location = format::Location::of(word);
  std::shared_ptr<Segment> keep;
  const auto segment = shelf.segments().find(location.segment, keep);
  const auto record = describe_record(shelf, location, keep);
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

}  // namespace

Result<std::vector<std::uint64_t>> Shelf::find_hidden() {
  Index truth({.root = root(), .state = *state_, .epochs = parts_.epochs, .origin = origin_});
  LARDER_TRY(const Rebuilt read,
             rebuild({.segments_directory = *segments_directory_,
                      .origin = origin_,
                      .hash = hash_,
                      .keys = keys_,
                      .segments = *segments_,
                      .index = truth,
                      .state = *state_,
                      .large_is_good = [](const auto&) { return Result<bool>(true); }},
                     IndexPlace::in_private_memory));
  if (!read.is_complete) {
    return std::unexpected(
        Error{.code = Errc::io_error, .message = "parts of them cannot be read"});
  }
  LARDER_TRY(const IndexTable* const all, truth.table());
  LARDER_TRY(const IndexTable* const table, index_->table());
  std::vector<std::uint64_t> hidden;
  for (std::uint64_t slot = 0; slot < all->slots(); ++slot) {
    const std::uint64_t word = all->word_at(slot) & format::place_mask;
    if (word == 0 || table->has_entry(all->tag_at(slot))) continue;
    LARDER_TRY(const bool rests, is_at_rest(*this, format::Location::of(word).segment));
    if (!rests) continue;
    LARDER_TRY(const bool whole, is_whole(*this, word));
    if (whole) hidden.push_back(word);
  }
  return hidden;
}

Result<std::uint64_t> Shelf::count_hidden() {
  if (!has_segments() || has_own_index_ || index_is_partial()) return 0;
  const std::uint64_t removals = state_->word(StateWord::removal_epoch).load();
  const std::uint64_t gone = state_->word(StateWord::gone_segments).load();
  LARDER_TRY(const auto hidden, find_hidden());
  // What left meanwhile is not hidden; the next one to look will see.
  const bool is_quiet = state_->word(StateWord::removal_epoch).load() == removals &&
                        state_->word(StateWord::gone_segments).load() == gone;
  if (is_quiet && hidden.empty()) comparisons_left_ = 0;
  return is_quiet ? hidden.size() : 0;
}

Result<void> Shelf::heal_index_at_first() {
  if (comparisons_left_.load() <= 0) return {};
  --comparisons_left_;
  LARDER_CHECK_OK(heal_index());
  return {};
}

Result<std::uint64_t> Shelf::heal_index() {
  LARDER_TRY(const std::uint64_t hidden, count_hidden());
  if (hidden == 0) return 0;
  LARDER_CHECK_OK(make_index_anew(false));
  if (!is_complete_.load()) {
    return std::unexpected(
        Error{.code = Errc::io_error, .message = "not all of them could be read once more"});
  }
  if (parts_.options.log) {
    parts_.options.log(LogLevel::warning,
                       parts_.path + ": the index lacked " + std::to_string(hidden) +
                           " entries that the segments hold, and was made anew from them");
  }
  return hidden;
}

}  // namespace larder::pack_store
