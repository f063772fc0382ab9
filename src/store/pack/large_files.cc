#include "store/pack/large_files.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "base/try.h"
#include "format/pack_segment.h"
#include "store/pack/evict_older.h"
#include "store/pack/evict_segment.h"
#include "store/pack/evict_usage.h"
#include "store/pack/look_up.h"

namespace larder::pack_store {
namespace {

using PayloadSynced = file_store::FileStore::PayloadSynced;
using store_directory::LockOffset;

constexpr auto large_wait = std::chrono::milliseconds(200);

constexpr auto longest_hold = std::chrono::seconds(1);  // a put waits no longer than 2 s
constexpr std::uint64_t epochs_of_a_burial = 2;
constexpr std::size_t removed_at_once = 64;  // files, of which nobody puts the payload meanwhile

// The files that entries lead to. Only records without a payload of their own need reading.
// nullopt: a record cannot be read now, and nobody knows which file it leads to.
Result<std::optional<std::set<Fingerprint>>> files_in_use(Shelf& shelf, Index& index) {
  LARDER_TRY(IndexTable* const table, index.table());
  std::set<Fingerprint> used;
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const auto location = format::Location::of(table->word_at(slot));
    if (location.units != units_of_large) continue;
    const auto record = describe_record(shelf, location);
    if (!record) return std::nullopt;
    if (record->kind == format::RecordKind::large) used.insert(large_file_key(*record));
  }
  return used;
}

struct Sweep {
  Shelf& shelf;
  const SecureAll& secure_all;
  // From before the segments were asked.
  std::uint64_t removal_epoch = 0;
  std::uint64_t given_up = 0;
};

std::uint64_t removal_epoch_of(Shelf& shelf) {
  return shelf.state().word(format::StateWord::removal_epoch).load();
}

// Somebody may be putting the same payload right now, and find the file there; or has done so since
// the first look, flushed it, and put something else. So what is led to by now is secured while
// nobody can lead there again. And what he has taken out again, without having written that yet,
// the index does not tell of: then nobody may be taking out anything.
Result<void> remove_unused(const Sweep& sweep, std::span<const Fingerprint> unused) {
  Shelf& shelf = sweep.shelf;
  std::map<Fingerprint, store_directory::LockFile::Held> held;
  for (const Fingerprint& key : unused) {
    LARDER_TRY(auto lock, shelf.locks().try_acquire(LockOffset::change_of(key)));
    if (lock) held.emplace(key, *std::move(lock));
  }
  LARDER_TRY(const auto used_now, files_in_use(shelf, shelf.index()));
  if (!used_now) return {};
  std::erase_if(held, [&](const auto& each) { return used_now->contains(each.first); });
  if (held.empty()) return {};
  const bool is_taken_out = removal_epoch_of(shelf) != sweep.removal_epoch;
  if (is_taken_out && (shelf.others_take_out(0) || shelf.given_up() != sweep.given_up)) {
    return std::unexpected(
        Error{.code = Errc::timed_out,
              .message = "unused files stay while others remove and evict; it is tried again"});
  }
  LARDER_CHECK_OK(sweep.secure_all(std::chrono::steady_clock::now() + longest_hold));
  for (const auto& [key, lock] : held) (void)shelf.large().remove_of_any_key(key);
  return {};
}

// Somebody may be taking out what was put again since, or has not brought that to the disk.
bool may_be_back(const Shelf& shelf, const format::Record& record, const Dropping& dropping) {
  return shelf.others_take_out(dropping.own_evictions) || shelf.given_up() != dropping.given_up ||
         shelf.may_be_older_than_unread(record.sequence);
}

// When an entry was buried. As long as all of it stands, nobody has put that entry and taken it out
// since, and none was lost sight of by whoever made the index anew.
struct Burial {
  std::uint64_t removal_epoch = 0;
  Shelf::IndexSeen index;
};

void drop_held(Shelf& shelf, const format::Record& record, Absent absent, const Dropping& dropping,
               const std::optional<Burial>& burial) {
  const EntryName name{.fingerprint = record.fingerprint, .key_id = record.key_id};
  Found found;
  // One that is being made anew lacks what is there.
  const Shelf::IndexSeen seen = shelf.see_index();
  const auto outcome = look_up(shelf, name, found,
                               [&](Found& there) { return pack_store::read_header(name, there); });
  const bool was_whole = shelf.index_was_whole_since(seen);
  if (!outcome) return;
  const bool is_gone = *outcome == Outcome::absent && absent == Absent::is_gone && was_whole;
  const bool is_another =
      *outcome == Outcome::wanted && found.record.payload_digest != record.payload_digest;
  const auto is_buried = [&] {
    const bool stands = burial && removal_epoch_of(shelf) == burial->removal_epoch &&
                        shelf.index_was_whole_since(burial->index);
    return stands || !may_be_back(shelf, record, dropping) || dropping.bury(record);
  };
  const bool goes = (is_gone && is_buried()) ||
                    (is_another && dropping.lasts(format::Location::of(found.place_word())));
  if (goes) (void)shelf.large().remove_of_any_key(large_file_key(record));
}

// Where a disk has lost sectors for good, files would pile up until it is replaced: what leads to
// one from there is a miss. Unless it may be read again one day, and counts then.
bool is_passed_over(const Error& error, Unread unread) noexcept {
  if (error.code == Errc::absent || error.code == Errc::corrupt) return true;
  return SegmentEviction::is_unreadable(error) && unread == Unread::passed_over;
}

// nullopt when it leads to no file.
Result<std::optional<format::Record>> large_record_at(Shelf& shelf, std::uint32_t segment,
                                                      const format::SummaryEntry& entry) {
  if (entry.hit_units != units_of_large) return std::nullopt;
  const format::Location location{
      .segment = segment, .place = entry.place, .units = entry.hit_units};
  std::shared_ptr<Segment> keep;
  LARDER_TRY(const auto record, read_record(shelf, location, keep));
  if (!record || record->kind != format::RecordKind::large) return std::nullopt;
  return record;
}

}  // namespace

bool is_known_to_last(Shelf& shelf, const format::Location& location) {
  std::shared_ptr<Segment> keep;
  const auto segment = shelf.segments().find(location.segment, keep);
  return segment && (*segment)->is_known_durable();
}

// Without the lock at first, for which puts wait: a sync of all that this process has put may take
// long. Then nobody may have taken out anything since.
void drop_large(Shelf& shelf, const format::Record& record, Absent absent,
                const Dropping& dropping) {
  std::optional<Burial> burial;
  if (absent == Absent::is_gone && may_be_back(shelf, record, dropping)) {
    const Burial now{.removal_epoch = removal_epoch_of(shelf) + epochs_of_a_burial,
                     .index = shelf.see_index()};
    if (dropping.bury(record)) burial = now;
  }
  const auto held =
      shelf.locks().acquire(LockOffset::change_of(large_file_key(record)), large_wait);
  if (held) drop_held(shelf, record, absent, dropping, burial);
}

void drop_locked(Shelf& shelf, const format::Record& record, Absent absent,
                 const Dropping& dropping) {
  drop_held(shelf, record, absent, dropping, std::nullopt);
}

Result<std::set<Fingerprint>> files_led_to(Shelf& shelf, Writers& carriers,
                                           const std::unordered_set<std::uint64_t>& slot_tags,
                                           Unread unread) {
  std::vector<std::uint32_t> numbers;
  LARDER_CHECK_OK(shelf.segments_directory().list([&](std::string_view name) {
    if (const auto parsed = format::parse_segment_name(name)) numbers.push_back(parsed->number);
    return true;
  }));
  std::set<Fingerprint> files;
  for (const std::uint32_t number : numbers) {
    std::shared_ptr<Segment> keep;
    const auto segment = shelf.segments().find(number, keep);
    if (!segment && is_passed_over(segment.error(), unread)) continue;
    if (!segment) return std::unexpected(segment.error());
    const auto entries = list_records(shelf, carriers, **segment);
    if (!entries && is_passed_over(entries.error(), unread)) continue;
    if (!entries) return std::unexpected(entries.error());
    for (const format::SummaryEntry& entry : *entries) {
      if (entry.removed || !slot_tags.contains(entry.slot_tag)) continue;
      LARDER_TRY(const auto record, large_record_at(shelf, number, entry));
      if (record) files.insert(large_file_key(*record));
    }
  }
  return files;
}

// By descriptors of its own: what others have put, and perhaps flushed, is not this process's to
// give up because a sync failed.
Result<FilesSynced> sync_large(Shelf& shelf, const std::vector<format::Record>& records) {
  FilesSynced synced = FilesSynced::all;
  for (const format::Record& record : records) {
    const Fingerprint key = large_file_key(record);
    // Else it could be stored anew behind the back of whoever removes it.
    LARDER_TRY(const auto held, shelf.locks().try_acquire(LockOffset::change_of(key)));
    if (!held) return FilesSynced::not_now;
    auto done = shelf.large().sync_payload(key, record.payload_digest);
    if (!done && !is_no_file(done.error())) return std::unexpected(std::move(done).error());
    if (done && *done == PayloadSynced::yes) continue;
    if (done && *done == PayloadSynced::failed) return FilesSynced::not_now;
    // Its sync may have failed before, and it left for that: then the older value must stay.
    if (!shelf.large().has_file(key).value_or(false)) return FilesSynced::not_now;
    synced = FilesSynced::not_all;
  }
  return synced;
}

// The index is a hint: where it leads to no file, the segments are asked.
Result<void> sweep_large(Shelf& shelf, const SecureAll& secure_all) {
  const Sweep sweep{.shelf = shelf,
                    .secure_all = secure_all,
                    .removal_epoch = removal_epoch_of(shelf),
                    .given_up = shelf.given_up()};
  LARDER_TRY(const auto used, files_in_use(shelf, shelf.index()));
  if (!used) return {};
  std::vector<Fingerprint> unused;
  LARDER_CHECK_OK(shelf.large().visit([&](const EntryInfo& file) {
    if (!used->contains(file.fingerprint)) unused.push_back(file.fingerprint);
    return Visit::go_on;
  }));
  if (unused.empty()) return {};
  LARDER_TRY(const auto truth, shelf.index_of_segments());
  LARDER_TRY(const auto led_to, files_in_use(shelf, *truth));
  if (!led_to) return {};
  std::erase_if(unused, [&](const Fingerprint& key) { return led_to->contains(key); });
  // Most of it without the locks.
  if (!unused.empty()) LARDER_CHECK_OK(secure_all(std::chrono::steady_clock::time_point::max()));
  for (std::span<const Fingerprint> left = unused; !left.empty();) {
    const auto next = left.first(std::min(left.size(), removed_at_once));
    LARDER_CHECK_OK(remove_unused(sweep, next));
    left = left.subspan(next.size());
  }
  return {};
}

}  // namespace larder::pack_store
