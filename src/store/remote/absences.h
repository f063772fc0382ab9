// What a remote tier said it does not have, believed for a short while.
//
// A put of this process ends the belief about its entry. Those of other machines are noticed when
// the time is over: until then an artifact that one of them has made meanwhile is made once more.
#ifndef LARDER_STORE_REMOTE_ABSENCES_H_
#define LARDER_STORE_REMOTE_ABSENCES_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <vector>

#include "larder/fingerprint.h"

namespace larder {

// Any number of threads.
class Absences {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t most = 8192;  // 320 KiB

  // Zero: nothing is remembered, and no memory taken. Throws bad_alloc.
  explicit Absences(std::chrono::milliseconds time)
      : time_(time), slots_(time.count() ? most : 0) {}

  bool contains(const Fingerprint& fingerprint, Clock::time_point now);

  // To be taken before the server is asked: what it answers may be older than a put that ended
  // meanwhile, and is then not remembered.
  std::uint64_t moment() const noexcept { return puts_.load(); }
  void remember(const Fingerprint& fingerprint, std::uint64_t moment, Clock::time_point now);

  // After a put, however it went.
  void forget(const Fingerprint& fingerprint);

 private:
  struct Slot {
    Fingerprint fingerprint = {};
    Clock::time_point until = {};
  };
  Slot& slot_of(const Fingerprint& fingerprint);

  const std::chrono::milliseconds time_;
  std::atomic<std::uint64_t> puts_ = 0;
  std::mutex mutex_;
  // Each fingerprint has one place, which a newer one takes from it: bounded, and nothing to sweep.
  std::vector<Slot> slots_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_ABSENCES_H_
