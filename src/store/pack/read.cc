// get, get_into and view. Owned bytes are read into private memory and verified there: nothing can
// change them afterwards, and a segment that is cut short is a short read and not a signal.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/guarded.h"
#include "base/try.h"
#include "format/codec.h"
#include "store/directory/explain.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
namespace {

using format::record_header_bytes;

// The payload comes in from memory while the header is hashed. What is longer the processor fetches
// ahead by itself.
void prefetch(std::span<const std::byte> record) {
  constexpr std::size_t line_bytes = 64;
  constexpr std::size_t most_bytes = 4096;
  const std::size_t end = std::min(record.size(), most_bytes);
  for (std::size_t at = 0; at < end; at += line_bytes) __builtin_prefetch(record.data() + at);
}

std::unexpected<Error> too_small(std::uint64_t needed, std::size_t given) {
  return std::unexpected(Error{.code = Errc::too_large,
                               .message = "the artifact has " + std::to_string(needed) +
                                          " bytes, the buffer " + std::to_string(given) +
                                          "; call again with a larger one"});
}

}  // namespace

std::unexpected<Error> PackStoreImpl::over_cap(const Fingerprint& fingerprint) const {
  return std::unexpected(
      Error{.code = Errc::too_large,
            .message = options_.directory + ": " + fingerprint.hex() +
                       ": larger than any payload of this store; use it without caching it"});
}

std::unexpected<Error> PackStoreImpl::damaged(const Found& found) const {
  return std::unexpected(Error{.code = Errc::corrupt,
                               .message = options_.directory + "/segments/" +
                                          format::segment_name(found.location.segment) + " at " +
                                          std::to_string(found.location.offset_bytes()) +
                                          ": damaged; compile again, the next put replaces it"});
}

// A hint for eviction, which costs nothing but a line of memory.
void PackStoreImpl::mark_visited(const Found& found) const {
  if (options_.access == Access::read_write) found.table->mark_visited(found.slot, found.word);
}

// What is proven to be damaged leaves the index, so that nobody reads it again. A reader waits for
// nothing, so it does not make `dirty` durable either: whether an index has the entry or lacks it
// after a crash, it says nothing wrong.
void PackStoreImpl::forget_damaged(Shelf& shelf, const EntryName& name, const Found& found) {
  if (options_.access == Access::read_only) return;
  shelf.note_forgotten();
  shelf.note_index_may_lack();
  const std::uint64_t tag = shelf.tag_of(name.fingerprint, name.key_id);
  if (!shelf.index().try_withdraw(tag, found.place_word())) return;
  count_removal(shelf);
}

void PackStoreImpl::count_removal(Shelf& shelf) {
  shelf.count_entries(-1);
  state().counters.add(&Metrics::removals);
}

// False when the slot leads elsewhere by now.
Result<bool> PackStoreImpl::forget_slot(Shelf& shelf, std::uint64_t tag, std::uint64_t place_word) {
  LARDER_CHECK_OK(shelf.prepare_to_change());
  shelf.note_forgotten();
  LARDER_TRY(const Published withdrawn, shelf.index().withdraw(tag, place_word));
  if (withdrawn != Published::done) return false;
  count_removal(shelf);
  return true;
}

Result<Candidate> PackStoreImpl::unpack(const Found& found, std::span<const std::byte> stored,
                                        std::optional<Artifact>& artifact) {
  LARDER_TRY(ArtifactBuffer raw, ArtifactBuffer::allocate(found.record.raw_bytes));
  if (!state().zstd.decompress(stored, raw.bytes())) return Candidate::damaged;
  artifact = std::move(raw).share(0, found.record.raw_bytes);
  return Candidate::wanted;
}

// A payload in a file of its own. When the file is not there, the entry is not: a power cut may
// take the file and leave the record, if no flush had covered them.
Result<Candidate> PackStoreImpl::read_large(Shelf& shelf, const Found& found,
                                            std::optional<Artifact>& artifact) {
  LARDER_TRY(artifact, shelf.large().get(format::large_file_key(found.record)));
  if (artifact && artifact->size() != found.record.raw_bytes) return Candidate::damaged;
  return artifact ? Candidate::wanted : Candidate::other;
}

Result<Candidate> PackStoreImpl::read_artifact(Shelf& shelf, const EntryName& name, Found& found,
                                               std::optional<Artifact>& artifact) {
  LARDER_TRY(ArtifactBuffer buffer, ArtifactBuffer::allocate(found.location.hit_bytes()));
  LARDER_TRY(const std::size_t count,
             found.segment->file()->read_at(buffer.bytes(), found.location.offset_bytes()));
  const auto read = buffer.bytes().first(count);
  const Candidate candidate = check_header(name, read, found);
  if (candidate != Candidate::wanted) return candidate;
  if (found.record.raw_bytes > max_payload_bytes_) return over_cap(name.fingerprint);
  if (found.record.kind == format::RecordKind::large) return read_large(shelf, found, artifact);
  if (found.record.hit_bytes() > count) return Candidate::damaged;
  const auto stored = read.subspan(record_header_bytes, found.record.stored_bytes);
  if (!format::payload_is_good(found.record, stored)) return Candidate::damaged;
  if (found.record.codec != format::Codec::none) return unpack(found, stored, artifact);
  artifact = std::move(buffer).share(record_header_bytes, stored.size());
  return Candidate::wanted;
}

// Most misses end here, before anything is built that only a hit needs. Every look-up comes by, so
// that what others have unlinked is closed here too.
bool PackStoreImpl::is_not_in_index(const ProcessState& process, const Fingerprint& fingerprint) {
  Shelf* const shelf = process.shelf.load(std::memory_order_seq_cst);
  if (shelf == nullptr || shelf->is_outdated()) return false;
  shelf->drop_gone_segments();
  const IndexTable* const table = shelf->index().table_at_hand();
  return table != nullptr && std::ranges::none_of(shelf->keys(), [&](const DerivedKey& key) {
           return table->has_entry(shelf->tag_of(fingerprint, key.id));
         });
}

// One look-up, by whichever way of reading, and its place in the metrics.
template <class Answer, class Reader, class SizeOf>
Result<std::optional<Answer>> PackStoreImpl::answer(const Fingerprint& fingerprint,
                                                    const Reader& reader, const SizeOf& size_of) {
  return guarded([&]() -> Result<std::optional<Answer>> {
    ProcessState& process = state();
    const ReadEpochs::Collector collector(process.epochs);  // of what others have unlinked
    const auto guard = process.epochs.enter();
    if (is_not_in_index(process, fingerprint)) {
      process.counters.count_lookup(&Metrics::absent);
      return std::nullopt;
    }
    auto found = find_and_read<Answer>(fingerprint, reader);
    Counters& counters = process.counters;
    if (!found) {
      counters.count_lookup(lookup_outcome(found.error().code));
      return std::unexpected(
          store_directory::with_remedy(std::move(found).error(), options_.directory));
    } else if (!*found) {
      counters.count_lookup(&Metrics::absent);
    } else {
      counters.count_lookup(&Metrics::hits);
      counters.add(&Metrics::hit_bytes, size_of(**found));
    }
    return found;
  });
}

template <class Answer, class Reader>
Result<std::optional<Answer>> PackStoreImpl::read_one_of(Shelf& shelf, const EntryName& name,
                                                         const Reader& reader) {
  Found found;
  std::optional<Answer> read;
  LARDER_TRY(const Outcome outcome, look_up(shelf, name, found, [&](Found& there) {
               return reader(shelf, name, there, read);
             }));
  if (outcome == Outcome::absent) return std::nullopt;
  if (outcome == Outcome::damaged) {
    forget_damaged(shelf, name, found);
    return damaged(found);
  }
  mark_visited(found);
  return read;
}

template <class Answer, class Reader>
Result<std::optional<Answer>> PackStoreImpl::find_and_read(const Fingerprint& fingerprint,
                                                           const Reader& reader) {
  LARDER_TRY(Shelf* const shelf, shelf_for_reading());
  if (shelf == nullptr) return std::nullopt;
  for (const DerivedKey& key : shelf->keys()) {
    auto read = read_one_of<Answer>(*shelf, name_of(fingerprint, key), reader);
    if (!read || *read) return read;
  }
  return std::nullopt;
}

Result<std::optional<Artifact>> PackStoreImpl::get(const Fingerprint& fingerprint) {
  return answer<Artifact>(
      fingerprint,
      [this](Shelf& shelf, const EntryName& name, Found& found, std::optional<Artifact>& artifact) {
        return read_artifact(shelf, name, found, artifact);
      },
      [](const Artifact& artifact) { return artifact.size(); });
}

// Compressed, or in a file of its own.
Result<Candidate> PackStoreImpl::copy_into(Shelf& shelf, const EntryName& name, Found& found,
                                           std::span<std::byte> into) {
  std::optional<Artifact> artifact;
  LARDER_TRY(const Candidate read, read_artifact(shelf, name, found, artifact));
  if (read == Candidate::wanted) std::memcpy(into.data(), artifact->data(), artifact->size());
  return read;
}

// Straight into the caller's memory: what certainly belongs to the payload. The last unit, whose
// end only the header tells, goes through `end`, so that nothing behind the payload is touched.
Result<Candidate> PackStoreImpl::read_into(Shelf& shelf, const EntryName& name, Found& found,
                                           std::span<std::byte> into,
                                           std::optional<std::size_t>& length) {
  std::array<std::byte, record_header_bytes> header;
  std::array<std::byte, format::pack_unit_bytes> end;
  const std::uint64_t behind_header = found.location.hit_bytes() - record_header_bytes;
  const std::size_t certain = behind_header <= end.size() ? 0 : behind_header - end.size();
  // Compressed, it may still turn out to be too small.
  const std::size_t direct = behind_header <= into.size() ? certain : 0;
  const std::array<std::span<std::byte>, 3> pieces{header, into.first(direct), end};
  LARDER_TRY(const std::size_t count,
             found.segment->file()->read_pieces_at(pieces, found.location.offset_bytes()));
  const Candidate candidate =
      check_header(name, std::span(header).first(std::min(count, header.size())), found);
  if (candidate != Candidate::wanted) return candidate;
  const format::Record& record = found.record;
  if (record.raw_bytes > max_payload_bytes_) return over_cap(name.fingerprint);
  if (record.raw_bytes > into.size()) return too_small(record.raw_bytes, into.size());
  length = record.raw_bytes;
  if (record.kind == format::RecordKind::large || record.codec != format::Codec::none) {
    return copy_into(shelf, name, found, into);
  }
  const auto payload = into.first(record.stored_bytes);
  if (direct == 0) {
    LARDER_TRY(const std::size_t read,
               found.segment->file()->read_at(payload,
                                              found.location.offset_bytes() + record_header_bytes));
    if (read < payload.size()) return Candidate::damaged;
  } else {
    // The index may have the length wrong; the header has not.
    if (payload.size() < direct || payload.size() - direct > end.size() ||
        count < record.hit_bytes()) {
      return Candidate::damaged;
    }
    std::memcpy(payload.data() + direct, end.data(), payload.size() - direct);
  }
  return format::payload_is_good(record, payload) ? Candidate::wanted : Candidate::damaged;
}

Result<std::optional<std::size_t>> PackStoreImpl::get_into(const Fingerprint& fingerprint,
                                                           std::span<std::byte> into) {
  return answer<std::size_t>(
      fingerprint,
      [&](Shelf& shelf, const EntryName& name, Found& found, std::optional<std::size_t>& length) {
        return read_into(shelf, name, found, into, length);
      },
      [](std::size_t length) { return length; });
}

std::optional<MappedView> PackStoreImpl::view_of(Artifact artifact) {
  const auto bytes = artifact.bytes();
  return MappedView(bytes, std::make_shared<Artifact>(std::move(artifact)));
}

Result<Candidate> PackStoreImpl::view_large(Shelf& shelf, const Found& found,
                                            std::optional<MappedView>& view) {
  LARDER_TRY(view, shelf.large().view(format::large_file_key(found.record)));
  if (view && view->bytes().size() != found.record.raw_bytes) return Candidate::damaged;
  return view ? Candidate::wanted : Candidate::other;
}

// In place. A page that cannot be had is told by the check, not by a signal; then, as for what does
// not lie there as it is, a read finds out what is the matter, or gets the bytes all the same.
Result<Candidate> PackStoreImpl::read_view(Shelf& shelf, const EntryName& name, Found& found,
                                           std::optional<MappedView>& view) {
  const auto mapped =
      found.segment->mapped(found.location.offset_bytes(), found.location.hit_bytes());
  const auto read_instead = [&]() -> Result<Candidate> {
    std::optional<Artifact> artifact;
    LARDER_TRY(const Candidate read, read_artifact(shelf, name, found, artifact));
    if (read == Candidate::wanted) view = view_of(*std::move(artifact));
    return read;
  };
  if (!mapped) return read_instead();
  prefetch(*mapped);
  const Candidate candidate = check_header(name, *mapped, found);
  if (candidate != Candidate::wanted) return candidate;
  const format::Record& record = found.record;
  if (record.raw_bytes > max_payload_bytes_) return over_cap(name.fingerprint);
  if (record.kind == format::RecordKind::large) {
    const auto large = view_large(shelf, found, view);
    return large ? large : read_instead();
  }
  if (record.codec != format::Codec::none) return read_instead();
  if (record.hit_bytes() > mapped->size()) return Candidate::damaged;
  const auto payload = mapped->subspan(record_header_bytes, record.stored_bytes);
  if (!format::payload_is_good(record, payload)) return Candidate::damaged;
  found.segment->note_record_end(found.location.offset_bytes() + record.hit_bytes());
  view.emplace(payload, found.segment->shared_from_this());
  return Candidate::wanted;
}

Result<std::optional<MappedView>> PackStoreImpl::view(const Fingerprint& fingerprint) {
  return answer<MappedView>(
      fingerprint,
      [this](Shelf& shelf, const EntryName& name, Found& found, std::optional<MappedView>& view) {
        return read_view(shelf, name, found, view);
      },
      [](const MappedView& view) { return view.bytes().size(); });
}

}  // namespace larder::pack_store
