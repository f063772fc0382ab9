// One question for all threads that ask the same at the same time.
#ifndef LARDER_STORE_REMOTE_IN_FLIGHT_H_
#define LARDER_STORE_REMOTE_IN_FLIGHT_H_

#include <algorithm>
#include <cstdint>
#include <future>
#include <map>
#include <mutex>
#include <thread>
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
    std::uint64_t number = 0;
    {
      const std::scoped_lock lock(mutex_);
      const auto [place, is_first] = flights_.try_emplace(fingerprint);
      if (is_first) {
        number = ++last_number_;
        place->second = {promise.get_future().share(), number, std::this_thread::get_id()};
      } else if (!asks_in_this_thread()) {
        other = place->second.answer;
      }
    }
    if (other.valid()) return other.get();
    Answer answer = ask();
    {
      const std::scoped_lock lock(mutex_);
      const auto place = flights_.find(fingerprint);
      if (place != flights_.end() && place->second.number == number) flights_.erase(place);
    }
    promise.set_value(answer);
    return answer;
  }

  // Who asks from now on gets no answer to a question that was asked before.
  void forget(const Fingerprint& fingerprint) {
    const std::scoped_lock lock(mutex_);
    flights_.erase(fingerprint);
  }

 private:
  // By what it calls to ask, a logger say. It waits for nobody: he may wait for it.
  bool asks_in_this_thread() const {
    return std::ranges::any_of(flights_, [](const auto& flight) {
      return flight.second.asker == std::this_thread::get_id();
    });
  }

  struct Flight {
    std::shared_future<Answer> answer;
    std::uint64_t number = 0;
    std::thread::id asker = {};
  };

  std::mutex mutex_;
  // Ordered, not hashed: nobody can choose fingerprints that make it slow.
  std::map<Fingerprint, Flight> flights_;
  std::uint64_t last_number_ = 0;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_IN_FLIGHT_H_
