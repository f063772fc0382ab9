// Nothing throws through the API of a store: what a container cannot allocate becomes an error.
#ifndef LARDER_STORE_CATCH_OUT_OF_MEMORY_H_
#define LARDER_STORE_CATCH_OUT_OF_MEMORY_H_

#include <new>
#include <type_traits>
#include <utility>

#include "larder/error.h"

namespace larder {

// The result of `body`, or out_of_memory when it ran out.
template <class Body>
std::invoke_result_t<Body> catch_out_of_memory(Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return std::unexpected(Error{.code = Errc::out_of_memory,
                                 .message = "the store got no memory; free some and try again"});
  }
}

}  // namespace larder

#endif  // LARDER_STORE_CATCH_OUT_OF_MEMORY_H_
