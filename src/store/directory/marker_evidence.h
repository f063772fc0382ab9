// What else in a directory tells that it is a store, and which: for one whose marker was damaged. A
// flipped bit there must not cost all entries. What belongs to neither `user` nor root says
// nothing.
#ifndef LARDER_STORE_DIRECTORY_MARKER_EVIDENCE_H_
#define LARDER_STORE_DIRECTORY_MARKER_EVIDENCE_H_

#include <cstdint>
#include <optional>

#include "format/pack_record.h"
#include "larder/file_system.h"

namespace larder::store_directory {

// The id that `state` and the segments agree on; where one of the two has none that can be read,
// that of the other. nullopt: they say nothing, or different things. Errors: could not be looked
// at.
Result<std::optional<format::StoreId>> id_of_pack(Directory& root, std::uint32_t user);

// As id_of_pack, when that is another one than a marker says and there are segments to say so.
// Reads no more than `state` when all is well.
Result<std::optional<format::StoreId>> id_against_marker(Directory& root, std::uint32_t user,
                                                         const format::StoreId& marked);

// Whether there are entries of the larder layout, as far as their headers tell, and of what kind
// the first ones are.
enum class EntryFiles { none, without_key, with_key };
Result<EntryFiles> look_at_entry_files(Directory& root, std::uint32_t user);

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_MARKER_EVIDENCE_H_
