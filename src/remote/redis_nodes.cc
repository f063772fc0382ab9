#include "remote/redis_nodes.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/try.h"
#include "remote/url.h"

namespace larder::remote {
namespace {

constexpr milliseconds alone(3000);
constexpr std::uint64_t largest_map = 4ull << 20;
constexpr std::size_t most_nodes = 4096;  // a cluster has a thousand at most

constexpr bool is_silence(Errc code) noexcept {
  return code == Errc::unreachable || code == Errc::timed_out;
}

}  // namespace

bool RedisNode::is_left_alone() const noexcept {
  return Clock::now().time_since_epoch().count() < alone_until_.load(std::memory_order_relaxed);
}

void RedisNode::leave_alone(Errc why) noexcept {
  why_alone_.store(why, std::memory_order_relaxed);
  const auto until = Clock::now() + alone;
  alone_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

Result<std::unique_ptr<RedisConnection>> RedisNode::take(const Patience& patience) {
  if (is_left_alone()) {
    return std::unexpected(Error{.code = why_alone_.load(std::memory_order_relaxed),
                                 .message = endpoint_.shown +
                                            ": one of its servers did not answer a moment ago; "
                                            "look at the cluster's state"});
  }
  if (auto connection = take_open(idle_)) return connection;
  auto connection = RedisConnection::open(endpoint_, patience);
  if (!connection && is_silence(connection.error().code)) leave_alone(connection.error().code);
  return connection;
}

void RedisNode::give_back(std::unique_ptr<RedisConnection> connection) {
  if (connection->timed_out()) leave_alone(Errc::timed_out);
  if (connection->is_unready()) leave_alone(Errc::unreachable);
  if (connection->usable()) idle_.give_back(std::move(connection));
}

RedisNodes::RedisNodes(RedisClusterOptions options) : options_(std::move(options)) {}

std::unexpected<Error> RedisNodes::wrong(Errc code, std::string_view what) const {
  return std::unexpected(
      Error{.code = code, .message = options_.endpoint.shown + ": " + std::string(what)});
}

Result<std::shared_ptr<RedisNode>> RedisNodes::node_at(const RedisAddress& address) {
  if (!options_.may_leave && !is_local_host(address.host)) {
    return wrong(Errc::permission_denied,
                 "one of its servers is on another machine; say `plaintext` where the network is "
                 "trusted, and name the servers by their own addresses");
  }
  const std::scoped_lock lock(mutex_);
  if (nodes_.size() >= most_nodes && !nodes_.contains(address)) nodes_.clear();
  auto& node = nodes_[address];
  if (!node) {
    RedisEndpoint endpoint = options_.endpoint;
    endpoint.host = address.host;
    endpoint.port = address.port;
    node = std::make_shared<RedisNode>(std::move(endpoint));
  }
  return node;
}

std::vector<std::shared_ptr<RedisNode>> RedisNodes::known() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<RedisNode>> all;
  for (const auto& [address, node] : nodes_) all.push_back(node);
  return all;
}

// Of the first server that gives one.
Result<RedisSlotMap> RedisNodes::ask_for_map(const Patience& patience, std::string& asked_host) {
  for (const RedisAddress& seed : options_.seeds) LARDER_CHECK_OK(node_at(seed));
  auto failure = wrong(Errc::unreachable, "none of its servers answers; are they up?");
  for (const auto& node : known()) {
    auto connection = node->take(patience);
    if (!connection) {
      if (!is_silence(connection.error().code)) failure = std::unexpected(connection.error());
      continue;
    }
    auto reply =
        (*connection)->ask({{"CLUSTER", "SLOTS"}}, largest_map, patience, RedisAnswer::list);
    node->give_back(*std::move(connection));
    auto map = reply ? parse_slot_map(**reply) : std::nullopt;
    if (map) {
      asked_host = node->host();
      return *std::move(map);
    }
    const bool is_told_apart = !reply && reply.error().code != Errc::io_error;
    failure = is_told_apart ? std::unexpected(reply.error())
                            : wrong(Errc::io_error,
                                    "tells no slots; use redis:// where it is no cluster, and look "
                                    "whether the cluster was made");
  }
  return failure;
}

Result<void> RedisNodes::adopt(const RedisSlotMap& map, const std::string& asked_host) {
  std::vector<std::shared_ptr<RedisNode>> nodes;
  for (RedisAddress address : map.nodes) {
    if (address.host.empty()) address.host = asked_host;
    LARDER_TRY(auto node, node_at(address));
    nodes.push_back(std::move(node));
  }
  std::vector<std::shared_ptr<RedisNode>> owners(redis_slots);
  for (std::size_t slot = 0; slot < redis_slots; ++slot) {
    if (map.owners[slot] != RedisSlotMap::nobody) owners[slot] = nodes[map.owners[slot]];
  }
  const std::scoped_lock lock(mutex_);
  owners_ = std::move(owners);
  // Who has no slots any more is not asked for anything.
  std::erase_if(nodes_, [&](const auto& each) {
    return std::ranges::find(nodes, each.second) == nodes.end();
  });
  return {};
}

bool RedisNodes::has_map() const {
  const std::scoped_lock lock(mutex_);
  return !owners_.empty();
}

// One thread asks; the others go on with the map that there is, or wait for the first one.
Result<void> RedisNodes::refresh(const Patience& patience) {
  std::unique_lock refreshing(refreshing_, std::defer_lock);
  if (has_map()) {
    if (!is_due_ || !refreshing.try_lock()) return {};
  } else {
    const os::WaitLimit limit = patience.wait_until(patience.deadline);
    while (!refreshing.try_lock_for(limit.slice())) {
      if (limit.left().count() != 0) continue;
      return wrong(Errc::timed_out, "did not tell its slots in time; is it overloaded?");
    }
  }
  const bool had_map = has_map();
  if (!is_due_.exchange(false) && had_map) return {};
  std::string asked_host;
  auto map = ask_for_map(patience, asked_host);
  auto adopted = map ? adopt(*map, asked_host) : std::unexpected(map.error());
  if (adopted || had_map) return {};
  return adopted;
}

Result<std::shared_ptr<RedisNode>> RedisNodes::owner_of(std::uint16_t slot,
                                                        const Patience& patience) {
  LARDER_CHECK_OK(refresh(patience));
  const std::scoped_lock lock(mutex_);
  if (owners_[slot]) return owners_[slot];
  is_due_ = true;
  return wrong(Errc::unreachable, "nobody has the key's slot; look at the cluster's state");
}

Result<std::shared_ptr<RedisNode>> RedisNodes::follow(const RedisRedirection& redirection,
                                                      const RedisNode& from) {
  RedisAddress address = redirection.address;
  if (address.host.empty()) address.host = from.host();
  LARDER_TRY(auto node, node_at(address));
  if (redirection.kind == RedisRedirection::Kind::ask) return node;
  is_due_ = true;
  const std::scoped_lock lock(mutex_);
  if (!owners_.empty()) owners_[redirection.slot] = node;
  return node;
}

Result<std::vector<std::shared_ptr<RedisNode>>> RedisNodes::owners(const Patience& patience) {
  LARDER_CHECK_OK(refresh(patience));
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<RedisNode>> all;
  for (const auto& node : owners_) {
    const bool is_known = !node || (!all.empty() && all.back() == node);
    if (!is_known && std::ranges::find(all, node) == all.end()) all.push_back(node);
  }
  return all;
}

bool RedisNodes::is_partly_up() const noexcept {
  const std::scoped_lock lock(mutex_);
  bool any_is_up = false, any_is_alone = false;
  const RedisNode* last = nullptr;
  for (const auto& node : owners_) {
    if (!node || node.get() == last) continue;
    last = node.get();
    (node->is_left_alone() ? any_is_alone : any_is_up) = true;
  }
  return any_is_up && any_is_alone;
}

}  // namespace larder::remote
