// What copies of a Cache share.
#ifndef LARDER_CACHE_CACHE_IMPL_H_
#define LARDER_CACHE_CACHE_IMPL_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

#include "cache/single_flight.h"
#include "larder/cache.h"
#include "os/fork_aware.h"

namespace larder {

// The look-ups and compiles of one cache. The other metrics are those of its store.
struct CacheCounters {
  using Counter = std::atomic<std::uint64_t>;
  Counter lookups = 0, hits = 0, absent = 0, corrupt = 0, io_errors = 0, skipped = 0;
  Counter hit_bytes = 0;
  Counter compiles = 0, compile_failures = 0, compile_waits = 0;

  // Replaces in `metrics` what is counted here.
  void write_to(Metrics& metrics) const noexcept;
};

// What a forked child has anew: the parent adds up its own counters, and a mutex may have been held
// by a thread that the child does not have.
struct CacheState {
  explicit CacheState(const Metrics& of_stores) : added_statistics(of_stores) {}

  CacheCounters counters;
  SingleFlight flights;
  std::atomic<std::uint64_t> logged_codes = 0;  // one bit for each Errc

  std::mutex statistics_mutex;
  Metrics added_statistics;  // guarded by statistics_mutex
};

struct Cache::Impl {
  // `kept` is the store whose puts, evictions and bytes are shown, and which keeps the statistics;
  // with a memory tier in front, the one behind it, so that nothing counts twice.
  Impl(std::shared_ptr<Store> store, std::shared_ptr<Store> kept, CacheOptions options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  using Compile = std::function<Result<Artifact>()>;
  struct Request {
    const Fingerprint& fingerprint;
    const Compile& compile;
    std::string_view recipe;
    SingleFlight::Clock::time_point deadline;
    // What `compile` gave, or that it threw: the library's own trouble must hide neither.
    std::optional<Result<Artifact>> compiled = {};
    std::chrono::milliseconds cost = {};  // of that run
    bool threw = false;
  };

  static std::unexpected<Error> must_hit(const Fingerprint& fingerprint);
  bool writes() const noexcept;  // whether the mode may write

  Result<std::optional<Artifact>> ask(const Fingerprint& fingerprint);  // counted
  std::optional<Artifact> look_up(const Fingerprint& fingerprint);  // the same; every error a miss
  std::optional<Artifact> look_again(const Fingerprint& fingerprint);  // not counted

  Result<Artifact> get_or_compile(Request& request);
  Result<Artifact> find_or_compile(Request& request);
  Result<Artifact> compile_once(Request& request);
  Result<Artifact> lead(Request& request);
  std::unique_ptr<Lease> wait_for_lease(const Request& request, std::optional<Artifact>& found);
  Result<Artifact> compile_and_put(Request& request);
  void run(Request& request);

  void count_failed_look_up(const Fingerprint& fingerprint, Error error);
  void log_once(const Error& error);

  Metrics metrics_of_stores() const noexcept;
  Metrics metrics() const noexcept;
  void add_statistics();
  CacheState& state() const { return state_of_process.get(); }

  const std::shared_ptr<Store> store;
  const std::shared_ptr<Store> kept;
  const CacheOptions options;
  const os::ForkAware<CacheState> state_of_process;
};

}  // namespace larder

#endif  // LARDER_CACHE_CACHE_IMPL_H_
