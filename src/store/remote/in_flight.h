// One question for all threads that ask the same at the same time.
#ifndef LARDER_STORE_REMOTE_IN_FLIGHT_H_
#define LARDER_STORE_REMOTE_IN_FLIGHT_H_

#include <future>
#include <map>
#include <mutex>
#include <utility>

#include "larder/fingerprint.h"

namespace larder {

// Any number of threads. Answers are copied.
template <class Answer>
class InFlight {
 public:
  // What `ask` answers, or what it answered to a thread that asked before and was waiting for it.
  // `ask` does not throw. Throws bad_alloc before it has asked anything.
  template <class Ask>
  Answer share(const Fingerprint& fingerprint, const Ask& ask) {
    std::promise<Answer> promise;
    std::shared_future<Answer> other;
    {
      const std::scoped_lock lock(mutex_);
      const auto [place, is_first] = flights_.try_emplace(fingerprint);
      if (is_first) {
        place->second = promise.get_future().share();
      } else {
        other = place->second;
      }
    }
    if (other.valid()) return other.get();
    Answer answer = ask();
    {
      const std::scoped_lock lock(mutex_);
      flights_.erase(fingerprint);
    }
    promise.set_value(answer);
    return answer;
  }

 private:
  std::mutex mutex_;
  // Ordered, not hashed: nobody can choose fingerprints that make it slow.
  std::map<Fingerprint, std::shared_future<Answer>> flights_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_IN_FLIGHT_H_
