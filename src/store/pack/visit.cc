// visit, and what it cannot show.
#include <array>
#include <string>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
namespace {

bool is_entry(Shelf& shelf, Segment& segment, const Found& found, std::uint64_t tag) {
  return found.record.kind != format::RecordKind::removed && shelf.tag_of(found.record) == tag &&
         segment.covers(found.location.offset_bytes(), found.record.hit_bytes());
}

}  // namespace

std::expected<EntryInfo, PackStoreImpl::NoEntry> PackStoreImpl::describe_entry(Shelf& shelf,
                                                                               std::uint64_t tag,
                                                                               std::uint64_t word) {
  Found found{.location = format::Location::of(word)};
  const auto segment = shelf.segments().find(found.location.segment, found.keep);
  if (!segment) {
    const bool is_gone = segment.error().code == Errc::absent;
    return std::unexpected(is_gone ? NoEntry::gone : NoEntry::damaged);
  }
  std::array<std::byte, format::record_header_bytes> header;
  const auto count = (*segment)->file()->read_at(header, found.location.offset_bytes());
  if (!count ||
      format::decode_record(std::span(header).first(*count), (*segment)->key(),
                            found.location.place, found.record) != format::RecordVerdict::good) {
    return std::unexpected(NoEntry::damaged);
  }
  if (!is_entry(shelf, **segment, found, tag)) return std::unexpected(NoEntry::gone);
  const format::Record& record = found.record;
  const bool is_large = record.kind == format::RecordKind::large;
  return EntryInfo{.fingerprint = record.fingerprint,
                   .payload_bytes = record.raw_bytes,
                   .disk_bytes = record.total_bytes() + (is_large ? record.raw_bytes : 0),
                   .last_used_s = record.written_s,
                   .other_key = !shelf.has_key(record.key_id)};
}

// A segment that nothing leads to any more, because a rebuild could not read it, is told too.
void PackStoreImpl::tell_damage(Shelf& shelf, const DamagedEntries& damaged) {
  const std::string folder = options_.directory + "/segments/";
  for (const auto& [number, count] : damaged) {
    log(LogLevel::warning, folder + format::segment_name(number) + ": " + std::to_string(count) +
                               " damaged beyond recognition; the next put of each replaces it");
  }
  Directory& directory = shelf.segments_directory();
  (void)directory.list([&](std::string_view name) {
    const auto parsed = format::parse_segment_name(name);
    const auto info = directory.info_at(name);
    // A shorter one is being made.
    if (!parsed || !info || info->size_bytes < format::segment_header_bytes) return true;
    if (damaged.contains(parsed->number)) return true;
    const auto opened = Segment::open(directory, shelf.id(), *parsed, OpenMode::read);
    if (!opened && opened.error().code != Errc::absent) {
      log(LogLevel::warning,
          folder + std::string(name) + ": nothing in it can be read: " + opened.error().message);
    }
    return true;
  });
}

// Over the table as it stands: one that takes its place meanwhile holds the same entries, and what
// is put or removed meanwhile may or may not be seen.
Result<void> PackStoreImpl::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    const auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr || !shelf->has_segments()) return {};
    LARDER_TRY(IndexTable* const table, shelf->index().table());
    DamagedEntries damaged;
    for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
      const std::uint64_t word = table->word_at(slot) & format::place_mask;
      if (word == 0) continue;
      const auto entry = describe_entry(*shelf, table->tag_at(slot), word);
      if (entry && visitor(*entry) == Visit::stop) return {};
      const bool is_still_there = (table->word_at(slot) & format::place_mask) == word;
      if (!entry && entry.error() == NoEntry::damaged && is_still_there) {
        ++damaged[format::Location::of(word).segment];
      }
    }
    tell_damage(*shelf, damaged);
    return {};
  });
}

}  // namespace larder::pack_store
