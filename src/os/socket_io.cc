#include "os/socket_io.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "os/posix_error.h"

namespace larder::os {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

Result<Wait> wait_for(int socket, short events, milliseconds limit) {
  constexpr milliseconds longest = std::chrono::hours(1);
  const auto end = Clock::now() + std::clamp(limit, milliseconds(0), longest);
  pollfd watched{.fd = socket, .events = events, .revents = 0};
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    const int ready = ::poll(&watched, 1, static_cast<int>(std::max<long long>(left.count(), 0)));
    if (ready > 0) return Wait::ready;
    if (ready == 0) return Wait::timed_out;
    if (errno != EINTR) return failed(errno, "poll");
  }
}

}  // namespace

Result<Wait> wait_readable(int socket, std::chrono::milliseconds limit) {
  return wait_for(socket, POLLIN, limit);
}

Result<std::optional<std::size_t>> receive_some(int socket, std::span<std::byte> into) {
  for (;;) {
    const ssize_t count = ::recv(socket, into.data(), into.size(), 0);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) return failed(errno, "recv");
  }
}

Result<std::size_t> send_some(int socket, std::span<const std::span<const std::byte>> pieces,
                              std::chrono::milliseconds limit) {
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
    auto writable = wait_for(socket, POLLOUT, limit);
    if (!writable) return std::unexpected(std::move(writable).error());
  }
}

}  // namespace larder::os
