// The public face of a cache, and its counting.
#include "larder/cache.h"

#include <algorithm>
#include <utility>

#include "base/guarded.h"
#include "cache/cache_impl.h"
#include "store/counters.h"

namespace larder {
namespace {

std::unexpected<Error> writes_nothing() {
  return std::unexpected(
      Error{.code = Errc::read_only,
            .message = "the cache is in a mode that writes nothing; open it read-write, and unset "
                       "LARDER_READONLY, LARDER_MUST_HIT and LARDER_DISABLE"});
}

}  // namespace

void CacheCounters::write_to(Metrics& metrics) const noexcept {
  metrics.lookups = lookups;
  metrics.hits = hits;
  metrics.absent = absent;
  metrics.corrupt = corrupt;
  metrics.io_errors = io_errors;
  metrics.skipped = skipped;
  metrics.hit_bytes = hit_bytes;
  metrics.compiles = compiles;
  metrics.compile_failures = compile_failures;
  metrics.compile_waits = compile_waits;
}

namespace {

CacheOptions with_shielded_log(CacheOptions options) {
  options.log = shielded(std::move(options.log));
  return options;
}

}  // namespace

Cache::Impl::Impl(std::shared_ptr<Store> whole, std::shared_ptr<Store> durable,
                  CacheOptions cache_options)
    : store(std::move(whole)),
      kept(std::move(durable)),
      options(with_shielded_log(std::move(cache_options))),
      state_of_process([this] { return std::make_unique<CacheState>(metrics_of_stores()); }) {}

Cache::Impl::~Impl() {
  if (state_of_process.forked()) return;  // the counters are the parent's
  best_effort([this] { add_statistics(); });
}

std::unexpected<Error> Cache::Impl::must_hit(const Fingerprint& fingerprint) {
  return std::unexpected(Error{.code = Errc::must_hit,
                               .message = "no good entry " + fingerprint.hex() +
                                          " in must-hit mode; warm the cache, or leave the mode"});
}

bool Cache::Impl::writes() const noexcept {
  return options.mode == Mode::read_write || options.mode == Mode::refresh;
}

Result<std::optional<Artifact>> Cache::Impl::ask(const Fingerprint& fingerprint) {
  CacheCounters& counters = state().counters;
  ++counters.lookups;
  if (options.mode == Mode::disabled || options.mode == Mode::refresh) {
    ++counters.skipped;
    return std::nullopt;
  }
  auto found = store->get(fingerprint);
  if (!found) {
    count_failed_look_up(fingerprint, found.error());
    return found;
  }
  if (!*found) {
    ++counters.absent;
    return std::nullopt;
  }
  ++counters.hits;
  counters.hit_bytes += (*found)->size();
  return found;
}

std::optional<Artifact> Cache::Impl::look_up(const Fingerprint& fingerprint) {
  auto found = ask(fingerprint);
  return found ? *std::move(found) : std::nullopt;
}

// Whoever reads the log was not there: the store's message may name but the place.
void Cache::Impl::count_failed_look_up(const Fingerprint& fingerprint, Error error) {
  CacheCounters& counters = state().counters;
  switch (error.code) {
    case Errc::corrupt: ++counters.corrupt; break;
    case Errc::not_ours:
    case Errc::too_large: ++counters.skipped; break;
    default: ++counters.io_errors; break;
  }
  if (!options.log) return;
  const std::string hex = fingerprint.hex();
  if (!error.message.contains(hex)) error.message.insert(0, hex + ": ");
  log_once(error);
}

// A broken disk fails every call in the same way; one line says as much as a million.
void Cache::Impl::log_once(const Error& error) {
  const std::uint64_t bit = 1ull << (static_cast<unsigned>(error.code) % 64);
  if ((state().logged_codes.fetch_or(bit) & bit) != 0 || !options.log) return;
  options.log(LogLevel::warning, error.message);
}

// Nothing of a store that fails to tell.
Metrics Cache::Impl::metrics_of_stores() const noexcept {
  Metrics merged = guarded_or({}, [this] { return kept->metrics(); });
  merged.promotions = guarded_or({}, [this] { return store->metrics(); }).promotions;
  CacheCounters().write_to(merged);
  return merged;
}

Metrics Cache::Impl::metrics() const noexcept {
  Metrics merged = metrics_of_stores();
  best_effort([&] { state().counters.write_to(merged); });
  return merged;
}

void Cache::Impl::add_statistics() {
  if (!writes()) return;
  CacheState& now = state();
  const std::lock_guard lock(now.statistics_mutex);
  const Metrics counted = metrics();
  Metrics delta = counted.since(now.added_statistics);
  delta.bytes = 0;  // gauges do not add up
  delta.entries = 0;
  if (delta == Metrics{}) return;
  if (kept->add_statistics(delta)) now.added_statistics = counted;
}

Cache::Cache(std::shared_ptr<Store> store, CacheOptions options) {
  auto kept = store;
  impl_ = std::make_shared<Impl>(std::move(store), std::move(kept), std::move(options));
}

Cache::Cache(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Result<std::optional<Artifact>> Cache::get(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<Artifact>> {
    auto found = impl_->look_up(fingerprint);
    if (!found && impl_->options.mode == Mode::must_hit) return Impl::must_hit(fingerprint);
    return found;
  });
}

Result<std::optional<Artifact>> Cache::look_up(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<Artifact>> {
    auto found = impl_->ask(fingerprint);
    const bool is_miss =
        found ? !*found : lookup_outcome(found.error().code) != &Metrics::io_errors;
    if (is_miss && impl_->options.mode == Mode::must_hit) return Impl::must_hit(fingerprint);
    return found;
  });
}

Result<Artifact> Cache::get_or_compile(const Fingerprint& fingerprint,
                                       const std::function<Result<Artifact>()>& compile,
                                       std::string_view recipe) {
  if (!compile) {
    return guarded([]() -> Result<Artifact> {
      return std::unexpected(
          Error{.code = Errc::invalid_argument, .message = "no compile function; pass one"});
    });
  }
  // Far enough for anybody, and near enough that the addition cannot overflow.
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);
  const auto deadline = SingleFlight::Clock::now() + std::min(impl_->options.wait_limit, longest);
  Impl::Request request{fingerprint, compile, recipe, deadline};
  return impl_->get_or_compile(request);
}

// A store that a forked child uses for itself starts to count there. Each call that changes it
// takes the state first, so that what it counts is counted against the store as it was before.
Result<void> Cache::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                        const PutOptions& options) {
  return guarded([&]() -> Result<void> {
    if (!impl_->writes()) return writes_nothing();
    (void)impl_->state();
    return impl_->store->put(fingerprint, payload, options);
  });
}

Result<bool> Cache::remove(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<bool> {
    if (!impl_->writes()) return writes_nothing();
    (void)impl_->state();
    return impl_->store->remove(fingerprint);
  });
}

Result<void> Cache::flush() {
  return guarded([&]() -> Result<void> {
    (void)impl_->state();
    auto flushed = impl_->store->flush();
    best_effort([&] { impl_->add_statistics(); });
    return flushed;
  });
}

Metrics Cache::metrics() const { return impl_->metrics(); }
Durability Cache::durability() const {
  return guarded_or({}, [this] { return impl_->store->durability(); });
}
Store& Cache::store() const noexcept { return *impl_->store; }
Mode Cache::mode() const noexcept { return impl_->options.mode; }

}  // namespace larder
