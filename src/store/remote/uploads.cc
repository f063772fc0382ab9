#include "store/remote/uploads.h"

#include <iterator>
#include <utility>

#include "base/guarded.h"

namespace larder {
namespace {

// What the queue spends on an entry, so that a million empty payloads fill it as well.
constexpr std::uint64_t bookkeeping_bytes = 256;

std::uint64_t cost_of(const Upload& upload) noexcept {
  return upload.payload.size() + upload.recipe.size() + bookkeeping_bytes;
}

}  // namespace

void LostUploads::add(const Fingerprint& fingerprint) noexcept {
  if (known_.contains(fingerprint)) return;
  const bool is_kept = known_.size() < most_known && guarded_or(
                                                         false,
                                                         [&] {
                                                           known_.insert(fingerprint);
                                                           return true;
                                                         });
  if (!is_kept) ++others_;
}

Unsent LostUploads::take() noexcept {
  Unsent all;
  for (const Fingerprint& fingerprint : known_) all.add(fingerprint);
  all.entries += std::exchange(others_, 0);
  known_.clear();
  return all;
}

Uploads::Uploads(std::uint64_t capacity_bytes, Send send)
    : capacity_bytes_(capacity_bytes), send_(std::move(send)) {}

Uploads::~Uploads() {
  stop();
  if (thread_.joinable()) thread_.join();
}

bool Uploads::push(Upload upload) noexcept {
  const std::scoped_lock lock(mutex_);
  const bool is_queued = guarded_or(false, [&] { return enqueue(upload); });
  if (!is_queued) lost_.add(upload.fingerprint);
  return is_queued;
}

void Uploads::lose(const Fingerprint& fingerprint) noexcept {
  const std::scoped_lock lock(mutex_);
  lost_.add(fingerprint);
}

// What it throws leaves the queue as it was.
bool Uploads::enqueue(Upload& upload) {
  const std::uint64_t cost = cost_of(upload);
  if (cost > capacity_bytes_ - queued_bytes_) return false;
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  queue_.push_back({std::move(upload)});
  lost_.erase(queue_.back().upload.fingerprint);  // what becomes of this one decides
  queued_bytes_ += cost;
  changed_.notify_all();
  return true;
}

// What others push as soon as the queue is empty is not late, and so not told: one lock holds.
Unsent Uploads::drain(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const auto is_empty = [this] { return queue_.empty(); };
  if (!in_vain_ && Clock::now() < deadline) {
    in_vain_ = !changed_.wait_until(lock, deadline, is_empty);
  }
  Unsent untold = lost_.take();
  for (Queued& queued : queue_) {
    if (!queued.is_told) untold.add(queued.upload.fingerprint);
    queued.is_told = true;
  }
  return untold;
}

std::uint64_t Uploads::withdraw(const Fingerprint& fingerprint) {
  const std::scoped_lock lock(mutex_);
  lost_.erase(fingerprint);
  const auto is_it = [&](const Queued& each) { return each.upload.fingerprint == fingerprint; };
  auto each = queue_.begin();
  const bool is_under_way = is_sending_ && is_it(*each);
  if (is_sending_) ++each;
  while (each != queue_.end()) {
    if (is_it(*each)) queued_bytes_ -= cost_of(each->upload);
    each = is_it(*each) ? queue_.erase(each) : std::next(each);
  }
  if (!is_under_way) return finished_;
  sending_.request_stop();
  return finished_ + 1;
}

// A logger that is called while one is sent may come here.
void Uploads::wait_for(std::uint64_t finished) {
  std::unique_lock lock(mutex_);
  if (thread_.get_id() == std::this_thread::get_id()) return;
  changed_.wait(lock, [&] { return finished_ >= finished; });
}

void Uploads::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty(); }) && !stop.stop_requested()) {
    const Queued& first = queue_.front();
    std::stop_source sending;
    sending_ = sending;
    is_sending_ = true;
    const std::stop_callback at_the_end(stop, [&sending] { sending.request_stop(); });
    lock.unlock();
    const Sending outcome = send_(first.upload, sending.get_token());
    lock.lock();
    if (outcome == Sending::lost && !first.is_told) lost_.add(first.upload.fingerprint);
    queued_bytes_ -= cost_of(first.upload);
    queue_.pop_front();
    is_sending_ = false;
    ++finished_;
    if (outcome == Sending::sent || queue_.empty()) in_vain_ = false;
    changed_.notify_all();
  }
}

}  // namespace larder
