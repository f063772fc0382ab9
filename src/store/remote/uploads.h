// What is sent to remote tiers while nobody waits: a bounded queue, and one thread that is started
// by the first entry.
#ifndef LARDER_STORE_REMOTE_UPLOADS_H_
#define LARDER_STORE_REMOTE_UPLOADS_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "larder/artifact.h"
#include "larder/fingerprint.h"

namespace larder {

struct Upload {
  std::size_t tier = 0;
  Fingerprint fingerprint;
  Artifact payload;
  std::string recipe;
};

// Any number of threads may push and drain.
class Uploads {
 public:
  using Clock = std::chrono::steady_clock;
  using Send = std::function<void(const Upload&)>;  // does not throw

  Uploads(std::uint64_t capacity_bytes, Send send);
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;
  ~Uploads();  // waits for the one that is being sent; the others are lost: drain() before

  // False: there is no room, and the entry is not sent. Throws bad_alloc, or system_error when no
  // thread can be had.
  bool push(Upload upload);

  // Waits until everything that was pushed is sent, or until `deadline`. How many are left.
  std::size_t drain(Clock::time_point deadline);

 private:
  void run(const std::stop_token& stop);

  const std::uint64_t capacity_bytes_;
  const Send send_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Upload> queue_;  // the first one is being sent
  std::uint64_t queued_bytes_ = 0;
  std::jthread thread_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_UPLOADS_H_
