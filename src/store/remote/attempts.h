// The time of one call of a remote store, and who may try again within it.
#ifndef LARDER_STORE_REMOTE_ATTEMPTS_H_
#define LARDER_STORE_REMOTE_ATTEMPTS_H_

#include <stop_token>
#include <utility>

#include "larder/error.h"
#include "larder/remote.h"
#include "remote/transport.h"

namespace larder {

// Whether the same question may be answered a moment later.
constexpr bool may_pass(Errc code) noexcept {
  return code == Errc::unreachable || code == Errc::timed_out;
}

// Of what was asked for, or of everything.
constexpr bool is_refusal(Errc code) noexcept {
  return code == Errc::permission_denied || code == Errc::io_error;
}

// Whether it says that the server is there and answers.
constexpr bool is_of_one_entry(Errc code) noexcept {
  return !may_pass(code) && !is_refusal(code) && code != Errc::out_of_memory;
}

enum class GivenUp { no, at_once, after_failures };

// Belongs to one call, whatever number of questions it asks the server.
class Attempts {
 public:
  static constexpr int most = 3;  // of one question

  explicit Attempts(const RemoteTimeouts& timeouts, std::stop_token stop = {}) noexcept
      : timeouts_(timeouts),
        end_(remote::Clock::now() + timeouts.request),
        stop_(std::move(stop)) {}

  remote::Patience patience() const noexcept {
    return {
        .deadline = end_, .connect = timeouts_.connect, .silence = timeouts_.data, .stop = stop_};
  }

  // Whether the asker has, after so many tries: of the first one it says nothing about the server.
  GivenUp given_up(int tries) const noexcept {
    if (!stop_.stop_requested()) return GivenUp::no;
    return tries == 1 ? GivenUp::at_once : GivenUp::after_failures;
  }

  // Whether to ask again, what failed `tries` times, the last time so. Pauses before it says yes.
  bool again(const Error& error, int tries) const;

 private:
  const RemoteTimeouts timeouts_;
  const remote::Clock::time_point end_;
  const std::stop_token stop_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_ATTEMPTS_H_
