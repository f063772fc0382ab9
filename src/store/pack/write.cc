// put. The order of every step is told in pack_store_impl.h.
#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/same_bytes.h"
#include "base/try.h"
#include "format/codec.h"
#include "store/directory/explain.h"
#include "store/pack/evict_usage.h"
#include "store/pack/large_files.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

constexpr int put_attempts = 16;  // each lost to somebody's change of the same entry
// What a store takes with one entry in it, at least: an index, `state`, marker, locks and folders.
constexpr std::uint64_t bytes_beside_entries = 112u << 10;
constexpr auto large_wait = std::chrono::seconds(2);  // for another put of the same payload

}  // namespace

struct PackStoreImpl::Writing {
  std::span<const std::byte> payload;
  std::string_view recipe;
  format::Record record;              // all but the sequence and `supersedes`
  std::span<const std::byte> stored;  // what the record holds
  std::uint64_t losses_before = 0;    // a sync may lose it before the put returns
  std::vector<std::byte> compressed = {};
  Digest raw_digest = {};

  const DerivedKey* key = nullptr;  // of the shelf that it was examined in

  EntryName name() const noexcept { return name_of(record.fingerprint, *key); }

  std::uint64_t expected = 0;       // the place of the entry to replace, 0 = none
  std::uint64_t removal_epoch = 0;  // when that was seen
  bool is_unchanged = false;  // the same bytes were there, and the next flush vouches for them
  bool must_write = false;    // the same bytes, but under a sequence that came too early

  bool has_made_room = false;  // on a full disk, once
  bool has_made_way = false;   // within the budget, before something large is written
  std::optional<Evictor::Reserved> reserved = {};

  bool is_large() const noexcept { return record.kind == format::RecordKind::large; }
  std::uint64_t disk_bytes() const noexcept {
    return record.total_bytes() + (is_large() ? payload.size() : 0);
  }
};

IndexTable::IsOther PackStoreImpl::other_than(Shelf& shelf, const EntryName& name) {
  return [&shelf, name](std::uint64_t word) {
    Found found{.location = format::Location::of(word)};
    const auto segment = shelf.segments().find(found.location.segment, found.keep);
    if (!segment) return false;
    found.segment = *segment;
    const auto candidate = pack_store::read_header(name, found);
    return candidate && *candidate == Candidate::other;
  };
}

// The bytes there are read and compared: a good header over a damaged payload must not keep a good
// put away. Those in a file of its own are compared when the file is stored: see rely_on_large.
Result<bool> PackStoreImpl::holds_same(Shelf& shelf, Writing& writing, Found& found) {
  if (found.record.raw_bytes != writing.payload.size()) return false;
  if (found.record.kind == format::RecordKind::large) {
    return writing.is_large() && found.record.payload_digest == writing.record.payload_digest;
  }
  std::optional<Artifact> artifact;
  LARDER_TRY(const Candidate read, read_artifact(shelf, writing.name(), found, artifact));
  if (read != Candidate::wanted || !same_bytes(artifact->bytes(), writing.payload)) return false;
  // Where the tag that all can check is damaged, its owner alone reads it yet: a repair, or whoever
  // makes the index anew, lets it go.
  return found.record.key_id == 0 || describe_record(shelf, found.location).has_value();
}

// Whether the next flush of this process, or one that has been, vouches for the record. That says
// nothing of the file that a large one leads to.
Result<bool> PackStoreImpl::may_rely_on(Shelf& shelf, const Fingerprint& fingerprint,
                                        const Found& found) {
  if (shelf.writers().rely_on(found.location, fingerprint)) return true;
  if (shelf.evictor().carried(found.location)) return true;
  if (found.segment->is_known_durable()) return true;
  // The copy would take over what a dead owner left, if it has room: then perhaps this very
  // segment, whose record the next flush of this process then syncs.
  if (!shelf.writers().claim(found.record.total_bytes())) return false;
  return shelf.writers().rely_on(found.location, fingerprint);
}

// Yes when there is nothing to write.
Result<PackStoreImpl::Done> PackStoreImpl::examine(Shelf& shelf, Writing& writing) {
  writing.is_unchanged = false;
  writing.key = &shelf.keys().front();
  writing.record.key_id = writing.key->id;
  writing.removal_epoch = shelf.state().word(StateWord::removal_epoch).load();
  Found found;
  const Fingerprint& fingerprint = writing.record.fingerprint;
  const EntryName name = writing.name();
  LARDER_TRY(const Outcome outcome, look_up(shelf, name, found, [&](Found& there) {
               return pack_store::read_header(name, there);
             }));
  writing.expected = found.place_word();
  LARDER_TRY(const bool has_tag, shelf.index().has_tag(shelf.tag_of(writing.record)));
  writing.record.supersedes =
      outcome != Outcome::absent || has_tag || shelf.index_is_partial() || shelf.has_forgotten();
  if (outcome != Outcome::wanted || writing.must_write) return Done::no;
  LARDER_TRY(const bool same, holds_same(shelf, writing, found));
  if (!same) return Done::no;
  LARDER_TRY(writing.is_unchanged, may_rely_on(shelf, fingerprint, found));
  return writing.is_unchanged ? Done::yes : Done::no;
}

Result<void> PackStoreImpl::store_large(Shelf& shelf, Writing& writing, const Fingerprint& key) {
  {
    const std::lock_guard lock(state().lost_mutex);
    state().unflushed_large[key] = writing.record.fingerprint;
  }
  return shelf.large().put(key, writing.payload, {.recipe = writing.recipe});
}

// The record is vouched for, and its file is not: who stored that may have been killed before a
// flush. Stored once more, which changes nothing where it is good, it is this process's to sync. No
// when the entry left meanwhile, perhaps with its file.
Result<PackStoreImpl::Done> PackStoreImpl::rely_on_large(Shelf& shelf, Writing& writing) {
  const format::Record& record = writing.record;
  const Fingerprint key = format::large_file_key(record);
  // Until it is seen that the entry is still there: who found the file missing takes it away.
  LARDER_TRY(const auto held,
             shelf.locks().acquire(store_directory::LockOffset::change_of(key), large_wait));
  LARDER_CHECK_OK(store_large(shelf, writing, key));
  LARDER_TRY(const auto there, find_word(shelf, shelf.tag_of(record), writing.expected));
  return there ? Done::yes : Done::no;
}

// Published while the segment is still claimed: whoever finds that its sync failed sees every place
// that it has in the index.
Result<PackStoreImpl::Done> PackStoreImpl::append_and_publish(Shelf& shelf, Writing& writing) {
  format::Record& record = writing.record;
  const std::string_view recipe = writing.is_large() ? std::string_view() : writing.recipe;
  LARDER_TRY(auto claimed, shelf.writers().claim(record.total_bytes(), large_bytes_of(record)));
  record.sequence = shelf.next_sequence();
  format::authenticate(record, *writing.key);
  LARDER_TRY(const format::Location location,
             claimed.writer->append(record, writing.stored, recipe));
  const std::uint64_t tag = shelf.tag_of(record);
  const auto publish = [&] {
    return shelf.index().publish(tag, writing.expected, location.word(),
                                 other_than(shelf, writing.name()));
  };
  auto attempted = publish();
  if (!attempted && attempted.error().code == Errc::no_space) {
    // What the segment has allocated ahead may be the room that the next index needs.
    claimed.writer->trim();
    attempted = publish();
  }
  LARDER_TRY(const Published published, std::move(attempted));
  if (published != Published::done) return Done::no;
  if (writing.expected != 0) return Done::yes;
  shelf.count_entries(1);
  const bool undisturbed =
      shelf.state().word(StateWord::removal_epoch).load() == writing.removal_epoch;
  // A removal with a higher sequence may have come between: it would take this record back at the
  // next rebuild.
  writing.must_write = !undisturbed;
  return undisturbed ? Done::yes : Done::no;
}

// Until something leads to the file, nobody may take it for one that nothing leads to.
Result<PackStoreImpl::Done> PackStoreImpl::put_large_once(Shelf& shelf, Writing& writing) {
  const format::Record& record = writing.record;
  const Fingerprint key = format::large_file_key(record);
  LARDER_TRY(const auto held,
             shelf.locks().acquire(store_directory::LockOffset::change_of(key), large_wait));
  const bool had_file = shelf.large().has_file(key).value_or(true);
  auto stored = store_large(shelf, writing, key);
  auto done = stored ? append_and_publish(shelf, writing) : std::unexpected(stored.error());
  // Nobody else could lead there meanwhile, so that there is nothing to bury.
  if (!done && !had_file) {
    const auto lasts = [&](const format::Location& there) {
      return is_known_to_last(shelf, there);
    };
    const auto nothing_to_bury = [](const format::Record&) { return true; };
    drop_locked(shelf, record, Absent::is_gone, {.lasts = lasts, .bury = nothing_to_bury});
  }
  return done;
}

// A large one may be as large as the budget: what leaves for it, leaves before it is written.
void PackStoreImpl::make_way(Shelf& shelf, Writing& writing, ReadEpochs::Guard& guard) {
  writing.has_made_way = true;
  writing.reserved = shelf.evictor().reserve(writing.disk_bytes());
  if (writing.reserved) evict_for(shelf, writing.disk_bytes(), guard);
}

Result<PackStoreImpl::Done> PackStoreImpl::put_once(Shelf& shelf, Writing& writing,
                                                    ReadEpochs::Guard& guard) {
  LARDER_TRY(const Done there, examine(shelf, writing));
  if (there == Done::yes) return writing.is_large() ? rely_on_large(shelf, writing) : there;
  LARDER_CHECK_OK(shelf.prepare_to_change());
  if (!writing.is_large()) return append_and_publish(shelf, writing);
  if (!writing.has_made_way) {
    make_way(shelf, writing, guard);
    return Done::no;  // what was examined may have left
  }
  return put_large_once(shelf, writing);
}

void PackStoreImpl::count_put(const Writing& writing) {
  Counters& counters = state().counters;
  if (writing.is_unchanged) {
    counters.add(&Metrics::puts_unchanged);
    return;
  }
  counters.add(&Metrics::puts);
  counters.add(&Metrics::put_bytes, writing.payload.size());
}

Result<void> PackStoreImpl::write_until_published(Writing& writing) {
  for (int attempt = 0; attempt < put_attempts; ++attempt) {
    // An evicted segment gives its blocks back when it is closed.
    if (attempt > 0) state().epochs.collect();
    auto guard = state().epochs.enter();
    LARDER_TRY(Shelf* const shelf, shelf_for_writing());
    shelf->drop_gone_segments();
    auto done = put_once(*shelf, writing, guard);
    const bool is_full = !done && done.error().code == Errc::no_space;
    if (is_full && !std::exchange(writing.has_made_room, true) &&
        make_room(*shelf, writing.disk_bytes(), guard)) {
      continue;
    }
    if (!done) return std::unexpected(std::move(done).error());
    // Left meanwhile, because its directory was deleted or moved: no flush would cover the record.
    const bool was_left = state().shelf.load(std::memory_order_seq_cst) != shelf;
    if (*done == Done::no || was_left) continue;
    LARDER_CHECK_OK(retire_older_keys(*shelf, writing.record.fingerprint, writing.losses_before));
    count_put(writing);
    if (writing.is_unchanged) return {};
    writing.reserved.reset();
    return keep_up(*shelf, writing.disk_bytes(), guard);
  }
  return std::unexpected(contended(writing.record.fingerprint));
}

Error PackStoreImpl::contended(const Fingerprint& fingerprint) const {
  return {.code = Errc::timed_out,
          .message = options_.directory + ": " + fingerprint.hex() +
                     ": others keep changing the entry; try again"};
}

// Another shelf may take what is put, on another file system: any segment takes a longer record.
Result<std::uint64_t> PackStoreImpl::largest_record_payload() {
  const auto guard = state().epochs.enter();
  LARDER_TRY(Shelf* const shelf, shelf_for_writing());
  return shelf->largest_record_payload();
}

Result<void> PackStoreImpl::put_checked(const Fingerprint& fingerprint,
                                        std::span<const std::byte> payload,
                                        const PutOptions& options, std::uint64_t losses_before) {
  if (options_.access == Access::read_only) {
    LARDER_CHECK_OK(shelf_for_writing());
  }
  if (payload.size() > max_payload_bytes_) return over_cap(fingerprint);
  const auto budget_bytes = options_.budget.max_bytes;
  if (budget_bytes && payload.size() + bytes_beside_entries > *budget_bytes) {
    return std::unexpected(
        store_directory::over_budget(payload.size(), {*budget_bytes, bytes_beside_entries},
                                     options_.directory + ": " + fingerprint.hex()));
  }
  if (options.recipe.size() > Recipe::max_encoded_bytes) {
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .message = options_.directory + ": " + fingerprint.hex() +
                                            ": the recipe is over 4096 bytes; pass what "
                                            "Recipe::encode returns"});
  }
  LARDER_TRY(const std::uint64_t max_record_payload, largest_record_payload());
  Writing writing{.payload = payload,
                  .recipe = options.recipe,
                  .record = {.written_s = format::record_time(file_system_.now_s()),
                             .raw_bytes = static_cast<std::uint32_t>(payload.size()),
                             .fingerprint = fingerprint},
                  .stored = payload,
                  .losses_before = losses_before};
  format::Record& record = writing.record;
  if (options_.compression == Compression::zstd && payload.size() <= max_record_payload) {
    if (auto smaller = state().zstd.compress(payload)) {
      writing.compressed = *std::move(smaller);
      writing.stored = writing.compressed;
      record.codec = format::Codec::zstd;
    }
  }
  if (payload.size() > max_record_payload) {
    record.kind = format::RecordKind::large;
    writing.stored = {};
  } else {
    record.stored_bytes = static_cast<std::uint32_t>(writing.stored.size());
    record.recipe_bytes = static_cast<std::uint32_t>(options.recipe.size());
    record.recipe_digest = format::recipe_digest(options.recipe);
  }
  record.payload_digest = blake3(writing.is_large() ? payload : writing.stored);
  return write_until_published(writing);
}

Result<void> PackStoreImpl::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                                const PutOptions& options) {
  return guarded([&]() -> Result<void> {
    const std::uint64_t losses_before = state().losses;
    auto stored = put_checked(fingerprint, payload, options, losses_before);
    Counters& counters = state().counters;
    if (!stored) {
      Error told = store_directory::with_remedy(std::move(stored).error(), options_.directory);
      stored = std::unexpected(std::move(told));
      counters.add(put_rejection(stored.error().code));
      return stored;
    }
    forget_loss(fingerprint, losses_before);
    return {};
  });
}

}  // namespace larder::pack_store
