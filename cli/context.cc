#include "context.h"

#include <utility>

#include "log_sink.h"

namespace larder::cli {
namespace {

Result<std::shared_ptr<Store>> open_with(const Context& context, Access access,
                                         EvictionListener on_evict) {
  return open_store({.location = context.config.location,
                     .access = access,
                     .create = Create::at_first_put,
                     .budget = {.max_bytes = context.config.max_size_bytes},
                     .on_evict = std::move(on_evict),
                     .log = context.log});
}

}  // namespace

Result<Context> make_context(Options options) {
  ConfigSources sources;
  if (options.store) sources.arguments["dir"] = *options.store;
  auto config = load_config(sources);
  if (!config) return std::unexpected(std::move(config).error());
  Logger log = make_logger(config->log);
  return Context{std::move(options), *std::move(config), std::move(log)};
}

// The most careful one of those that are set.
Mode mode_of(const Config& config) {
  if (config.disabled) return Mode::disabled;
  if (config.must_hit) return Mode::must_hit;
  if (config.read_only) return Mode::read_only;
  if (config.refresh) return Mode::refresh;
  return Mode::read_write;
}

Result<std::shared_ptr<Store>> open_for_writing(const Context& context, EvictionListener on_evict) {
  const bool writes_nothing = context.config.read_only || context.config.must_hit;
  const Access access = writes_nothing ? Access::read_only : Access::read_write;
  return open_with(context, access, std::move(on_evict));
}

Result<std::shared_ptr<Store>> open_for_reading(const Context& context) {
  auto store = open_for_writing(context);
  if (store) return store;
  const Errc code = store.error().code;
  if (code != Errc::read_only && code != Errc::permission_denied) return store;
  auto read_only = open_with(context, Access::read_only, {});
  return read_only ? std::move(read_only) : std::move(store);
}

Cache make_cache(const Context& context, std::shared_ptr<Store> store) {
  return Cache(std::move(store), {.mode = mode_of(context.config), .log = context.log});
}

}  // namespace larder::cli
