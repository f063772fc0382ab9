// Compile once, among threads and among processes.
//
// 1. Threads of one cache: SingleFlight. Followers get the leader's artifact itself, so that a
//    store that refuses the put (a full disk) still costs them nothing.
// 2. Processes: the leader takes the store's lease on the fingerprint, which the kernel releases
//    when its owner dies. There is nobody to wake a waiting process, so it polls: the lease, then
//    the store, with pauses that grow from 1 to 20 ms. An owner's death is noticed in one pause.
// 3. Who gets the lease looks into the store again before it compiles: the lease may be free
//    since another owner has just finished.
// Correctness rests on none of this: puts are atomic, and two compiles of one fingerprint cost time
// only. That makes every way out (no leases here, a wait that lasted too long) safe: compile.
//
// A compile that itself asks for another fingerprint is fine; one that asks for its own is noticed
// when the same thread does it, and compiles. Rings of several threads end at the wait limit.
#include <algorithm>
#include <thread>
#include <utility>

#include "base/guarded.h"
#include "cache/cache_impl.h"

namespace larder {
namespace {

constexpr std::chrono::milliseconds shortest_pause(1);
constexpr std::chrono::milliseconds longest_pause(20);

}  // namespace

// The library's own trouble costs time, and hides nothing that the compile function did.
Result<Artifact> Cache::Impl::get_or_compile(Request& request) {
  try {
    return find_or_compile(request);
  } catch (...) {
    if (request.threw) throw;
  }
  if (options.mode == Mode::must_hit) {
    return guarded([&]() -> Result<Artifact> { return must_hit(request.fingerprint); });
  }
  if (!request.compiled) run(request);
  return *std::move(request.compiled);
}

Result<Artifact> Cache::Impl::find_or_compile(Request& request) {
  if (auto found = look_up(request.fingerprint)) return *std::move(found);
  if (options.mode == Mode::must_hit) return must_hit(request.fingerprint);
  const bool alone = options.mode == Mode::disabled || options.mode == Mode::refresh;
  return alone ? compile_and_put(request) : compile_once(request);
}

Result<Artifact> Cache::Impl::compile_once(Request& request) {
  for (;;) {
    auto ticket = state().flights.join(request.fingerprint);
    if (ticket.role() == SingleFlight::Role::nested) return compile_and_put(request);
    if (ticket.role() == SingleFlight::Role::leader) {
      auto result = lead(request);
      ticket.land(result);
      return result;
    }
    std::optional<Result<Artifact>> result;
    switch (ticket.wait_until(request.deadline, result)) {
      case SingleFlight::Ending::landed:
        ++state().counters.compile_waits;
        return *std::move(result);
      case SingleFlight::Ending::timed_out: return compile_and_put(request);
      case SingleFlight::Ending::abandoned:
        break;  // its compile threw: one of the followers leads now
    }
  }
}

Result<Artifact> Cache::Impl::lead(Request& request) {
  std::optional<Artifact> found;
  std::unique_ptr<Lease> lease;
  // A lease is a lock file: the modes that write nothing do without.
  if (writes()) lease = wait_for_lease(request, found);
  if (!found) found = look_again(request.fingerprint);
  if (found) {
    ++state().counters.compile_waits;
    return *std::move(found);
  }
  return compile_and_put(request);
}

// Null when leases cannot be had, when the wait has lasted too long, or when waiting has `found`
// it.
std::unique_ptr<Lease> Cache::Impl::wait_for_lease(const Request& request,
                                                   std::optional<Artifact>& found) {
  auto pause = shortest_pause;
  for (;;) {
    auto lease = store->try_lease(request.fingerprint);
    if (!lease) {
      log_once(lease.error());
      return nullptr;
    }
    if (*lease != nullptr) return *std::move(lease);
    found = look_again(request.fingerprint);
    if (found || SingleFlight::Clock::now() >= request.deadline) return nullptr;
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, longest_pause);
  }
}

// The caller's look-up is counted already; trouble has shown itself there, or is about to at the
// put.
std::optional<Artifact> Cache::Impl::look_again(const Fingerprint& fingerprint) {
  auto found = store->get(fingerprint);
  return found ? *std::move(found) : std::nullopt;
}

Result<Artifact> Cache::Impl::compile_and_put(Request& request) {
  run(request);
  const Result<Artifact>& compiled = *request.compiled;
  if (compiled && writes()) {
    const PutOptions put_options{.recipe = request.recipe, .cost = request.cost};
    auto stored = store->put(request.fingerprint, compiled->bytes(), put_options);
    if (!stored) log_once(stored.error());
  }
  return compiled;
}

// Counts where there is memory to do so, which a forked child's first use may lack.
void Cache::Impl::run(Request& request) {
  const auto count = [this](CacheCounters::Counter CacheCounters::* counter) {
    best_effort([&] { ++(state().counters.*counter); });
  };
  count(&CacheCounters::compiles);
  const auto began = std::chrono::steady_clock::now();
  try {
    request.compiled = request.compile();
  } catch (...) {
    request.threw = true;
    count(&CacheCounters::compile_failures);
    throw;
  }
  const auto took = std::chrono::steady_clock::now() - began;
  request.cost = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  if (!*request.compiled) count(&CacheCounters::compile_failures);
}

}  // namespace larder
