// What must be durable before something that it replaced is taken away: a put over an entry
// promises that a power cut leaves the old one or the new one.
#ifndef LARDER_STORE_PACK_SECURE_H_
#define LARDER_STORE_PACK_SECURE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "store/pack/shelf.h"

namespace larder::pack_store {

struct SecureParts {
  Shelf& shelf;
  Writers& carriers;
  const std::function<bool()>& sync_own;  // flushes this process's segments; whether all went well
};

// What the index leads to in one segment.
struct Secured {
  std::uint64_t end = 0;              // of the last record
  std::vector<format::Record> large;  // those that lead to files

  void add(Shelf& shelf, const format::Location& location);
};

// Makes sure that a power cut leaves it: by this process's flush, or, where another process has not
// synced yet, by a sync of the segment through a descriptor of our own, so that a failure is still
// told to the other one. Errors: timed_out when it cannot be made durable now; those of syncing.
Result<void> secure(const SecureParts& parts, std::uint32_t number, const Secured& there);

// The same for every segment that no proof tells of, and all that the index leads to in it.
// timed_out as well when the time is over.
Result<void> secure_all(const SecureParts& parts, std::chrono::steady_clock::time_point until);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SECURE_H_
