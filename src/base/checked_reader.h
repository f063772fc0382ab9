// A cursor over untrusted bytes. After a read past the end every further read gives zero or
// nothing, and ok() says so: check it once, at the end, before believing any value.
#ifndef LARDER_BASE_CHECKED_READER_H_
#define LARDER_BASE_CHECKED_READER_H_

#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/byte_order.h"

namespace larder {

class CheckedReader {
 public:
  explicit CheckedReader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}
  explicit CheckedReader(std::string_view text) noexcept
      : rest_(std::as_bytes(std::span(text.data(), text.size()))) {}

  template <std::unsigned_integral T>
  T number() noexcept {
    const auto taken = take(sizeof(T));
    return taken.empty() ? T{0} : load_little<T>(taken.data());
  }

  // Empty when fewer than `length` bytes are left.
  std::span<const std::byte> take(std::size_t length) noexcept {
    if (length > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(length);
    rest_ = rest_.subspan(length);
    return taken;
  }

  std::string_view text(std::size_t length) noexcept {
    const auto taken = take(length);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return ok_ && rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace larder

#endif  // LARDER_BASE_CHECKED_READER_H_
