#include "store/remote/breaker.h"

#include <algorithm>

namespace larder {

// Up to an eighth longer, by the clock's last digits, so that machines that lost a server together
// do not come back to it together.
std::int64_t Breaker::after_a_pause(Clock::time_point now) const noexcept {
  const Clock::duration pause = options_.pause;
  const std::int64_t ticks = now.time_since_epoch().count();
  const std::int64_t spread = pause.count() / 8 + 1;
  return ticks + pause.count() + (ticks / 64) % spread;
}

Breaker::Admission Breaker::admit(Clock::time_point now) noexcept {
  std::int64_t until = open_until_.load(std::memory_order_relaxed);
  if (until == 0) return Admission::yes;
  if (now.time_since_epoch().count() < until) return Admission::no;
  const bool first =
      open_until_.compare_exchange_strong(until, after_a_pause(now), std::memory_order_relaxed);
  return first ? Admission::attempt : Admission::no;
}

bool Breaker::succeeded() noexcept {
  failures_.store(0, std::memory_order_relaxed);
  return is_open() && open_until_.exchange(0, std::memory_order_relaxed) != 0;
}

bool Breaker::failed(Clock::time_point now) noexcept {
  const std::uint32_t in_a_row = failures_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (!is_open() && in_a_row < options_.failures) return false;
  if (open_until_.exchange(after_a_pause(now), std::memory_order_relaxed) == 0) {
    openings_.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

// Never for longer than a pause of our own: the other's clock, or his settings, may be wrong.
void Breaker::open_for(Clock::duration time, Clock::time_point now) noexcept {
  const auto most = now.time_since_epoch() + time;
  const std::int64_t until = std::min<std::int64_t>(most.count(), after_a_pause(now));
  open_until_.store(until, std::memory_order_relaxed);
}

}  // namespace larder
