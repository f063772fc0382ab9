// What is sent to remote tiers while nobody waits: a bounded queue, and one thread that is started
// by the first entry.
#ifndef LARDER_STORE_REMOTE_UPLOADS_H_
#define LARDER_STORE_REMOTE_UPLOADS_H_

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <set>
#include <stop_token>
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

enum class Sending {
  sent,
  lost,
  unwanted,  // the tier never takes it, or nobody wants it sent any more
};

// What is not there, for the log.
struct Unsent {
  static constexpr std::size_t most_named = 3;
  std::uint64_t entries = 0;
  std::array<Fingerprint, most_named> first = {};  // as many as there are

  void add(const Fingerprint& fingerprint) noexcept {
    if (entries < most_named) first[entries] = fingerprint;
    ++entries;
  }
};

// Those that could not be sent, and are in no answer yet: each once, however often it was lost, and
// none that was sent, or taken back, since.
class LostUploads {
 public:
  void add(const Fingerprint& fingerprint) noexcept;
  void erase(const Fingerprint& fingerprint) noexcept { known_.erase(fingerprint); }

  // In their order; and none are left.
  Unsent take() noexcept;

 private:
  static constexpr std::size_t most_known = 1u << 16;  // some 6 MB

  std::set<Fingerprint> known_;
  std::uint64_t others_ = 0;  // beyond that, or for want of memory: by their number alone
};

// Any number of threads may push and drain.
class Uploads {
 public:
  using Clock = std::chrono::steady_clock;
  // Does not throw, and ends soon once it is asked to stop.
  using Send = std::function<Sending(const Upload&, const std::stop_token&)>;

  Uploads(std::uint64_t capacity_bytes, Send send);
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;
  ~Uploads();  // stop(), and waits; what is not sent by then is lost: drain() before

  // False: there is no room, no memory or no thread, and the entry is lost.
  bool push(Upload upload) noexcept;

  // One that nobody could push, for want of memory.
  void lose(const Fingerprint& fingerprint) noexcept;

  // Waits until everything that was pushed is sent, or until `deadline`. It does not wait again
  // where the last wait was in vain, and nothing could be sent since. What was lost by then, and
  // what is still to be sent, each entry in one answer alone, so that what was in one already may
  // have been sent since, or not.
  Unsent drain(Clock::time_point deadline);

  // Nothing more is sent, and what is being sent is to end soon. May be called again.
  void stop() noexcept { thread_.request_stop(); }

  // From now on nothing is sent that was pushed for it before, nor told to be lost. The one that is
  // being sent is stopped, and not waited for: the server may have it or not, once wait_for() has
  // returned with what this returns. Does not block.
  std::uint64_t withdraw(const Fingerprint& fingerprint);
  void wait_for(std::uint64_t finished);

 private:
  struct Queued {
    Upload upload;
    bool is_told = false;
  };

  bool enqueue(Upload& upload);
  void run(const std::stop_token& stop);

  const std::uint64_t capacity_bytes_;
  const Send send_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Queued> queue_;
  LostUploads lost_;
  std::uint64_t queued_bytes_ = 0;
  std::uint64_t finished_ = 0;  // how often one was sent, or could not be
  bool is_sending_ = false;     // the first one
  std::stop_source sending_;    // of that one
  bool in_vain_ = false;        // the last wait was, and nothing was sent since
  std::jthread thread_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_UPLOADS_H_
