// LARDER_TRY(auto x, f()) gives x the value of f(), or returns f()'s error from this function.
// LARDER_CHECK_OK(f()) does the same for Result<void>.
// libstdc++ 12 has no monadic operations on std::expected; this is what stands in for them.
#ifndef LARDER_BASE_TRY_H_
#define LARDER_BASE_TRY_H_

#include <expected>
#include <utility>

#define LARDER_JOIN_(a, b) a##b
#define LARDER_JOIN(a, b) LARDER_JOIN_(a, b)
#define LARDER_TRY(declaration, ...) \
  LARDER_TRY_(LARDER_JOIN(larder_result_, __LINE__), declaration, __VA_ARGS__)
#define LARDER_TRY_(result, declaration, ...)                     \
  auto result = (__VA_ARGS__);                                    \
  if (!result) return std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
#define LARDER_CHECK_OK(...)                                     \
  do {                                                           \
    if (auto larder_checked = (__VA_ARGS__); !larder_checked)    \
      return std::unexpected(std::move(larder_checked).error()); \
  } while (false)

#endif  // LARDER_BASE_TRY_H_
