#include "store/remote/uploads.h"

#include <utility>

namespace larder {
namespace {

// What the queue spends on an entry, so that a million empty payloads fill it as well.
constexpr std::uint64_t bookkeeping_bytes = 256;

std::uint64_t cost_of(const Upload& upload) noexcept {
  return upload.payload.size() + upload.recipe.size() + bookkeeping_bytes;
}

}  // namespace

Uploads::Uploads(std::uint64_t capacity_bytes, Send send)
    : capacity_bytes_(capacity_bytes), send_(std::move(send)) {}

Uploads::~Uploads() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

bool Uploads::push(Upload upload) {
  const std::uint64_t cost = cost_of(upload);
  const std::scoped_lock lock(mutex_);
  if (cost > capacity_bytes_ - queued_bytes_) return false;
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  queue_.push_back(std::move(upload));
  queued_bytes_ += cost;
  changed_.notify_all();
  return true;
}

std::size_t Uploads::drain(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return queue_.empty(); });
  return queue_.size();
}

// An element of a deque stays where it is while others come behind it.
void Uploads::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty(); }) && !stop.stop_requested()) {
    const Upload& first = queue_.front();
    lock.unlock();
    send_(first);
    lock.lock();
    queued_bytes_ -= cost_of(queue_.front());
    queue_.pop_front();
    changed_.notify_all();
  }
}

}  // namespace larder
