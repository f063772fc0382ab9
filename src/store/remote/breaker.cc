#include "store/remote/breaker.h"

namespace larder {

// Up to an eighth longer, by the clock's last digits, so that machines that lost a server together
// do not come back to it together.
std::int64_t Breaker::after_a_pause(Clock::time_point now) const noexcept {
  const Clock::duration pause = options_.pause;
  const std::int64_t ticks = now.time_since_epoch().count();
  const std::int64_t spread = pause.count() / 8 + 1;
  return ticks + pause.count() + (ticks / 64) % spread;
}

bool Breaker::admit(Clock::time_point now) noexcept {
  std::int64_t until = open_until_.load(std::memory_order_relaxed);
  if (until == 0) return true;
  if (now.time_since_epoch().count() < until) return false;
  return open_until_.compare_exchange_strong(until, after_a_pause(now), std::memory_order_relaxed);
}

void Breaker::succeeded() noexcept {
  failures_.store(0, std::memory_order_relaxed);
  open_until_.store(0, std::memory_order_relaxed);
}

void Breaker::failed(Clock::time_point now) noexcept {
  const std::uint32_t in_a_row = failures_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (!is_open() && in_a_row < options_.failures) return;
  if (open_until_.exchange(after_a_pause(now), std::memory_order_relaxed) == 0) {
    openings_.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace larder
