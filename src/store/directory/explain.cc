#include "store/directory/explain.h"

#include <string>
#include <utility>

namespace larder::store_directory {
namespace {

std::string_view remedy(Errc code) {
  switch (code) {
    case Errc::no_space: return "; free some space, or name a store on another disk";
    case Errc::read_only: return "; name a store that may be written";
    case Errc::permission_denied: return "; check the owner and mode of the store's directory";
    case Errc::io_error: return "; look at the system's log, and at the limit of open files";
    default: return "";
  }
}

}  // namespace

Error at_path(Error error, std::string_view path) {
  if (!error.message.contains(path)) {
    error.message.insert(0, ": ").insert(0, path);
  }
  return error;
}

Error with_remedy(Error error, std::string_view path) {
  error = at_path(std::move(error), path);
  if (error.code == Errc::absent) error.code = Errc::io_error;
  if (!error.message.contains(';')) error.message += remedy(error.code);
  return error;
}

}  // namespace larder::store_directory
