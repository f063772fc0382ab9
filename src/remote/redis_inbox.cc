#include "remote/redis_inbox.h"

#include <algorithm>
#include <cstring>

#include "os/socket_io.h"

namespace larder::remote {

// What has been put back may still be asked for, so that it is only moved where room is needed.
void RedisInbox::make_room() noexcept {
  if (end_ < buffer_.size() && begin_ != end_) return;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

// Into `into`, and behind it into the buffer. The socket's own limit is that for silence; only
// where less time is left, or the call may be stopped, that is waited for.
RedisInbox::Came RedisInbox::receive(std::span<std::byte> into, std::size_t& count,
                                     const Patience& patience) {
  const os::WaitLimit limit = patience.wait_until(Clock::now() + patience.silence);
  // Where there is always something to read, nothing else would end it.
  if (limit.left().count() == 0) return Came::late;
  if (limit.left() < patience.silence || patience.stop.stop_possible()) {
    const auto ready = os::wait_readable(socket_, limit);
    if (!ready) return Came::lost;
    if (*ready == os::Wait::timed_out) return Came::late;
  }
  const auto come = os::receive_some(socket_, into, std::span(buffer_).subspan(end_));
  if (!come || *come == 0) return Came::lost;
  if (!*come) return Came::late;
  count = std::min(**come, into.size());
  end_ += **come - count;
  return Came::some;
}

RedisInbox::Came RedisInbox::wait(const Patience& patience) {
  make_room();
  if (end_ == buffer_.size()) return Came::full;
  std::size_t count = 0;
  return receive({}, count, patience);
}

RedisInbox::Came RedisInbox::fill(std::span<std::byte> into, const Patience& patience) {
  const std::size_t here = std::min(into.size(), text().size());
  if (here != 0) std::memcpy(into.data(), text().data(), here);
  take(here);
  into = into.subspan(here);
  while (!into.empty()) {
    make_room();  // the text is empty: there is room
    std::size_t count = 0;
    const Came came = receive(into, count, patience);
    if (came != Came::some) return came;
    into = into.subspan(count);
  }
  return Came::some;
}

}  // namespace larder::remote
