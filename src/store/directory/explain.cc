#include "store/directory/explain.h"

#include <cerrno>
#include <string>
#include <utility>

namespace larder::store_directory {
namespace {

constexpr std::string_view make_room = "; free some space, or name a store on another disk";

std::string_view remedy(Errc code) {
  switch (code) {
    case Errc::read_only: return "; name a store that may be written";
    case Errc::permission_denied: return "; check the owner and mode of the store's directory";
    case Errc::not_ours: return "; something else stands in its place, move it away";
    case Errc::io_error: return "; look at the system's log, and at the limit of open files";
    default: return "";
  }
}

}  // namespace

Error at_path(Error error, std::string_view path) {
  if (!path.empty() && !error.message.contains(path)) {
    error.message.insert(0, ": ").insert(0, path);
  }
  return error;
}

Error full_disk(Error error, std::string_view path) {
  error.message = std::string(path) + ": the disk " +
                  (error.os_error == EDQUOT ? "quota is used up" : "is full") +
                  std::string(make_room);
  return error;
}

Error with_remedy(Error error, std::string_view path) {
  const bool is_full = error.code == Errc::no_space && error.os_error != 0;
  if (is_full && !error.message.ends_with(make_room)) return full_disk(std::move(error), path);
  error = at_path(std::move(error), path);
  if (error.code == Errc::absent) error.code = Errc::io_error;
  if (!error.message.contains(';')) error.message += remedy(error.code);
  return error;
}

Error over_budget(std::uint64_t payload_bytes, const BudgetShares& shares, std::string_view path) {
  const auto [budget_bytes, own_bytes] = shares;
  const std::string place = std::string(path) + ": ";
  if (budget_bytes <= own_bytes) {
    return {.code = Errc::too_large,
            .message = place + "a budget of " + std::to_string(budget_bytes) +
                       " bytes has room for no entry, the store's own files take " +
                       std::to_string(own_bytes) + "; raise the budget, or use a file store"};
  }
  return {.code = Errc::too_large,
          .message = place + "the payload has " + std::to_string(payload_bytes) +
                     " bytes, the budget has room for " + std::to_string(budget_bytes - own_bytes) +
                     "; use the result without caching it, or raise the budget"};
}

Error opened_read_only(std::string_view path) {
  return {.code = Errc::read_only,
          .message = std::string(path) + ": opened read-only; open it for writing"};
}

}  // namespace larder::store_directory
