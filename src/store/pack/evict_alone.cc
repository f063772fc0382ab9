#include "store/pack/evict_alone.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/try.h"
#include "store/pack/evict_usage.h"
#include "store/pack/large_files.h"

namespace larder::pack_store {
namespace {

using format::Location;
using format::Record;
using format::RecordKind;
using format::StateWord;

// Payload and recipe as they are stored; nullopt when they are damaged or gone.
Result<std::optional<std::vector<std::byte>>> read_content(Shelf& shelf, const Location& location,
                                                           const Record& record) {
  std::shared_ptr<Segment> keep;
  const auto segment = shelf.segments().find(location.segment, keep);
  if (!segment && segment.error().code == Errc::absent) return std::nullopt;
  if (!segment) return std::unexpected(segment.error());
  std::vector<std::byte> content(std::uint64_t{record.stored_bytes} + record.recipe_bytes);
  LARDER_TRY(
      const std::size_t count,
      (*segment)->file()->read_at(content, location.offset_bytes() + format::record_header_bytes));
  const auto stored = std::span<const std::byte>(content).first(record.stored_bytes);
  const bool is_whole = count == content.size() && (record.kind == RecordKind::large ||
                                                    format::payload_is_good(record, stored));
  if (!is_whole) return std::nullopt;
  return content;
}

// The newest of all by now.
Record removal_of(Shelf& shelf, const Record& entry, std::int64_t now_s) noexcept {
  Record removal{.kind = RecordKind::removed,
                 .supersedes = true,
                 .written_s = format::record_time(now_s),
                 .key_id = entry.key_id,
                 .sequence = shelf.next_sequence(),
                 .fingerprint = entry.fingerprint};
  const DerivedKey* const key = find_key(shelf.keys(), entry.key_id);
  if (key != nullptr) authenticate(removal, *key);
  return removal;
}

bool takes_removal(const Shelf& shelf, const Record& entry) noexcept {
  return entry.key_id == 0 || shelf.has_key(entry.key_id);
}

// Without a removal, which its owner would not believe: out of the index until that is made anew.
// Without its file he would find an older value then.
Result<bool> withdraw_of_other_key(Shelf& shelf, const Record& entry, std::uint64_t place_word) {
  if (entry.kind == RecordKind::large && entry.supersedes) return false;
  LARDER_CHECK_OK(shelf.prepare_to_change());
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  shelf.note_forgotten();
  LARDER_TRY(const Published withdrawn, shelf.index().withdraw(shelf.tag_of(entry), place_word));
  if (withdrawn != Published::done) return false;
  shelf.count_entries(-1);
  return true;
}

}  // namespace

// The order of the steps is that of PackStoreImpl::remove_once, and for its reasons.
Result<bool> withdraw_alone(Shelf& shelf, const Record& entry, std::uint64_t place_word,
                            std::int64_t now_s, Copies copies) {
  if (!takes_removal(shelf, entry)) return withdraw_of_other_key(shelf, entry, place_word);
  const std::uint64_t tag = shelf.tag_of(entry);
  LARDER_CHECK_OK(shelf.prepare_to_change());
  LARDER_TRY(auto claimed, shelf.writers().claim(removal_bytes(copies)));
  const Record removal = removal_of(shelf, entry, now_s);
  Shelf::TakingOut taking_out(shelf);
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  shelf.note_forgotten();
  LARDER_TRY(const Published withdrawn, shelf.index().withdraw(tag, place_word));
  if (withdrawn != Published::done) {
    taking_out.settle();  // nothing was
    return false;
  }
  if (auto appended = append_removal(shelf, *claimed.writer, removal, copies); !appended) {
    (void)shelf.index().publish(tag, 0, place_word, never_other);
    return std::unexpected(std::move(appended).error());
  }
  taking_out.keep_until_synced();
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  shelf.count_entries(-1);
  return true;
}

// As PackStoreImpl::confirm_removal.
Result<Buried> bury_hidden(Shelf& shelf, Writers& writers, const Record& entry,
                           std::int64_t now_s) {
  if (!takes_removal(shelf, entry)) return Buried::of_other_key;
  LARDER_CHECK_OK(shelf.prepare_to_change());
  LARDER_TRY(auto claimed, writers.claim(removal_bytes(Copies::two)));
  const Record removal = removal_of(shelf, entry, now_s);
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  LARDER_TRY(const auto place, find_place(shelf, shelf.tag_of(entry)));
  if (place) return Buried::led_to;
  LARDER_CHECK_OK(append_removal(shelf, *claimed.writer, removal, Copies::two));
  shelf.state().word(StateWord::removal_epoch).fetch_add(1);
  return Buried::yes;
}

Result<std::optional<Renewal>> copy_alone(Shelf& shelf, Writers& carriers, std::uint64_t place_word,
                                          std::int64_t now_s) {
  const Location location = Location::of(place_word);
  auto record = describe_record(shelf, location);
  if (!record) return std::nullopt;
  LARDER_TRY(const auto content, read_content(shelf, location, *record));
  if (!content) return std::nullopt;
  const std::span<const std::byte> bytes(*content);
  const auto recipe = bytes.subspan(record->stored_bytes);
  record->written_s = format::record_time(now_s);
  record->supersedes = true;  // the original stays
  LARDER_TRY(auto claimed, carriers.claim(record->total_bytes(), large_bytes_of(*record)));
  LARDER_TRY(const Location copy,
             claimed.writer->append(*record, bytes.first(record->stored_bytes),
                                    {reinterpret_cast<const char*>(recipe.data()), recipe.size()}));
  // Whether its file was ever synced, nobody here knows.
  if (record->kind == RecordKind::large) claimed.writer->withhold_proof();
  return Renewal{.slot_tag = shelf.tag_of(*record), .from = place_word, .to = copy.word()};
}

void drop_files(Shelf& shelf, std::span<const Record> withdrawn, const DropFiles& how) {
  const auto is_large = [](const Record& record) { return record.kind == RecordKind::large; };
  if (std::ranges::none_of(withdrawn, is_large)) return;
  // Own removals are on the disk then, and count no more.
  if (shelf.taken_out_unsynced() > 0 && !how.sync_own()) return;
  const Dropping dropping{
      .lasts = [&](const Location& location) { return is_known_to_last(shelf, location); },
      .bury =
          [&](const Record& record) {
            const auto buried = bury_hidden(shelf, shelf.writers(), record, how.now_s);
            return buried && *buried == Buried::yes && how.sync_own();
          },
      .own_evictions = how.own_evictions,
      .given_up = how.given_up};
  for (const Record& record : withdrawn) {
    if (is_large(record)) drop_large(shelf, record, Absent::is_gone, dropping);
  }
}

}  // namespace larder::pack_store
