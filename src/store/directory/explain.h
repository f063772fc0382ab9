// Errors of the system, as somebody who only knows the store's path needs to read them.
#ifndef LARDER_STORE_DIRECTORY_EXPLAIN_H_
#define LARDER_STORE_DIRECTORY_EXPLAIN_H_

#include <cstdint>
#include <string_view>

#include "larder/error.h"

namespace larder::store_directory {

// With the path in front, unless the message has it already.
Error at_path(Error error, std::string_view path);

// With the path, and what to do. What is absent all of a sudden is an io_error: nothing was asked
// for that could be missing.
Error with_remedy(Error error, std::string_view path);

// The one text for it.
Error full_disk(Error error, std::string_view path);

// For a put of more than `budget_bytes`, which is all that the store may hold: the eviction after
// it would take every other entry first, and then this one.
// `own_bytes` of the budget are the store's own, whatever it holds.
struct BudgetShares {
  std::uint64_t budget_bytes;
  std::uint64_t own_bytes = 0;
};
Error over_budget(std::uint64_t payload_bytes, const BudgetShares& shares, std::string_view path);

// For a call that would change a store which was opened for reading.
Error opened_read_only(std::string_view path);

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_EXPLAIN_H_
