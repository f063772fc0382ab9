// The servers of a Redis Cluster that are known, and which of them has which slot.
#ifndef LARDER_REMOTE_REDIS_NODES_H_
#define LARDER_REMOTE_REDIS_NODES_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "remote/pool.h"
#include "remote/redis_cluster_transport.h"
#include "remote/redis_connection.h"
#include "remote/redis_slots.h"

namespace larder::remote {

// One server; any number of threads.
class RedisNode {
 public:
  explicit RedisNode(RedisEndpoint endpoint) : endpoint_(std::move(endpoint)) {}

  const std::string& host() const noexcept { return endpoint_.host; }

  // A connection, kept or new. While the server is left alone, at once the error for which it is.
  Result<std::unique_ptr<RedisConnection>> take(const Patience& patience);

  // One that is not usable is closed. A server that did not answer in time, or said that it is not
  // ready, is left alone from now on.
  void give_back(std::unique_ptr<RedisConnection> connection);

  bool is_left_alone() const noexcept;

 private:
  void leave_alone(Errc why) noexcept;

  const RedisEndpoint endpoint_;
  Pool<RedisConnection> idle_;
  std::atomic<Clock::rep> alone_until_ = 0;
  std::atomic<Errc> why_alone_ = Errc::unreachable;
};

// Any number of threads.
class RedisNodes {
 public:
  explicit RedisNodes(RedisClusterOptions options);

  // Who has the slot, after the map was asked for where that is due. Errors: unreachable when
  // nobody gives a map or nobody has the slot, and those of the servers that were asked.
  Result<std::shared_ptr<RedisNode>> owner_of(std::uint16_t slot, const Patience& patience);

  // Where to go. A slot that moved stays there, and the map is due. permission_denied when the
  // server is on another machine and must not be.
  Result<std::shared_ptr<RedisNode>> follow(const RedisRedirection& redirection,
                                            const RedisNode& from);

  // Everybody who has slots.
  Result<std::vector<std::shared_ptr<RedisNode>>> owners(const Patience& patience);

  void expect_another_map() noexcept { is_due_ = true; }

  // Whether some of those who have slots are left alone, and some are not.
  bool is_partly_up() const noexcept;

 private:
  bool has_map() const;
  Result<void> refresh(const Patience& patience);
  Result<RedisSlotMap> ask_for_map(const Patience& patience, std::string& asked_host);
  Result<std::shared_ptr<RedisNode>> node_at(const RedisAddress& address);
  Result<void> adopt(const RedisSlotMap& map, const std::string& asked_host);
  std::vector<std::shared_ptr<RedisNode>> known() const;
  std::unexpected<Error> wrong(Errc code, std::string_view what) const;

  const RedisClusterOptions options_;
  std::atomic<bool> is_due_ = true;
  std::timed_mutex refreshing_;
  mutable std::mutex mutex_;  // of what follows
  std::map<RedisAddress, std::shared_ptr<RedisNode>> nodes_;
  std::vector<std::shared_ptr<RedisNode>> owners_;  // of each slot; empty: there is no map yet
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_REDIS_NODES_H_
