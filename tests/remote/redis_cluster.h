// A Redis Cluster of a test's own: three servers without replicas.
#ifndef LARDER_TESTS_REMOTE_REDIS_CLUSTER_H_
#define LARDER_TESTS_REMOTE_REDIS_CLUSTER_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/remote/server.h"

struct redisContext;

namespace larder {

// What a Redis server says to a command, past the store; closes the connection.
std::string redis_says(redisContext* context, const std::vector<std::string>& words);

class RedisCluster {
 public:
  static constexpr std::size_t nodes = 3;

  RedisCluster();

  std::string url() const;
  ServerProcess& process(std::size_t node) { return *nodes_[node].process; }
  std::uint16_t port(std::size_t node) const { return nodes_[node].port; }
  std::string id(std::size_t node) const { return ask(node, {"CLUSTER", "MYID"}); }

  // What one of the servers says; an error as it is.
  std::string ask(std::size_t node, const std::vector<std::string>& words) const;

  // Who had the slot in the beginning.
  static std::size_t first_owner_of(std::uint16_t slot);

 private:
  struct Node {
    std::uint16_t port = free_port();
    std::uint16_t bus_port = free_port();
    std::unique_ptr<ServerProcess> process = {};
  };
  void start(std::size_t number);
  void make_cluster() const;

  const std::array<ServerDirectory, nodes> directories_;
  std::array<Node, nodes> nodes_;
};

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_REDIS_CLUSTER_H_
