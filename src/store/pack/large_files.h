// Artifacts in files of their own: when such a file may go.
#ifndef LARDER_STORE_PACK_LARGE_FILES_H_
#define LARDER_STORE_PACK_LARGE_FILES_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <unordered_set>
#include <vector>

#include "store/pack/shelf.h"

namespace larder::pack_store {

// How long a record is that leads to a file of its own.
inline constexpr std::uint32_t units_of_large =
    format::record_header_bytes / format::pack_unit_bytes;

// By what is known of it, and nothing else: no may mean yes.
bool is_known_to_last(Shelf& shelf, const format::Location& location);

// What whoever drops a file can do for it.
struct Dropping {
  // Whether a power cut leaves the record that stands there.
  std::function<bool(const format::Location&)> lasts;
  // Writes a removal that is newer than any record of the same entry, and makes it durable. False
  // when it could not, or something leads to the entry.
  std::function<bool(const format::Record&)> bury;
  std::uint64_t own_evictions = 0;  // of the dropper, begun and not ended
  std::uint64_t given_up = 0;       // Shelf::given_up(), from before the entry was taken out
};

// Removes the file of a record when no power cut, and no segment that can be read again, leaves
// anything that leads to it: under the lock that a put of the same payload holds from storing the
// file to publishing what leads to it. Where the entry is another one by now, that one has to last:
// between the two the file may have been flushed once more. Where it is gone, so must be what
// others have put since and are taking out, and what could not be read: there it is buried once
// more, without the lock where nobody takes out anything meanwhile. What stays by mistake is swept,
// and so is what an index lacks that is being made anew.
enum class Absent : std::uint8_t {
  is_gone,        // the entry was taken out of the index
  tells_nothing,  // the index may lack it
};
void drop_large(Shelf& shelf, const format::Record& record, Absent absent,
                const Dropping& dropping);
// The same for who holds that lock.
void drop_locked(Shelf& shelf, const format::Record& record, Absent absent,
                 const Dropping& dropping);

// What stands there is none that anybody is given.
inline bool is_no_file(const Error& error) noexcept {
  return error.code == Errc::corrupt || error.code == Errc::not_ours ||
         error.code == Errc::too_large;
}

enum class Unread : std::uint8_t {
  counts,  // a segment that cannot be read now is an error
  passed_over,
};
// The files that records of these slot tags lead to, whether the index leads to these or not. Reads
// the summaries of all segments. Errors: not all that counts can be read.
Result<std::set<Fingerprint>> files_led_to(Shelf& shelf, Writers& carriers,
                                           const std::unordered_set<std::uint64_t>& slot_tags,
                                           Unread unread);

// Syncs the files that these records lead to, by descriptors of this process.
enum class FilesSynced : std::uint8_t {
  all,
  not_all,  // of those that are damaged there is nothing to sync
  not_now,  // one is missing, or being changed by somebody
};
Result<FilesSynced> sync_large(Shelf& shelf, const std::vector<format::Record>& records);

// Removes files that nothing leads to: a process was killed between storing and publishing, or
// could not take a file away. Who is about to lead to one holds its lock. The record that led to
// one may still be what a power cut would leave: so when there is anything to remove, `secure_all`
// makes durable what replaced it, once more when nobody can lead to the file any more. Its error is
// returned, and those files stay; timed_out, when others kept it from being made durable.
using SecureAll = std::function<Result<void>(std::chrono::steady_clock::time_point until)>;
Result<void> sweep_large(Shelf& shelf, const SecureAll& secure_all);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_LARGE_FILES_H_
