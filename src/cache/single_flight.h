// One compile among the threads of one cache.
#ifndef LARDER_CACHE_SINGLE_FLIGHT_H_
#define LARDER_CACHE_SINGLE_FLIGHT_H_

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "larder/artifact.h"
#include "larder/error.h"
#include "larder/fingerprint.h"
#include "os/fork_guard.h"

namespace larder {

// Whoever joins a fingerprint first leads; those who join before the leader has landed follow, and
// get its result. A leader that goes away without a result leaves nobody hanging: its followers are
// told, and join again. A leader that finds itself in a forked child, since its compile forked and
// came back there too, leaves the flight to the parent.
class SingleFlight {
  struct Flight;

 public:
  enum class Role {
    leader,
    follower,
    nested,  // the calling thread leads this fingerprint already, further up its own stack
  };
  enum class Ending { landed, abandoned, timed_out };
  using Clock = std::chrono::steady_clock;

  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept = default;
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket();  // of a leader that has not landed: abandons the flight

    Role role() const noexcept { return role_; }

    // Leaders only, once.
    void land(const Result<Artifact>& result);

    // Followers only. `result` is set when the flight has landed.
    Ending wait_until(Clock::time_point deadline, std::optional<Result<Artifact>>& result);

   private:
    friend class SingleFlight;
    Ticket(SingleFlight& flights, Role role, std::shared_ptr<Flight> flight) noexcept
        : flights_(&flights), role_(role), flight_(std::move(flight)) {}

    SingleFlight* flights_;
    Role role_;
    std::shared_ptr<Flight> flight_;
  };

  Ticket join(const Fingerprint& fingerprint);

 private:
  struct Flight {
    Fingerprint fingerprint;
    std::thread::id leader;
    std::condition_variable over_changed;
    bool over = false;
    std::optional<Result<Artifact>> result = {};
  };

  void end(Flight& flight, std::optional<Result<Artifact>> result);

  const os::ForkGuard guard_;
  std::mutex mutex_;
  // Ordered, not hashed: nobody can choose fingerprints that make it slow.
  std::map<Fingerprint, std::shared_ptr<Flight>> flights_;
};

}  // namespace larder

#endif  // LARDER_CACHE_SINGLE_FLIGHT_H_
