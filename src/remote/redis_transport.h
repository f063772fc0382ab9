// Objects as the string values of a Redis server, under "larder:" and their names. They have no
// expiry: what leaves is for the server's maxmemory-policy to decide.
#ifndef LARDER_REMOTE_REDIS_TRANSPORT_H_
#define LARDER_REMOTE_REDIS_TRANSPORT_H_

#include <memory>

#include "remote/redis_connection.h"
#include "remote/transport.h"

namespace larder::remote {

std::unique_ptr<Transport> make_redis_transport(const RedisEndpoint& endpoint);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_TRANSPORT_H_
