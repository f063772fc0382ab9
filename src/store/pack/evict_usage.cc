#include "store/pack/evict_usage.h"

#include <algorithm>
#include <array>

#include "base/try.h"
#include "format/pack_name.h"

namespace larder::pack_store {
namespace {

constexpr std::uint64_t block_bytes = 4096;

std::uint64_t whole_blocks(std::uint64_t bytes) noexcept {
  return (bytes + block_bytes - 1) / block_bytes * block_bytes;
}

Result<void> look_at_root(Directory& root, OnDisk& found) {
  LARDER_TRY(const FileInfo own, root.info());
  found.other_bytes += own.disk_bytes;
  return root.list([&](std::string_view name) {
    const auto info = root.info_at(name);
    if (!info || info->kind != FileKind::regular) return true;
    const bool is_index = format::parse_index_name(name).has_value();
    (is_index ? found.index_bytes : found.other_bytes) += info->disk_bytes;
    return true;
  });
}

Result<void> look_at_segments(Directory& directory, OnDisk& found) {
  LARDER_TRY(const FileInfo own, directory.info());
  found.other_bytes += own.disk_bytes;
  LARDER_CHECK_OK(directory.list([&](std::string_view name) {
    const auto parsed = format::parse_segment_name(name);
    if (!parsed) return true;
    const auto info = directory.info_at(name);
    if (!info || info->kind != FileKind::regular) return true;
    found.segments.push_back(on_disk_of(*parsed, *info));
    return true;
  }));
  std::ranges::sort(found.segments, {},
                    [](const SegmentOnDisk& segment) { return segment.name.number; });
  return {};
}

}  // namespace

SegmentOnDisk on_disk_of(const format::SegmentName& name, const FileInfo& info) noexcept {
  return {.name = name,
          .used_bytes = std::min(info.disk_bytes, whole_blocks(info.size_bytes)),
          .disk_bytes = info.disk_bytes};
}

std::uint64_t OnDisk::used_bytes() const noexcept {
  std::uint64_t sum = large_bytes + other_bytes;
  for (const SegmentOnDisk& segment : segments) sum += segment.used_bytes;
  return sum;
}

std::uint64_t OnDisk::disk_bytes() const noexcept {
  std::uint64_t sum = large_bytes + index_bytes + other_bytes;
  for (const SegmentOnDisk& segment : segments) sum += segment.disk_bytes;
  return sum;
}

std::uint64_t count_entries(const IndexTable& table) noexcept {
  std::uint64_t count = 0;
  for (std::uint64_t slot = 0; slot < table.slots(); ++slot) {
    if ((table.word_at(slot) & format::place_mask) != 0) ++count;
  }
  return count;
}

Result<std::optional<std::uint64_t>> find_word(Shelf& shelf, std::uint64_t tag,
                                               std::uint64_t place_word) {
  LARDER_TRY(IndexTable* const table, shelf.index().table());
  for (IndexTable::Cursor cursor(*table, tag); cursor.next();) {
    if ((cursor.word() & format::place_mask) == place_word) return cursor.word();
  }
  return std::nullopt;
}

Result<std::optional<std::uint64_t>> find_place(Shelf& shelf, std::uint64_t tag) {
  LARDER_TRY(IndexTable* const table, shelf.index().table());
  for (IndexTable::Cursor cursor(*table, tag); cursor.next();) {
    const std::uint64_t place = cursor.word() & format::place_mask;
    if (place != 0) return place;
  }
  return std::nullopt;
}

std::optional<format::Record> describe_record(Shelf& shelf, const format::Location& location) {
  std::shared_ptr<Segment> keep;
  return describe_record(shelf, location, keep);
}

std::optional<format::Record> describe_record(Shelf& shelf, const format::Location& location,
                                              std::shared_ptr<Segment>& keep) {
  return read_record(shelf, location, keep).value_or(std::nullopt);
}

Result<std::optional<format::Record>> read_record(Shelf& shelf, const format::Location& location,
                                                  std::shared_ptr<Segment>& keep) {
  const auto segment = shelf.segments().find(location.segment, keep);
  const auto is = [&](Errc code) { return !segment && segment.error().code == code; };
  const bool is_none = is(Errc::absent) || is(Errc::corrupt) || is(Errc::not_ours);
  if (!segment && !is_none) return std::unexpected(segment.error());
  if (is_none || !(*segment)->covers(location.offset_bytes(), location.hit_bytes())) {
    return std::nullopt;
  }
  std::array<std::byte, format::record_header_bytes> header;
  LARDER_TRY(const std::size_t count, (*segment)->file()->read_at(header, location.offset_bytes()));
  format::Record record;
  const bool is_good = count == header.size() &&
                       format::decode_record(header, (*segment)->key(), location.place, record) ==
                           format::RecordVerdict::good;
  return is_good ? std::optional(record) : std::nullopt;
}

Result<OnDisk> look_at_disk(Shelf& shelf, LargeFiles large) {
  OnDisk found;
  if (!shelf.has_segments()) return found;  // a store that nobody has written to
  LARDER_CHECK_OK(look_at_root(shelf.root(), found));
  LARDER_CHECK_OK(look_at_segments(shelf.segments_directory(), found));
  if (large == LargeFiles::as_kept) {
    found.large_bytes = shelf.large().metrics().bytes;
  } else {
    LARDER_TRY(const PruneReport counted, shelf.large().prune({}, DryRun::yes));
    found.large_bytes = counted.kept_bytes;
  }
  return found;
}

}  // namespace larder::pack_store
