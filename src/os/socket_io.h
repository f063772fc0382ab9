// Sending and waiting on sockets that client libraries have opened.
#ifndef LARDER_OS_SOCKET_IO_H_
#define LARDER_OS_SOCKET_IO_H_

#include <chrono>
#include <cstddef>
#include <span>

#include "larder/error.h"

namespace larder::os {

enum class Wait { ready, timed_out };

// Until there is something to read, or the connection has ended, which a read then tells.
Result<Wait> wait_readable(int socket, std::chrono::milliseconds limit);

// Sends as much of the pieces as goes in one call, when the socket takes some within `limit`; 0:
// it did not. Never raises SIGPIPE, which would end the host.
Result<std::size_t> send_some(int socket, std::span<const std::span<const std::byte>> pieces,
                              std::chrono::milliseconds limit);

}  // namespace larder::os

#endif  // LARDER_OS_SOCKET_IO_H_
