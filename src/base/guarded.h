// No exception leaves the library but those of the caller's own compile function: memory that
// cannot be had is an error like others, and so is whatever a visitor throws.
#ifndef LARDER_BASE_GUARDED_H_
#define LARDER_BASE_GUARDED_H_

#include <exception>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

#include "larder/error.h"

namespace larder {

// Where not even the message finds memory, the code alone has to do.
inline std::unexpected<Error> failure_without_memory(Errc code, const char* message) noexcept {
  Error error;
  error.code = code;
  try {
    error.message = message;
  } catch (...) {
    error.message = "out of memory";  // short enough to need none
  }
  return std::unexpected(std::move(error));
}

// The result of `call`, which gives a Result, or the error that its exception means.
template <class Call>
std::invoke_result_t<const Call&> guarded(const Call& call) noexcept {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return failure_without_memory(Errc::out_of_memory, "memory ran out; free some and try again");
  } catch (const std::exception& thrown) {
    return failure_without_memory(Errc::io_error, thrown.what());
  } catch (...) {
    return failure_without_memory(Errc::io_error,
                                  "a callback threw something unknown; let none throw");
  }
}

// For results with no room for an error: `fallback` when `call` throws.
template <class Call>
std::invoke_result_t<const Call&> guarded_or(std::invoke_result_t<const Call&> fallback,
                                             const Call& call) noexcept {
  try {
    return call();
  } catch (...) {
    return fallback;
  }
}

// For what may as well not happen.
template <class Call>
void best_effort(const Call& call) noexcept {
  try {
    call();
  } catch (...) {
    // As if it had not been tried.
  }
}

// A caller's logger or listener, whose exceptions go no further: what it was told has happened.
template <class... Arguments>
std::function<void(Arguments...)> shielded(std::function<void(Arguments...)> callback) {
  if (!callback) return {};
  return [callback = std::move(callback)](Arguments... arguments) noexcept {
    try {
      callback(arguments...);
    } catch (...) {
      // There is nobody to tell: the logger itself may be what throws.
    }
  };
}

}  // namespace larder

#endif  // LARDER_BASE_GUARDED_H_
