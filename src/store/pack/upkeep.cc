// inspect and visit.
#include <array>
#include <string>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {

Result<std::string> PackStoreImpl::read_recipe(const Found& found) {
  std::string recipe(found.record.recipe_bytes, '\0');
  const std::uint64_t at = found.location.offset_bytes() + found.record.hit_bytes();
  LARDER_TRY(const std::size_t count,
             found.segment->file()->read_at(std::as_writable_bytes(std::span(recipe)), at));
  recipe.resize(count);
  return recipe;
}

// The file store tells of an artifact in a file of its own; the name there is not the caller's.
Result<std::optional<EntryDetails>> PackStoreImpl::inspect_large(Shelf& shelf, const Found& found) {
  LARDER_TRY(auto details, shelf.large().inspect(format::large_file_key(
                               found.record.fingerprint, found.record.payload_digest)));
  if (!details) return std::nullopt;
  details->info.fingerprint = found.record.fingerprint;
  details->info.last_used_s = found.record.written_s;
  details->layout = "pack 1";
  return details;
}

Result<std::optional<EntryDetails>> PackStoreImpl::inspect_found(Shelf& shelf, const Found& found,
                                                                 const Artifact& artifact) {
  if (found.record.kind == format::RecordKind::large) return inspect_large(shelf, found);
  const format::Record& record = found.record;
  const std::string location = options_.directory + "/segments/" +
                               format::segment_name(found.location.segment) + " at " +
                               std::to_string(found.location.offset_bytes());
  LARDER_TRY(std::string recipe, read_recipe(found));
  if (!format::recipe_is_good(record, recipe)) {
    return std::unexpected(
        Error{.code = Errc::corrupt,
              .message = location + ": its recipe is damaged, its payload is good"});
  }
  return EntryDetails{.info = {.fingerprint = record.fingerprint,
                               .payload_bytes = record.raw_bytes,
                               .disk_bytes = record.total_bytes(),
                               .last_used_s = record.written_s},
                      .layout = "pack 1",
                      .location = location,
                      .codec = record.codec == format::Codec::zstd ? "zstd" : "none",
                      .recipe = std::move(recipe),
                      .payload_digest = {blake3(artifact.bytes())}};
}

Result<std::optional<EntryDetails>> PackStoreImpl::inspect(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<EntryDetails>> {
    const auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr) return std::nullopt;
    Found found;
    std::optional<Artifact> artifact;
    LARDER_TRY(const Outcome outcome, look_up(*shelf, fingerprint, found, [&](Found& there) {
                 return read_artifact(*shelf, fingerprint, there, artifact);
               }));
    if (outcome == Outcome::absent) return std::nullopt;
    if (outcome == Outcome::damaged) return damaged(fingerprint, found);
    return inspect_found(*shelf, found, *artifact);
  });
}

// nullopt: there is no good record any more.
std::optional<EntryInfo> PackStoreImpl::describe_entry(Shelf& shelf, std::uint64_t tag,
                                                       std::uint64_t word) {
  Found found{.location = format::Location::of(word)};
  const auto segment = shelf.segments().find(found.location.segment, found.keep);
  if (!segment) return std::nullopt;
  std::array<std::byte, format::record_header_bytes> header;
  const auto count = (*segment)->file()->read_at(header, found.location.offset_bytes());
  const format::Record& record = found.record;
  if (!count || *count < header.size() ||
      format::decode_record(header, (*segment)->key(), found.location.place, found.record) !=
          format::RecordVerdict::good) {
    return std::nullopt;
  }
  const bool is_entry = record.kind != format::RecordKind::removed &&
                        shelf.tag_of(record.fingerprint) == tag &&
                        (*segment)->covers(found.location.offset_bytes(), record.hit_bytes());
  if (!is_entry) return std::nullopt;
  const bool is_large = record.kind == format::RecordKind::large;
  return EntryInfo{.fingerprint = record.fingerprint,
                   .payload_bytes = record.raw_bytes,
                   .disk_bytes = record.total_bytes() + (is_large ? record.raw_bytes : 0),
                   .last_used_s = record.written_s};
}

// Over the table as it stands: one that takes its place meanwhile holds the same entries, and what
// is put or removed meanwhile may or may not be seen.
Result<void> PackStoreImpl::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    const auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr) return {};
    IndexTable* const table = shelf->index().table();
    if (table == nullptr) return std::unexpected(Index::missing());
    for (std::uint64_t slot = 0; slot < table->slots(); ++slot) {
      const std::uint64_t word = table->word_at(slot) & format::place_mask;
      if (word == 0) continue;
      const auto entry = describe_entry(*shelf, table->tag_at(slot), word);
      if (entry && visitor(*entry) == Visit::stop) return {};
    }
    return {};
  });
}

}  // namespace larder::pack_store
