#include "tests/remote/redis_cluster.h"

#include <hiredis/hiredis.h>

#include <algorithm>

namespace larder {
namespace {

constexpr std::size_t slots = 16384;
constexpr std::size_t share = slots / RedisCluster::nodes + 1;

}  // namespace

RedisCluster::RedisCluster() {
  for (std::size_t i = 0; i < nodes; ++i) start(i);
  make_cluster();
}

void RedisCluster::start(std::size_t number) {
  Node& node = nodes_[number];
  const std::string here = directories_[number].path();
  const std::vector<std::string> command = {"redis-server",
                                            "--port",
                                            std::to_string(node.port),
                                            "--cluster-port",
                                            std::to_string(node.bus_port),
                                            "--bind",
                                            "127.0.0.1",
                                            "--cluster-enabled",
                                            "yes",
                                            "--cluster-require-full-coverage",
                                            "no",
                                            "--cluster-node-timeout",
                                            "2000",
                                            "--save",
                                            "",
                                            "--dir",
                                            here};
  node.process = std::make_unique<ServerProcess>(command, here);
  EXPECT_TRUE(ServerProcess::comes_up([&] { return accepts_at(node.port); }));
}

// As `redis-cli --cluster create` does it, without its pauses.
void RedisCluster::make_cluster() const {
  for (std::size_t i = 0; i < nodes; ++i) {
    const std::size_t last = std::min((i + 1) * share, slots) - 1;
    EXPECT_EQ(ask(i, {"CLUSTER", "ADDSLOTSRANGE", std::to_string(i * share), std::to_string(last)}),
              "OK");
    EXPECT_EQ(ask(i, {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}), "OK");
    if (i == 0) continue;
    EXPECT_EQ(ask(i, {"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[0].port),
                      std::to_string(nodes_[0].bus_port)}),
              "OK");
  }
  EXPECT_TRUE(ServerProcess::comes_up([&] {
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::string info = ask(i, {"CLUSTER", "INFO"});
      const bool is_up = info.contains("cluster_state:ok") &&
                         info.contains("cluster_slots_assigned:16384") &&
                         info.contains("cluster_size:3");
      if (!is_up) return false;
    }
    return true;
  }));
}

std::string RedisCluster::url() const {
  std::string text = "redis-cluster://";
  for (const Node& node : nodes_) {
    text += (&node == nodes_.data() ? "127.0.0.1:" : ",127.0.0.1:") + std::to_string(node.port);
  }
  return text;
}

std::string redis_says(redisContext* context, const std::vector<std::string>& words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> lengths;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    lengths.push_back(word.size());
  }
  auto* reply = static_cast<redisReply*>(
      redisCommandArgv(context, static_cast<int>(words.size()), texts.data(), lengths.data()));
  std::string said;
  if (reply != nullptr && reply->str != nullptr) said.assign(reply->str, reply->len);
  freeReplyObject(reply);
  redisFree(context);
  return said;
}

std::string RedisCluster::ask(std::size_t node, const std::vector<std::string>& words) const {
  return redis_says(redisConnect("127.0.0.1", nodes_[node].port), words);
}

std::size_t RedisCluster::first_owner_of(std::uint16_t slot) { return slot / share; }

}  // namespace larder
