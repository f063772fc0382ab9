// What `larder merge` does: copies the entries of one store into another.
#ifndef LARDER_CLI_MERGE_H_
#define LARDER_CLI_MERGE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "larder/store.h"
#include "terminal.h"

namespace larder::cli {

enum class Recipes { keep, drop };  // drop: the store that is copied into has no room for them

struct MergeReport {
  struct Trouble {
    Fingerprint fingerprint;
    std::string message;
  };
  std::uint64_t copied = 0;
  std::uint64_t copied_bytes = 0;  // of payloads
  std::uint64_t already_there = 0;
  std::uint64_t other_key = 0;  // in `from`: made with a key that is not here, or with none
  std::uint64_t recipes_dropped = 0;
  std::vector<Trouble> damaged;  // in `from`, where they stay
  std::vector<Trouble> refused;  // could not be read from `from`, or put into `to`
};

// What the store lists, the entry used last at the end: it then is the one that stays when the
// store that they are copied into is too small for all. After an error: what could be listed.
Result<void> list_by_last_use(Store& store, std::vector<EntryInfo>& entries);

// Puts every good one of these entries of `from` that `to` has no good one of, verified on the way.
// Changes nothing in `from` when that was opened read-only, and does not flush `to`.
MergeReport merge(Store& from, Store& to, std::span<const EntryInfo> entries, Recipes recipes,
                  Progress& progress);

}  // namespace larder::cli

#endif  // LARDER_CLI_MERGE_H_
