// What has come over a connection and nobody has taken yet.
#ifndef LARDER_REMOTE_REDIS_INBOX_H_
#define LARDER_REMOTE_REDIS_INBOX_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "remote/transport.h"

namespace larder::remote {

// One thread at a time. `socket` has to outlive it, and has the limit for silence as its own
// (SO_RCVTIMEO).
class RedisInbox {
 public:
  static constexpr std::size_t capacity_bytes = 64 * 1024;

  explicit RedisInbox(int socket) : socket_(socket), buffer_(capacity_bytes) {}

  // Valid until the next call.
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char*>(buffer_.data()) + begin_, end_ - begin_};
  }

  // The first `count` bytes of the text are done with.
  void take(std::size_t count) noexcept { begin_ += count; }

  // Text that was taken and turned out to be somebody else's.
  void put_back(std::size_t count) noexcept { begin_ -= count; }

  enum class Came {
    some,
    full,  // there is no room for more text
    late,  // nothing came in time
    lost,  // the connection has ended
  };

  // Waits for more text.
  Came wait(const Patience& patience);

  // Fills `into` with text, and waits for what is missing, which goes there without another copy;
  // what comes behind it is text.
  Came fill(std::span<std::byte> into, const Patience& patience);

 private:
  Came receive(std::span<std::byte> into, std::size_t& count, const Patience& patience);
  void make_room() noexcept;

  const int socket_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_INBOX_H_
