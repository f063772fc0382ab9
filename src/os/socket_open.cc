#include "os/socket_open.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <span>
#include <utility>

#include "base/try.h"
#include "os/host_addresses.h"
#include "os/posix_error.h"
#include "os/socket_io.h"

namespace larder::os {
namespace {

// What became of a connection that was begun.
Result<void> outcome_of(int socket) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
    return failed(errno, "getsockopt");
  }
  if (error != 0) return failed(error, "connect");
  return {};
}

Result<void> make_ready(int socket) {
  const int flags = ::fcntl(socket, F_GETFL);
  if (flags < 0 || ::fcntl(socket, F_SETFL, flags & ~O_NONBLOCK) < 0) {
    return failed(errno, "fcntl");
  }
  const int yes = 1;
  if (::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) {
    return failed(errno, "setsockopt");
  }
  return {};
}

Result<std::optional<Descriptor>> connect_to(const SocketAddress& address, const WaitLimit& limit) {
  Descriptor socket(
      ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return failed(errno, "socket");
  const auto* name = reinterpret_cast<const sockaddr*>(&address.bytes);
  if (::connect(socket.get(), name, address.length) != 0 && errno != EINPROGRESS &&
      errno != EINTR) {
    return failed(errno, "connect");
  }
  LARDER_TRY(const Wait wait, wait_writable(socket.get(), limit));
  if (wait == Wait::timed_out) return std::nullopt;
  LARDER_CHECK_OK(outcome_of(socket.get()));
  LARDER_CHECK_OK(make_ready(socket.get()));
  return socket;
}

Result<std::optional<Descriptor>> connect_to_any(std::span<const SocketAddress> addresses,
                                                 const WaitLimit& limit) {
  const auto share = limit.left() / static_cast<int>(addresses.size());
  auto connected = connect_to(addresses.front(), {WaitLimit::Clock::now() + share, limit.stop});
  const bool is_last = addresses.size() == 1 || limit.left().count() == 0;
  if (is_last || (connected && *connected)) return connected;
  return connect_to_any(addresses.subspan(1), limit);
}

}  // namespace

Result<std::optional<Descriptor>> open_connection(const std::string& host, std::uint16_t port,
                                                  const WaitLimit& limit) {
  LARDER_TRY(const auto addresses, host_addresses(host, port, limit));
  if (!addresses) return std::nullopt;
  return connect_to_any(*addresses, limit);
}

}  // namespace larder::os
