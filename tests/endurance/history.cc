#include "tests/endurance/history.h"

#include <algorithm>
#include <cstdlib>

namespace larder {

Event& History::append(Deed deed, std::uint32_t key, std::uint64_t version,
                       std::uint64_t now) noexcept {
  const std::uint32_t number = count_;
  if (number == capacity) std::abort();  // the room that is kept is too small: mend it
  Event& event = events_[number];
  event.deed = deed;
  event.key = key;
  event.version = version;
  event.begun = now;
  event.returned = 0;
  count_ = number + 1;
  return event;
}

void History::complain(std::string_view what) noexcept {
  if (complaint_length_ != 0) return;
  const std::size_t length = std::min(what.size(), complaint_.size());
  std::ranges::copy(what.substr(0, length), complaint_.begin());
  complaint_length_ = static_cast<std::uint32_t>(length);
}

}  // namespace larder
