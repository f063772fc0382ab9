#ifndef LARDER_BASE_SAME_BYTES_H_
#define LARDER_BASE_SAME_BYTES_H_

#include <cstddef>
#include <cstring>
#include <span>

namespace larder {

// Whether two spans hold the same bytes. Ranges of std::byte are compared one by one by the
// standard library, which takes longer than to hash them.
inline bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace larder

#endif  // LARDER_BASE_SAME_BYTES_H_
