// Sending and waiting on sockets of client libraries.
#ifndef LARDER_OS_SOCKET_IO_H_
#define LARDER_OS_SOCKET_IO_H_

#include <cstddef>
#include <optional>
#include <span>

#include "larder/error.h"
#include "os/wait_limit.h"

namespace larder::os {

enum class Wait { ready, timed_out };  // or asked to stop

// Until there is something to read, or the connection has ended, which a read then tells.
Result<Wait> wait_readable(int socket, const WaitLimit& limit);

// Until one of them is: which one; nullopt: none of them in time.
Result<std::optional<std::size_t>> wait_any_readable(std::span<const int> sockets,
                                                     const WaitLimit& limit);

// Until it takes something, or is connected, or could not be.
Result<Wait> wait_writable(int socket, const WaitLimit& limit);

// What there is, at least one byte, into one place and then into the other; 0: the connection has
// ended. nullopt: nothing came within the socket's own limit for a call (SO_RCVTIMEO).
Result<std::optional<std::size_t>> receive_some(int socket, std::span<std::byte> into,
                                                std::span<std::byte> then);

// Sends as much of the pieces as goes in one call, when the socket takes some within `limit`; 0:
// it did not. Never raises SIGPIPE, which would end the host.
Result<std::size_t> send_some(int socket, std::span<const std::span<const std::byte>> pieces,
                              const WaitLimit& limit);

}  // namespace larder::os

#endif  // LARDER_OS_SOCKET_IO_H_
