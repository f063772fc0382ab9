// Entries that leave, or get another time of last use, while their segment stays: somebody writes
// it, or they are too few.
//
// Crash model. The record of an entry that leaves stays where it is: a rebuild would bring it back,
// or, where its own file is gone, an older value. So whoever empties the slot writes a removal, as
// in remove.cc. Until a flush has covered that, a power cut may still bring the entry back;
// StateWord::forgotten tells remove() of it.
#ifndef LARDER_STORE_PACK_EVICT_ALONE_H_
#define LARDER_STORE_PACK_EVICT_ALONE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "store/pack/removal.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {

// Takes the entry with this record out. False when somebody has changed it meanwhile, or when its
// key is not here and its file replaced an older value. One of another key leaves the index only,
// until that is made anew. A file of its own stays: drop_files. Errors: those of writing; then the
// entry is still there.
Result<bool> withdraw_alone(Shelf& shelf, const format::Record& entry, std::uint64_t place_word,
                            std::int64_t now_s, Copies copies);

// Writes a removal of an entry that the index does not lead to (evict_hidden.h), unless it does by
// now, or the entry's key is not here: its owner would not believe it. Errors: those of writing.
enum class Buried : std::uint8_t { yes, led_to, of_other_key };
Result<Buried> bury_hidden(Shelf& shelf, Writers& writers, const format::Record& entry,
                           std::int64_t now_s);

// An entry whose record stands at a second place.
struct Renewal {
  std::uint64_t slot_tag = 0;
  std::uint64_t from = 0, to = 0;  // place words
};

// Writes the record once more, with `now_s` as the time of last use. The copy has the sequence of
// the original, and stands where that may be, in a segment of carried records: what is put or
// removed meanwhile, or was before, wins over both. When the carriers are synced, the index may
// lead to it. nullopt when the record is damaged or gone. Errors: those of reading and writing.
Result<std::optional<Renewal>> copy_alone(Shelf& shelf, Writers& carriers, std::uint64_t place_word,
                                          std::int64_t now_s);

struct DropFiles {
  std::int64_t now_s = 0;
  std::uint64_t own_evictions = 0;        // of segments, begun and not ended
  std::uint64_t given_up = 0;             // Shelf::given_up(), from before they were withdrawn
  const std::function<bool()>& sync_own;  // flushes this process's segments; whether all went well
};
// The files of entries that were withdrawn, when their removals are on the disk. What stays by
// mistake is swept.
void drop_files(Shelf& shelf, std::span<const format::Record> withdrawn, const DropFiles& how);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_ALONE_H_
