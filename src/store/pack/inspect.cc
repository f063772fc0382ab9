// inspect: one entry, verified to its recipe.
#include <string>

#include "base/guarded.h"
#include "base/try.h"
#include "store/directory/explain.h"
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
  LARDER_TRY(auto details, shelf.large().inspect(format::large_file_key(found.record)));
  if (!details) return std::nullopt;
  details->info.fingerprint = found.record.fingerprint;
  details->info.last_used_s = found.record.written_s;
  details->key_id = found.record.key_id;
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
    return std::unexpected(Error{
        .code = Errc::corrupt,
        .message = location + ": its recipe is damaged, its payload is good; remove it, and put it "
                              "again"});
  }
  return EntryDetails{.info = {.fingerprint = record.fingerprint,
                               .payload_bytes = record.raw_bytes,
                               .disk_bytes = record.total_bytes(),
                               .last_used_s = record.written_s},
                      .key_id = record.key_id,
                      .layout = "pack 1",
                      .location = location,
                      .codec = record.codec == format::Codec::zstd ? "zstd" : "none",
                      .recipe = std::move(recipe),
                      .payload_digest = {blake3(artifact.bytes())}};
}

Result<std::optional<EntryDetails>> PackStoreImpl::inspect_named(Shelf& shelf,
                                                                 const EntryName& name) {
  // Its segment may leave between the payload and the recipe, which stand elsewhere then.
  for (int attempt = 0; attempt < most_moves; ++attempt) {
    Found found;
    std::optional<Artifact> artifact;
    LARDER_TRY(const Outcome outcome, look_up(shelf, name, found, [&](Found& there) {
                 return read_artifact(shelf, name, there, artifact);
               }));
    if (outcome == Outcome::absent) return std::nullopt;
    if (outcome == Outcome::damaged) return damaged(found);
    auto details = inspect_found(shelf, found, *artifact);
    if (details || !found.segment->is_gone()) return details;
  }
  return std::nullopt;
}

Result<std::optional<EntryDetails>> PackStoreImpl::inspect_in(Shelf& shelf,
                                                              const Fingerprint& fingerprint) {
  for (const DerivedKey& key : shelf.keys()) {
    auto details = inspect_named(shelf, name_of(fingerprint, key));
    if (!details || *details) return details;
  }
  return std::nullopt;
}

Result<std::optional<EntryDetails>> PackStoreImpl::inspect(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<EntryDetails>> {
    const auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_reading());
    if (shelf == nullptr) return std::nullopt;
    auto details = inspect_in(*shelf, fingerprint);
    if (details) return details;
    return std::unexpected(
        store_directory::with_remedy(std::move(details).error(), options_.directory));
  });
}

}  // namespace larder::pack_store
