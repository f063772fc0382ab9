// Everything of a flight is guarded by the one mutex of its SingleFlight: it is taken on misses
// only, each of which is about to cost a compile.
//
// A flight leaves the map in the same critical section that ends it. Who joins later therefore
// leads a new flight, and finds the result in the store.
#include "cache/single_flight.h"

#include <utility>

namespace larder {

SingleFlight::Ticket SingleFlight::join(const Fingerprint& fingerprint) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Flight>& flight = flights_[fingerprint];
  if (flight == nullptr) {
    flight = std::make_shared<Flight>();
    flight->fingerprint = fingerprint;
    flight->leader = std::this_thread::get_id();
    return {*this, Role::leader, flight};
  }
  const bool nested = flight->leader == std::this_thread::get_id();
  return {*this, nested ? Role::nested : Role::follower, flight};
}

void SingleFlight::end(Flight& flight, std::optional<Result<Artifact>> result) {
  if (guard_.forked()) return;
  const std::lock_guard lock(mutex_);
  flight.over = true;
  flight.result = std::move(result);
  flights_.erase(flight.fingerprint);
  flight.over_changed.notify_all();
}

void SingleFlight::Ticket::land(const Result<Artifact>& result) {
  flights_->end(*flight_, result);
  flight_.reset();
}

SingleFlight::Ticket::~Ticket() {
  if (role_ == Role::leader && flight_ != nullptr) flights_->end(*flight_, std::nullopt);
}

SingleFlight::Ending SingleFlight::Ticket::wait_until(Clock::time_point deadline,
                                                      std::optional<Result<Artifact>>& result) {
  std::unique_lock lock(flights_->mutex_);
  const auto over = [&] { return flight_->over; };
  if (!flight_->over_changed.wait_until(lock, deadline, over)) return Ending::timed_out;
  if (!flight_->result) return Ending::abandoned;
  result = flight_->result;
  return Ending::landed;
}

}  // namespace larder
