// Connections that are kept between calls, each used by one thread at a time.
#ifndef LARDER_REMOTE_POOL_H_
#define LARDER_REMOTE_POOL_H_

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace larder::remote {

// Any number of threads. What is more than `most_idle` is closed when it comes back.
template <class Connection>
class Pool {
 public:
  static constexpr std::size_t most_idle = 8;

  // Null when none is idle. The one used last comes first: the others may grow old and be closed.
  std::unique_ptr<Connection> take() noexcept {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return nullptr;
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }

  // Throws bad_alloc; the connection is then closed.
  void give_back(std::unique_ptr<Connection> connection) {
    const std::scoped_lock lock(mutex_);
    if (idle_.size() < most_idle) idle_.push_back(std::move(connection));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace larder::remote

#endif  // LARDER_REMOTE_POOL_H_
