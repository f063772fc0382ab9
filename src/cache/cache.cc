// The public face of a cache, and its counting.
#include "larder/cache.h"

#include <algorithm>
#include <utility>

#include "cache/cache_impl.h"

namespace larder {
namespace {

std::unexpected<Error> writes_nothing() {
  return std::unexpected(
      Error{.code = Errc::read_only,
            .message = "the cache was opened in a mode that writes nothing; open it read-write"});
}

std::unexpected<Error> must_hit(const Fingerprint& fingerprint) {
  return std::unexpected(Error{.code = Errc::must_hit,
                               .message = "no good entry " + fingerprint.hex() +
                                          " in must-hit mode; warm the cache, or leave the mode"});
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

Cache::Impl::Impl(std::shared_ptr<Store> whole, std::shared_ptr<Store> durable,
                  CacheOptions cache_options)
    : store(std::move(whole)),
      kept(std::move(durable)),
      options(std::move(cache_options)),
      added_statistics(metrics()) {}

Cache::Impl::~Impl() {
  try {
    add_statistics();
  } catch (...) {
    // The loss of counters harms nothing; a destructor that throws would end the host.
  }
}

bool Cache::Impl::writes() const noexcept {
  return options.mode == Mode::read_write || options.mode == Mode::refresh;
}

std::optional<Artifact> Cache::Impl::look_up(const Fingerprint& fingerprint) {
  ++counters.lookups;
  if (options.mode == Mode::disabled || options.mode == Mode::refresh) {
    ++counters.skipped;
    return std::nullopt;
  }
  auto found = store->get(fingerprint);
  if (!found) {
    count_failed_look_up(found.error());
    return std::nullopt;
  }
  if (!*found) {
    ++counters.absent;
    return std::nullopt;
  }
  ++counters.hits;
  counters.hit_bytes += (*found)->size();
  return *std::move(found);
}

void Cache::Impl::count_failed_look_up(const Error& error) {
  switch (error.code) {
    case Errc::corrupt: ++counters.corrupt; break;
    case Errc::not_ours:
    case Errc::too_large: ++counters.skipped; break;
    default: ++counters.io_errors; break;
  }
  log_once(error);
}

// A broken disk fails every call in the same way; one line says as much as a million.
void Cache::Impl::log_once(const Error& error) {
  const std::uint64_t bit = 1ull << (static_cast<unsigned>(error.code) % 64);
  if ((logged_codes.fetch_or(bit) & bit) != 0 || !options.log) return;
  options.log(LogLevel::warning, error.message);
}

Metrics Cache::Impl::metrics() const {
  Metrics merged = kept->metrics();
  merged.promotions = store->metrics().promotions;
  counters.write_to(merged);
  return merged;
}

void Cache::Impl::add_statistics() {
  if (!writes()) return;
  const std::lock_guard lock(statistics_mutex);
  const Metrics now = metrics();
  Metrics delta = now.since(added_statistics);
  delta.bytes = 0;  // gauges do not add up
  delta.entries = 0;
  if (delta == Metrics{}) return;
  if (kept->add_statistics(delta)) added_statistics = now;
}

Cache::Cache(std::shared_ptr<Store> store, CacheOptions options) {
  auto kept = store;
  impl_ = std::make_shared<Impl>(std::move(store), std::move(kept), std::move(options));
}

Cache::Cache(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Result<std::optional<Artifact>> Cache::get(const Fingerprint& fingerprint) {
  auto found = impl_->look_up(fingerprint);
  if (!found && impl_->options.mode == Mode::must_hit) return must_hit(fingerprint);
  return found;
}

Result<Artifact> Cache::get_or_compile(const Fingerprint& fingerprint,
                                       const std::function<Result<Artifact>()>& compile,
                                       std::string_view recipe) {
  if (!compile) {
    return std::unexpected(
        Error{.code = Errc::invalid_argument, .message = "no compile function; pass one"});
  }
  if (auto found = impl_->look_up(fingerprint)) return *std::move(found);
  const Mode mode = impl_->options.mode;
  if (mode == Mode::must_hit) return must_hit(fingerprint);
  // Far enough for anybody, and near enough that the addition cannot overflow.
  constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);
  const auto deadline = SingleFlight::Clock::now() + std::min(impl_->options.wait_limit, longest);
  const Impl::Request request{fingerprint, compile, recipe, deadline};
  if (mode == Mode::disabled || mode == Mode::refresh) return impl_->compile_and_put(request);
  return impl_->compile_once(request);
}

Result<void> Cache::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                        const PutOptions& options) {
  if (!impl_->writes()) return writes_nothing();
  return impl_->store->put(fingerprint, payload, options);
}

Result<bool> Cache::remove(const Fingerprint& fingerprint) {
  if (!impl_->writes()) return writes_nothing();
  return impl_->store->remove(fingerprint);
}

Result<void> Cache::flush() {
  auto flushed = impl_->store->flush();
  impl_->add_statistics();
  return flushed;
}

Metrics Cache::metrics() const { return impl_->metrics(); }
Durability Cache::durability() const { return impl_->store->durability(); }
Store& Cache::store() const noexcept { return *impl_->store; }
Mode Cache::mode() const noexcept { return impl_->options.mode; }

}  // namespace larder
