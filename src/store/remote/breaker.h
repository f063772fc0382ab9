// Keeps calls away from a server that does not answer.
//
// Closed: every call goes out. After so many failures in a row it opens: none does until the pause
// is over. Then one caller may try, and while he does the others still may not; his success closes
// it, his failure opens it for another pause. A caller who never tells how it went, killed on the
// way, holds up nobody for longer than a pause.
#ifndef LARDER_STORE_REMOTE_BREAKER_H_
#define LARDER_STORE_REMOTE_BREAKER_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "larder/remote.h"

namespace larder {

// Any number of threads; no locks, so that a look-up that is not to go out costs two loads.
class Breaker {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Breaker(const RemoteBreaker& options) noexcept : options_(options) {}

  enum class Admission {
    no,
    yes,
    attempt,  // the one that may try; until it has told how it went, the others are not let through
  };

  // Whether a call may go out now. Who is let through tells how it went.
  Admission admit(Clock::time_point now) noexcept;

  // Whether it was open.
  bool succeeded() noexcept;

  // Whether it is open now because of this.
  bool failed(Clock::time_point now) noexcept;

  // Something else went well: the next failure is the first of a row. An open one stays open.
  void begin_row() noexcept { failures_.store(0, std::memory_order_relaxed); }

  // Another process knows that it is open, for so much longer.
  void open_for(Clock::duration time, Clock::time_point now) noexcept;

  bool is_open() const noexcept { return open_until_.load(std::memory_order_relaxed) != 0; }
  std::uint64_t openings() const noexcept { return openings_.load(std::memory_order_relaxed); }

 private:
  std::int64_t after_a_pause(Clock::time_point now) const noexcept;

  const RemoteBreaker options_;
  std::atomic<std::int64_t> open_until_ = 0;  // ticks of Clock; 0: closed
  std::atomic<std::uint32_t> failures_ = 0;   // in a row
  std::atomic<std::uint64_t> openings_ = 0;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_BREAKER_H_
