// Connecting to a server within a time limit, the look-up of its name included.
#ifndef LARDER_OS_SOCKET_OPEN_H_
#define LARDER_OS_SOCKET_OPEN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "larder/error.h"
#include "os/descriptor.h"
#include "os/wait_limit.h"

namespace larder::os {

// A connected stream socket that blocks, is closed on exec, and sends small pieces at once. Every
// address of the host is tried in its order, each for its share of the time that is left. nullopt:
// nobody answered in time. absent: the name has no address; otherwise the error of the last
// address.
Result<std::optional<Descriptor>> open_connection(const std::string& host, std::uint16_t port,
                                                  const WaitLimit& limit);

}  // namespace larder::os

#endif  // LARDER_OS_SOCKET_OPEN_H_
