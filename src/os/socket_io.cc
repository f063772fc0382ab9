#include "os/socket_io.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>
#include <vector>

#include "base/try.h"
#include "os/posix_error.h"

namespace larder::os {
namespace {

// Whether one of them is ready.
Result<Wait> wait_for(std::span<pollfd> watched, const WaitLimit& limit) {
  for (;;) {
    const int ready =
        ::poll(watched.data(), watched.size(), static_cast<int>(limit.slice().count()));
    if (ready > 0) return Wait::ready;
    if (ready < 0 && errno != EINTR) return failed(errno, "poll");
    if (limit.left().count() == 0) return Wait::timed_out;
  }
}

Result<Wait> wait_for(int socket, short events, const WaitLimit& limit) {
  pollfd watched{.fd = socket, .events = events, .revents = 0};
  return wait_for(std::span(&watched, 1), limit);
}

}  // namespace

Result<Wait> wait_readable(int socket, const WaitLimit& limit) {
  return wait_for(socket, POLLIN, limit);
}

Result<std::optional<std::size_t>> wait_any_readable(std::span<const int> sockets,
                                                     const WaitLimit& limit) {
  std::vector<pollfd> watched;
  for (const int socket : sockets)
    watched.push_back({.fd = socket, .events = POLLIN, .revents = 0});
  LARDER_TRY(const Wait wait, wait_for(watched, limit));
  if (wait == Wait::timed_out) return std::nullopt;
  const auto ready =
      std::ranges::find_if(watched, [](const pollfd& each) { return each.revents != 0; });
  return static_cast<std::size_t>(ready - watched.begin());
}

Result<Wait> wait_writable(int socket, const WaitLimit& limit) {
  return wait_for(socket, POLLOUT, limit);
}

Result<std::optional<std::size_t>> receive_some(int socket, std::span<std::byte> into,
                                                std::span<std::byte> then) {
  iovec vectors[] = {{into.data(), into.size()}, {then.data(), then.size()}};
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = std::size(vectors);
  for (;;) {
    const ssize_t count = ::recvmsg(socket, &message, 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) return failed(errno, "recvmsg");
  }
}

Result<std::size_t> send_some(int socket, std::span<const std::span<const std::byte>> pieces,
                              const WaitLimit& limit) {
  std::array<iovec, 16> vectors{};
  msghdr message{};
  message.msg_iov = vectors.data();
  for (const auto piece : pieces.first(std::min(pieces.size(), vectors.size()))) {
    vectors[message.msg_iovlen].iov_base = const_cast<std::byte*>(piece.data());
    vectors[message.msg_iovlen++].iov_len = piece.size();
  }
  for (bool waited = false;; waited = true) {
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return failed(errno, "send");
    if (waited) return std::size_t{0};
    auto writable = wait_writable(socket, limit);
    if (!writable) return std::unexpected(std::move(writable).error());
  }
}

}  // namespace larder::os
