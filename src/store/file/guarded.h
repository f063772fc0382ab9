// No exception leaves the store: memory that cannot be had is an error like others.
#ifndef LARDER_STORE_FILE_GUARDED_H_
#define LARDER_STORE_FILE_GUARDED_H_

#include <exception>
#include <new>

#include "larder/error.h"

namespace larder::file_store {

template <class Call>
auto guarded(const Call& call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return std::unexpected(Error{.code = Errc::out_of_memory, .message = "out of memory"});
  } catch (const std::exception& thrown) {
    return std::unexpected(Error{.code = Errc::io_error, .message = thrown.what()});
  }
}

}  // namespace larder::file_store

#endif  // LARDER_STORE_FILE_GUARDED_H_
