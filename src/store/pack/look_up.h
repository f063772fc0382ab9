// Finding the record of a fingerprint: what the index leads to, told apart from what it should not
// lead to.
#ifndef LARDER_STORE_PACK_LOOK_UP_H_
#define LARDER_STORE_PACK_LOOK_UP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/try.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {

// An entry, as one looks for it. What is under one fingerprint with different keys is different
// entries. Refers to the fingerprint.
struct EntryName {
  const Fingerprint& fingerprint;
  std::uint64_t key_id = 0;
  const DerivedKey* key = nullptr;  // to verify with; null: without a key, or of one not here
};

inline EntryName name_of(const Fingerprint& fingerprint, const DerivedKey& key) noexcept {
  return {.fingerprint = fingerprint, .key_id = key.id, .key = key.id == 0 ? nullptr : &key};
}

// A place that the index names for an entry.
struct Found {
  Segment* segment = nullptr;
  std::shared_ptr<Segment> keep = {};  // when the table had no room for it
  format::Location location = {};
  format::Record record = {};
  IndexTable* table = nullptr;
  std::uint64_t slot = 0;
  std::uint64_t word = 0;  // as seen, with marks

  std::uint64_t place_word() const noexcept { return word & format::place_mask; }
};

// What stands there.
enum class Candidate {
  wanted,
  other,    // another entry, or gone: not what was asked for, and no damage
  damaged,  // the index has the fingerprint's tag for it, but it does not verify
};

enum class Outcome {
  wanted,
  absent,   // found.word is that of a slot which leads nowhere, for a put to take over, or 0
  damaged,  // `found` is the damaged one
};

// The header there, verified, of this entry: into found.record.
Candidate check_header(const EntryName& name, std::span<const std::byte> header, Found& found);

// The same for a header that was decoded before.
Candidate check_record(const EntryName& name, format::RecordVerdict verdict,
                       const format::Record& record);

// Whether the damage is that its segment has left, and was cut under the reader.
bool was_cut(Candidate candidate, const Segment& segment);

// Reads the header alone.
Result<Candidate> read_header(const EntryName& name, Found& found);

// An entry may be carried while it is looked for, and once more: each time a whole segment leaves.
inline constexpr int most_moves = 8;

// Asks `reader` about each place that the index names, until it wants one. With a guard of the
// epochs held; `found` is good as long as that. Errors are those of reading: nothing is known then.
template <class Reader>  // Result<Candidate>(Found&)
Result<Outcome> look_up(Shelf& shelf, const EntryName& name, Found& found, const Reader& reader) {
  const std::uint64_t tag = shelf.tag_of(name.fingerprint, name.key_id);
  std::optional<Found> damaged;
  std::uint64_t nowhere = 0;
  // A segment that left meanwhile has been taken out of the index before: look once more.
  bool has_left = true;
  for (int attempt = 0; attempt < most_moves && has_left; ++attempt) {
    has_left = false;
    nowhere = 0;
    IndexTable* table = shelf.index().table_at_hand();
    if (table == nullptr) {
      LARDER_TRY(table, shelf.index().table());
    }
    for (IndexTable::Cursor cursor(*table, tag); cursor.next();) {
      if ((cursor.word() & format::place_mask) == 0) continue;
      found = {.location = format::Location::of(cursor.word()),
               .table = table,
               .slot = cursor.slot(),
               .word = cursor.word()};
      auto segment = shelf.segments().find(found.location.segment, found.keep);
      if (!segment && segment.error().code == Errc::absent) {
        has_left = true;
        nowhere = found.word;
        continue;
      }
      // Something else at its name, a link perhaps, is as good as a damaged one.
      if (!segment && segment.error().code != Errc::corrupt &&
          segment.error().code != Errc::not_ours) {
        return std::unexpected(std::move(segment).error());
      }
      Candidate candidate = Candidate::damaged;
      if (segment) {
        found.segment = *segment;
        if (!found.segment->covers(found.location.offset_bytes(), found.location.hit_bytes())) {
          nowhere = found.word;
          continue;
        }
        LARDER_TRY(candidate, reader(found));
        if (was_cut(candidate, *found.segment)) {
          has_left = true;
          nowhere = found.word;
          continue;
        }
      }
      if (candidate == Candidate::wanted) return Outcome::wanted;
      if (candidate == Candidate::damaged) damaged = found;
    }
  }
  if (!damaged) {
    found = {.word = nowhere};
    return Outcome::absent;
  }
  found = *std::move(damaged);
  return Outcome::damaged;
}

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_LOOK_UP_H_
