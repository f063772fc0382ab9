// How results cross from C++ to C: no exception does, and every failure has a code.
#ifndef LARDER_FACE_C_SUPPORT_H_
#define LARDER_FACE_C_SUPPORT_H_

#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <span>
#include <utility>

#include "larder/error.h"
#include "larder/fingerprint.h"
#include "larder/larder_c.h"

namespace larder {

void report(larder_error* to, larder_code code, int os_error, std::string_view message) noexcept;

inline std::unexpected<Error> null_argument(const char* name) {
  return std::unexpected(Error{.code = Errc::invalid_argument,
                               .message = std::string("the argument `") + name +
                                          "` is NULL; pass what larder_c.h asks for"});
}

// Runs `body`, which gives a Result<larder_code>, and turns whatever comes out into a code.
template <class Body>
larder_code guarded(larder_error* error, Body&& body) noexcept {
  try {
    const Result<larder_code> result = std::forward<Body>(body)();
    if (!result) {
      const auto code = static_cast<larder_code>(result.error().code);
      report(error, code, result.error().os_error, result.error().message);
      return code;
    }
    report(error, *result, 0, "");
    return *result;
  } catch (const std::bad_alloc&) {
    report(error, LARDER_OUT_OF_MEMORY, 0, "memory ran out; free some and try again");
    return LARDER_OUT_OF_MEMORY;
  } catch (const std::exception& exception) {
    report(error, LARDER_IO_ERROR, 0, exception.what());
    return LARDER_IO_ERROR;
  } catch (...) {
    report(error, LARDER_IO_ERROR, 0, "an exception of an unknown type; compile without the cache");
    return LARDER_IO_ERROR;
  }
}

// Memory for larder_free; never null.
void* copy_for_c(std::span<const std::byte> bytes);

inline Fingerprint from_c(const larder_fingerprint& fingerprint) noexcept {
  Fingerprint copy;
  std::memcpy(copy.bytes.data(), fingerprint.bytes, sizeof fingerprint.bytes);
  return copy;
}

inline void to_c(const Fingerprint& fingerprint, larder_fingerprint& to) noexcept {
  std::memcpy(to.bytes, fingerprint.bytes.data(), sizeof to.bytes);
}

inline std::span<const std::byte> bytes_from_c(const void* data, std::size_t size) noexcept {
  return {static_cast<const std::byte*>(data), size};
}

// A pair of pointer and size that is not usable: a size without a pointer.
inline bool missing(const void* data, std::size_t size) noexcept {
  return data == nullptr && size != 0;
}

}  // namespace larder

#endif  // LARDER_FACE_C_SUPPORT_H_
