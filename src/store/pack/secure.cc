#include "store/pack/secure.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "base/try.h"
#include "format/pack_name.h"
#include "store/pack/evict_segment.h"
#include "store/pack/evict_usage.h"
#include "store/pack/large_files.h"

namespace larder::pack_store {
namespace {

std::unexpected<Error> not_now(const char* why) {
  return std::unexpected(Error{.code = Errc::timed_out, .message = why});
}

// One whose sync failed before is told by a mark or the name.
Result<void> secure_by_name(Shelf& shelf, std::uint32_t number, std::uint64_t end) {
  Directory& directory = shelf.segments_directory();
  const std::string name = format::segment_name(number);
  const auto file = directory.open_file(name, OpenMode::read);
  if (!file && file.error().code != Errc::absent) return std::unexpected(file.error());
  SyncMarks marks = shelf.marks();
  if (file) {
    LARDER_CHECK_OK(marks.sync(number, **file));
    LARDER_CHECK_OK(shelf.sync_names());
    LARDER_TRY(const FileInfo info, (*file)->info());
    const auto named = directory.info_at(name);
    if (named && named->same_file(info)) return {};
    if (!named && named.error().code != Errc::absent) return std::unexpected(named.error());
  }
  LARDER_TRY(const auto bad, find_bad_segment(directory, number));
  if (!bad) return {};  // it left, with all that the index led to in it
  const std::uint64_t good_until = std::uint64_t{*bad->good_until_place} * format::pack_unit_bytes;
  if (end <= good_until && !marks.is_suspect(number)) return {};
  return not_now("the sync of what replaced an entry failed");
}

}  // namespace

void Secured::add(Shelf& shelf, const format::Location& location) {
  end = std::max(end, location.offset_bytes() + location.hit_bytes());
  if (location.units != units_of_large) return;
  const auto record = describe_record(shelf, location);
  if (record && record->kind == format::RecordKind::large) large.push_back(*record);
}

// The files of large artifacts come first: no sync of a segment says anything of them, whoever
// writes it.
Result<void> secure(const SecureParts& parts, std::uint32_t number, const Secured& there) {
  std::shared_ptr<Segment> keep;
  const auto segment = parts.shelf.segments().find(number, keep);
  if (segment && (*segment)->is_known_durable()) return {};
  LARDER_TRY(const FilesSynced files, sync_large(parts.shelf, there.large));
  if (files == FilesSynced::not_now) {
    return not_now("the file of what replaced an entry could not be synced");
  }
  // What was carried is led to when it is synced, but by whoever has made the index anew.
  if (parts.carriers.writes(number)) return sync_carried(parts.shelf, parts.carriers);
  if (parts.shelf.writers().writes(number)) {
    if (parts.sync_own()) return {};
    return not_now("what replaced an entry could not be made durable");
  }
  if (segment || segment.error().code == Errc::absent) {
    return secure_by_name(parts.shelf, number, there.end);
  }
  const Errc code = segment.error().code;
  if (code == Errc::corrupt || code == Errc::not_ours) return {};
  return std::unexpected(segment.error());
}

// Those that nothing leads to as well: they may hold removals.
Result<void> secure_all(const SecureParts& parts, std::chrono::steady_clock::time_point until) {
  Shelf& shelf = parts.shelf;
  std::map<std::uint32_t, Secured> all;
  LARDER_CHECK_OK(shelf.segments_directory().list([&](std::string_view name) {
    if (const auto parsed = format::parse_segment_name(name)) all[parsed->number];
    return true;
  }));
  LARDER_TRY(IndexTable* const table, shelf.index().table());
  std::map<std::uint32_t, bool> is_durable;  // asked once: each may have to be opened for it
  for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
    const std::uint64_t word = table->word_at(slot) & format::place_mask;
    if (word == 0) continue;
    const auto location = format::Location::of(word);
    const auto [known, is_new] = is_durable.try_emplace(location.segment, false);
    if (is_new) {
      std::shared_ptr<Segment> keep;
      const auto segment = shelf.segments().find(location.segment, keep);
      known->second = segment && (*segment)->is_known_durable();
    }
    if (!known->second) all[location.segment].add(shelf, location);
  }
  for (const auto& [number, there] : all) {
    if (std::chrono::steady_clock::now() > until) {
      return not_now("syncing what replaced unused files takes too long");
    }
    LARDER_CHECK_OK(secure(parts, number, there));
  }
  return {};
}

}  // namespace larder::pack_store
