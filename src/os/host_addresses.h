// Looking up the addresses of a host's name, within a time limit that the system's own resolver
// does not know: a name server that is silent costs it 5 to 20 seconds.
#ifndef LARDER_OS_HOST_ADDRESSES_H_
#define LARDER_OS_HOST_ADDRESSES_H_

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "larder/error.h"
#include "os/wait_limit.h"

namespace larder::os {

struct SocketAddress {
  sockaddr_storage bytes = {};
  socklen_t length = 0;
};

// In the order in which they should be tried; at least one. nullopt: they were not known in time. A
// look-up that is not waited for any longer goes on in a thread of its own until the resolver gives
// up, and uses nothing of the caller's. An address written as a number needs no thread. absent: the
// name has none; another error: no thread can be had.
Result<std::optional<std::vector<SocketAddress>>> host_addresses(const std::string& host,
                                                                 std::uint16_t port,
                                                                 const WaitLimit& limit);

}  // namespace larder::os

#endif  // LARDER_OS_HOST_ADDRESSES_H_
