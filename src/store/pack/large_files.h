// Artifacts in files of their own: when such a file may go.
#ifndef LARDER_STORE_PACK_LARGE_FILES_H_
#define LARDER_STORE_PACK_LARGE_FILES_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "store/pack/shelf.h"

namespace larder::pack_store {

// How long a record is that leads to a file of its own.
inline constexpr std::uint32_t units_of_large =
    format::record_header_bytes / format::pack_unit_bytes;

// Removes the file of a record unless an entry leads to it, under the lock that a put of the same
// payload holds from storing the file to publishing what leads to it. What stays by mistake is
// swept.
void drop_large(Shelf& shelf, const format::Record& record);

// Syncs the files that these records lead to, by descriptors of this process. False when one of
// them is not there as it should be, or is being changed by somebody.
Result<bool> sync_large(Shelf& shelf, const std::vector<format::Record>& records);

// Removes files that nothing leads to: a process was killed between storing and publishing, or
// could not take a file away. Who is about to lead to one holds its lock. The record that led to
// one may still be what a power cut would leave: so when there is anything to remove, `secure_all`
// first makes durable what replaced it. Its error is returned, and all files stay.
Result<void> sweep_large(Shelf& shelf, const std::function<Result<void>()>& secure_all);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_LARGE_FILES_H_
