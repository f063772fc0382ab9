// What is known of how the server is: by this process's breakers, and by the file that all
// processes of a store share.
//
// A process reads the file once, when it first uses the tier, and writes it only when its own
// knowledge changes: it found the server silent, is about to try again, or got an answer. So that a
// server that hangs costs one process of a build its time, not each of them.
#include <algorithm>

#include "base/guarded.h"
#include "os/wall_clock.h"
#include "store/remote/remote_store.h"

namespace larder {
namespace {

std::uint64_t wall_clock() noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(wall_clock_s(), 0));
}

}  // namespace

RemoteStoreImpl::~RemoteStoreImpl() {
  if (!state_.forked()) keep_metrics(state_.get());
}

std::unique_ptr<RemoteStoreImpl::State> RemoteStoreImpl::make_state(
    const MakeTransport& make) const {
  auto state = std::make_unique<State>(options_, make);
  const std::uint64_t until = file_.read().open_until_s;
  const std::uint64_t now = wall_clock();
  if (until <= now) return state;
  const auto left = std::chrono::seconds(std::min<std::uint64_t>(until - now, 24ull * 3600));
  state->breaker.open_for(options_.for_transfers ? std::chrono::seconds(0) : left,
                          Breaker::Clock::now());
  return state;
}

// To the whole second above: what is a moment for us is one for the others too.
void RemoteStoreImpl::ask_others_to_pause() const noexcept {
  const auto pause = std::chrono::ceil<std::chrono::seconds>(options_.breaker.pause);
  file_.set_open_until(wall_clock() + static_cast<std::uint64_t>(pause.count()));
}

bool RemoteStoreImpl::admit(State& now) const noexcept {
  const auto admission = now.breaker.admit(Breaker::Clock::now());
  if (admission == Breaker::Admission::attempt) ask_others_to_pause();
  return admission != Breaker::Admission::no;
}

void RemoteStoreImpl::tell_alive(State& now) const noexcept {
  if (now.breaker.succeeded()) file_.set_open_until(0);
}

void RemoteStoreImpl::tell_silent(State& now) const noexcept {
  if (now.breaker.failed(Breaker::Clock::now())) ask_others_to_pause();
}

// A server that refuses one entry may give all the others, and one that refuses everything is not
// to be asked for ever. So it is asked for an entry that nobody has, in what is left of the time.
void RemoteStoreImpl::tell_refused(State& now, const Attempts& attempts) const noexcept {
  const auto answer = guarded([&] {
    return now.transport->get(name_of(Fingerprint{}), largest_object(), attempts.patience());
  });
  if (!answer && answer.error().code == Errc::out_of_memory) return;
  const bool refuses_all = !answer && !is_of_one_entry(answer.error().code);
  if (refuses_all && !now.transport->is_partly_up()) return tell_silent(now);
  tell_alive(now);
}

// Once in a call. Silence is about the server, a refusal about what it was asked for: who lets us
// read and no more is still read. An answer about one entry is neither, nor is what became of a
// question whose asker has given up before the first attempt was over.
void RemoteStoreImpl::tell_breakers(State& now, const Attempts& attempts, int tries, Errc code,
                                    For purpose) const noexcept {
  if (attempts.given_up(tries) == GivenUp::at_once || code == Errc::out_of_memory) return;
  if (may_pass(code) && !now.transport->is_partly_up()) return tell_silent(now);
  if (is_refusal(code) && purpose == For::reading) return tell_refused(now, attempts);
  if (purpose == For::looking && !may_pass(code)) return;  // the upload tells
  const bool takes_no_writes = is_refusal(code) || code == Errc::unsupported;
  if (purpose == For::writing && takes_no_writes) (void)now.writes.failed(Breaker::Clock::now());
  tell_alive(now);
}

void RemoteStoreImpl::keep_metrics(State& now) const noexcept {
  best_effort([&] {
    const std::scoped_lock lock(now.kept_mutex);
    const RemoteMetrics counted = remote_metrics();
    file_.add(counted.since(now.kept));
    now.kept = counted;
  });
}

RemoteMetrics RemoteStoreImpl::kept_metrics() const {
  return guarded_or({}, [&] {
    State& now = state_.get();
    const std::scoped_lock lock(now.kept_mutex);
    RemoteMetrics sum = file_.read().counters;
    return sum += remote_metrics().since(now.kept);
  });
}

}  // namespace larder
