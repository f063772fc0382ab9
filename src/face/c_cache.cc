// The cache for C: translates, decides nothing.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/try.h"
#include "face/c_options.h"
#include "face/c_support.h"
#include "larder/cache.h"

struct larder_cache {
  explicit larder_cache(larder::Cache opened) : cache(std::move(opened)) {}

  larder::Cache cache;
};

struct larder_output {
  std::vector<std::byte> bytes;
  std::string message;
};

namespace {

using larder::Artifact;
using larder::Error;
using larder::Result;

// Runs `body` with the cache and the fingerprint, once neither is NULL.
template <class Body>
larder_code with_entry(larder_cache* cache, const larder_fingerprint* fingerprint,
                       larder_error* error, Body&& body) noexcept {
  return larder::guarded(error, [&]() -> Result<larder_code> {
    if (cache == nullptr) return larder::null_argument("cache");
    if (fingerprint == nullptr) return larder::null_argument("fingerprint");
    return body(cache->cache, larder::from_c(*fingerprint));
  });
}

void hand_out(const Artifact& artifact, void** data, size_t* size) {
  *data = larder::copy_for_c(artifact.bytes());
  *size = artifact.size();
}

Result<Artifact> run_compile(larder_compile compile, void* context) {
  const auto output = std::make_shared<larder_output>();
  const int status = compile(context, output.get());
  if (status != 0) {
    std::string message = std::move(output->message);
    if (message.empty()) message = "the compile function returned " + std::to_string(status);
    return std::unexpected(
        Error{.code = larder::Errc::compile_failed, .message = std::move(message)});
  }
  return Artifact(output, output->bytes);
}

}  // namespace

extern "C" {

larder_code larder_open(const larder_options* options, larder_cache** cache,
                        larder_error* error) noexcept {
  return larder::guarded(error, [&]() -> Result<larder_code> {
    if (cache == nullptr) return larder::null_argument("cache");
    LARDER_TRY(const larder::OpenOptions open_options, larder::options_from_c(options));
    LARDER_TRY(larder::Cache opened, larder::open(open_options));
    *cache = std::make_unique<larder_cache>(std::move(opened)).release();
    return LARDER_OK;
  });
}

void larder_close(larder_cache* cache) noexcept { delete cache; }

larder_code larder_get(larder_cache* cache, const larder_fingerprint* fingerprint, void** data,
                       size_t* size, larder_error* error) noexcept {
  return with_entry(
      cache, fingerprint, error,
      [&](larder::Cache& from, const larder::Fingerprint& key) -> Result<larder_code> {
        if (data == nullptr) return larder::null_argument("data");
        if (size == nullptr) return larder::null_argument("size");
        LARDER_TRY(const auto found, from.get(key));
        if (!found) return LARDER_MISS;
        hand_out(*found, data, size);
        return LARDER_OK;
      });
}

larder_code larder_contains(larder_cache* cache, const larder_fingerprint* fingerprint,
                            larder_error* error) noexcept {
  return with_entry(cache, fingerprint, error,
                    [&](larder::Cache& in, const larder::Fingerprint& key) -> Result<larder_code> {
                      LARDER_TRY(const auto found, in.get(key));
                      return found ? LARDER_OK : LARDER_MISS;
                    });
}

larder_code larder_put(larder_cache* cache, const larder_fingerprint* fingerprint, const void* data,
                       size_t size, const void* kept_recipe, size_t kept_recipe_size,
                       larder_error* error) noexcept {
  return with_entry(cache, fingerprint, error,
                    [&](larder::Cache& to, const larder::Fingerprint& key) -> Result<larder_code> {
                      if (larder::missing(data, size)) return larder::null_argument("data");
                      if (larder::missing(kept_recipe, kept_recipe_size)) {
                        return larder::null_argument("kept_recipe");
                      }
                      const larder::PutOptions put_options{
                          .recipe = {static_cast<const char*>(kept_recipe), kept_recipe_size}};
                      LARDER_CHECK_OK(to.put(key, larder::bytes_from_c(data, size), put_options));
                      return LARDER_OK;
                    });
}

larder_code larder_remove(larder_cache* cache, const larder_fingerprint* fingerprint,
                          larder_error* error) noexcept {
  return with_entry(
      cache, fingerprint, error,
      [&](larder::Cache& from, const larder::Fingerprint& key) -> Result<larder_code> {
        LARDER_TRY(const bool removed, from.remove(key));
        return removed ? LARDER_OK : LARDER_MISS;
      });
}

larder_code larder_emit(larder_output* output, const void* data, size_t size) noexcept {
  return larder::guarded(nullptr, [&]() -> Result<larder_code> {
    if (output == nullptr) return larder::null_argument("output");
    if (larder::missing(data, size)) return larder::null_argument("data");
    const auto bytes = larder::bytes_from_c(data, size);
    output->bytes.insert(output->bytes.end(), bytes.begin(), bytes.end());
    return LARDER_OK;
  });
}

larder_code larder_emit_message(larder_output* output, const char* message) noexcept {
  return larder::guarded(nullptr, [&]() -> Result<larder_code> {
    if (output == nullptr) return larder::null_argument("output");
    if (message == nullptr) return larder::null_argument("message");
    output->message = message;
    return LARDER_OK;
  });
}

larder_code larder_get_or_compile(larder_cache* cache, const larder_fingerprint* fingerprint,
                                  const void* kept_recipe, size_t kept_recipe_size,
                                  larder_compile compile, void* context, void** data, size_t* size,
                                  larder_error* error) noexcept {
  return with_entry(
      cache, fingerprint, error,
      [&](larder::Cache& from, const larder::Fingerprint& key) -> Result<larder_code> {
        if (compile == nullptr) return larder::null_argument("compile");
        if (data == nullptr) return larder::null_argument("data");
        if (size == nullptr) return larder::null_argument("size");
        if (larder::missing(kept_recipe, kept_recipe_size)) {
          return larder::null_argument("kept_recipe");
        }
        const std::string_view recipe{static_cast<const char*>(kept_recipe), kept_recipe_size};
        LARDER_TRY(const Artifact artifact,
                   from.get_or_compile(key, [&] { return run_compile(compile, context); }, recipe));
        hand_out(artifact, data, size);
        return LARDER_OK;
      });
}

larder_code larder_flush(larder_cache* cache, larder_fingerprint** lost, size_t* lost_count,
                         larder_error* error) noexcept {
  return larder::guarded(error, [&]() -> Result<larder_code> {
    if (cache == nullptr) return larder::null_argument("cache");
    if ((lost == nullptr) != (lost_count == nullptr)) {
      return larder::null_argument(lost == nullptr ? "lost" : "lost_count");
    }
    const auto flushed = cache->cache.flush();
    if (flushed) return LARDER_OK;
    if (lost != nullptr) {
      const auto& named = flushed.error().fingerprints;
      static_assert(sizeof(larder::Fingerprint) == sizeof(larder_fingerprint));
      *lost = static_cast<larder_fingerprint*>(larder::copy_for_c(std::as_bytes(std::span(named))));
      *lost_count = named.size();
    }
    return std::unexpected(flushed.error());
  });
}

larder_code larder_read_metrics(larder_cache* cache, larder_metrics* metrics,
                                larder_error* error) noexcept {
  return larder::guarded(error, [&]() -> Result<larder_code> {
    if (cache == nullptr) return larder::null_argument("cache");
    if (metrics == nullptr) return larder::null_argument("metrics");
    return larder::metrics_to_c(cache->cache.metrics(), *metrics);
  });
}

}  // extern "C"
