// Objects as the string values of a Redis Cluster: each key is on the server that has its slot.
//
// The map of the slots is asked for at the first call, and again when a server says that a slot has
// moved, or cannot be reached: a replica may have taken its place. A server that could not be
// reached is left alone for a few seconds, so that the keys of the others are not held up by it.
#ifndef LARDER_REMOTE_REDIS_CLUSTER_TRANSPORT_H_
#define LARDER_REMOTE_REDIS_CLUSTER_TRANSPORT_H_

#include <memory>
#include <vector>

#include "remote/redis_connection.h"
#include "remote/redis_slots.h"
#include "remote/transport.h"

namespace larder::remote {

struct RedisClusterOptions {
  // Of every server, but for the address: the same user, password, and name for messages.
  RedisEndpoint endpoint = {};
  std::vector<RedisAddress> seeds = {};  // who may be asked for the map; at least one
  // Whether servers may be elsewhere than on this machine: they say themselves where others are.
  bool may_leave = false;
};

std::unique_ptr<Transport> make_redis_cluster_transport(const RedisClusterOptions& options);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_CLUSTER_TRANSPORT_H_
