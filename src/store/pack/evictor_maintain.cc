// Upkeep for hosts with an idle thread, and what processes that were killed left behind.
#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "base/try.h"
#include "store/pack/evictor.h"
#include "store/pack/large_files.h"
#include "store/pack/secure.h"
#include "store/pack/segment_leftovers.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

using store_directory::LockOffset;
using Removals = SegmentEviction::Removals;

constexpr auto patience = std::chrono::seconds(5);  // with other processes' steps
constexpr std::uint64_t least_ahead = 64u << 10;    // else it is the file system's own
constexpr std::uint64_t hollow_fraction = 4;        // of a segment: less than that lives

}  // namespace

// Bounded: what must be carried on could otherwise be carried for ever.
Result<void> Evictor::keep_up(std::optional<Turn>& turn, Caller& caller) {
  LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
  recount();
  is_age_due_ = true;
  for (std::size_t left = 2 * disk.segments.size() + 16; left > 0; --left) {
    LARDER_CHECK_OK(finish_what_is_begun(caller));
    LARDER_CHECK_OK(let_others(turn, caller));
    LARDER_CHECK_OK(sweep(~0ull, caller));
    LARDER_TRY(const bool picked, pick({.large_files = LargeFiles::one_by_one}, caller));
    if (!picked) break;
  }
  return finish_what_is_begun(caller);
}

Result<void> Evictor::compact_hollow(std::optional<Turn>& turn, Caller& caller) {
  std::unordered_map<std::uint32_t, std::uint64_t> live_bytes;
  LARDER_TRY(IndexTable* const table, parts_.shelf.index().table());
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const auto location = format::Location::of(table->word_at(slot) & format::place_mask);
    live_bytes[location.segment] += location.hit_bytes();
  }
  LARDER_TRY(const OnDisk disk, measure(LargeFiles::one_by_one));
  for (const SegmentOnDisk& segment : disk.segments) {
    const std::uint64_t live = live_bytes[segment.name.number];
    if (live >= segment.used_bytes / hollow_fraction) continue;
    if (caller.may_lack(segment.name.number)) continue;
    // What is small is put together with others, whatever it holds.
    const bool is_small = segment.used_bytes < parts_.segment_bytes / 2;
    const auto begun =
        begin(segment.name, {.judge = SegmentEviction::carry_all,
                             .removals = is_small ? Removals::move : Removals::stay});
    // One that cannot leave now stays; the next call tries again.
    if (begun && *begun) (void)finish_current(caller);
    LARDER_CHECK_OK(let_others(turn, caller));
  }
  return {};
}

// With its lock, which goes when it is closed; null when somebody has that.
Result<std::shared_ptr<Segment>> Evictor::take_abandoned(const format::SegmentName& name) {
  LARDER_TRY(auto segment,
             parts_.shelf.marks().open(parts_.shelf.segments_directory(), parts_.shelf.origin(),
                                       name, OpenMode::read_write));
  LARDER_TRY(const bool locked, segment->file()->try_lock(LockMode::exclusive, owner_lock_at, 1));
  if (!locked) return nullptr;
  return segment;
}

// A sealed segment whose owner was killed before its proof: others do not rely on it, and a rebuild
// reads all of it.
Result<void> Evictor::prove(const format::SegmentName& name) {
  LARDER_TRY(const auto segment, take_abandoned(name));
  if (!segment) return {};
  File& file = *segment->file();
  LARDER_TRY(const SegmentEnd end, read_end(*segment));
  LARDER_TRY(const auto summary, read_summary(*segment, Proof::unwanted));
  if (!summary || end.is_durable) return {};
  // A power cut may have left the summary without some of what it lists.
  std::size_t there = 0;
  std::vector<format::Record> large;
  LARDER_CHECK_OK(scan_records(*segment, {}, [&](const format::Record& record, std::uint32_t) {
    ++there;
    if (record.kind == format::RecordKind::large) large.push_back(record);
  }));
  if (there != summary->size()) return {};
  LARDER_TRY(const FilesSynced files, sync_large(parts_.shelf, large));
  if (files == FilesSynced::not_now) {
    return std::unexpected(
        Error{.code = Errc::timed_out,
              .message = path_of(name) + ": the file of an artifact could not be synced"});
  }
  if (files != FilesSynced::all) return {};
  LARDER_CHECK_OK(parts_.shelf.marks().sync(name.number, file));
  LARDER_CHECK_OK(parts_.shelf.sync_names());
  const auto trailer = format::encode_trailer(*end.footer, segment->key(), end.footer_place);
  const std::array pieces{std::span<const std::byte>(trailer)};
  const std::uint64_t at = std::uint64_t{end.footer_place} * format::pack_unit_bytes;
  return file.write_at(pieces, at + format::footer_bytes);
}

// Behind what its owner wrote, who was killed: one who lives holds the lock.
Result<void> Evictor::trim(const format::SegmentName& name) {
  LARDER_TRY(const auto segment, take_abandoned(name));
  if (!segment) return {};
  File& file = *segment->file();
  LARDER_TRY(const FileInfo info, file.info());
  LARDER_TRY(const SegmentEnd ending, read_end(*segment));
  if (ending.footer) return file.trim(info.size_bytes);
  LARDER_TRY(const std::uint64_t end, read_written_end(*segment, info.size_bytes));
  return file.trim(end);
}

// What is allocated ahead counts for `du`, and would until somebody adopts the segment.
void Evictor::trim_abandoned(const OnDisk& disk) {
  for (const SegmentOnDisk& segment : disk.segments) {
    const std::uint64_t ahead = segment.disk_bytes - segment.used_bytes;
    if (ahead < least_ahead || segment.name.good_until_place || writes(segment.name)) continue;
    (void)trim(segment.name);
  }
}

// What cannot be proven now keeps nothing else from being done, and is told.
Result<void> Evictor::prove_abandoned(Caller& caller) {
  LARDER_TRY(const OnDisk disk, look_at_disk(parts_.shelf, LargeFiles::as_kept));
  for (const SegmentOnDisk& segment : disk.segments) {
    if (segment.name.good_until_place || writes(segment.name)) continue;
    std::shared_ptr<Segment> keep;
    const auto open = parts_.shelf.segments().find(segment.name.number, keep);
    if (!open || (*open)->is_known_durable()) continue;
    auto proven = prove(segment.name);
    if (!proven) caller.refused.push_back(std::move(proven).error());
  }
  trim_abandoned(disk);
  return {};
}

// What cannot be swept now keeps nothing else from being done, and is told.
void Evictor::sweep_unused_large(Caller& caller) {
  auto swept = sweep_large(parts_.shelf, [&](std::chrono::steady_clock::time_point until) {
    return secure_all({.shelf = parts_.shelf, .carriers = carriers_, .sync_own = caller.sync_own},
                      until);
  });
  if (!swept) caller.refused.push_back(std::move(swept).error());
}

Result<void> Evictor::write_anew(const format::SegmentName& name) {
  LARDER_TRY(const Turn turn, wait_for_turn(patience, [] {}));
  current_.reset();
  LARDER_TRY(const bool begun, begin(name, {.judge = SegmentEviction::carry_all}));
  if (!begun) {
    return std::unexpected(Error{.code = Errc::timed_out, .message = "somebody else holds it"});
  }
  Caller caller{.sync_own = [] { return true; }, .rest = [] {}};
  return finish_current(caller);
}

Result<void> Evictor::maintain(Caller& caller) {
  LARDER_TRY(std::optional<Turn> turn, wait_for_turn(patience, caller.rest));
  refused_.clear();
  remove_headless_segments(parts_.shelf.leftover_parts());
  // Before anything that somebody can ask for.
  sweep_unused_large(caller);
  LARDER_CHECK_OK(keep_up(turn, caller));
  LARDER_CHECK_OK(compact_hollow(turn, caller));
  LARDER_CHECK_OK(prove_abandoned(caller));
  if (const auto index = parts_.shelf.locks().try_acquire(LockOffset::index()); index && *index) {
    parts_.shelf.index().remove_tables(Index::Keep::current);
  }
  trim_all();
  LARDER_CHECK_OK(measure(LargeFiles::one_by_one));
  return {};
}

}  // namespace larder::pack_store
