#include "context.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "exit_code.h"
#include "log_sink.h"

namespace larder::cli {
namespace {

Result<std::shared_ptr<Store>> open_with(const Context& context, Access access,
                                         EvictionListener on_evict) {
  return open_store({.location = context.config.location,
                     .access = access,
                     .create = Create::at_first_put,
                     .budget = {.max_bytes = context.config.max_size_bytes},
                     .keys = context.keys,
                     .on_evict = std::move(on_evict),
                     .log = context.log});
}

// Who must hit would rather stop than compile; everybody else compiles without the cache.
Result<Config> without_cache(const Error& cause, Result<Config> bare) {
  if (bare && bare->must_hit) return std::unexpected(cause);
  warn(fmt::format("going on without the cache: {}", cause.message));
  Config config = bare ? *std::move(bare) : Config{};
  config.disabled = true;
  return config;
}

// A broken file, or none to be found for want of a home, must not keep `once` from running COMMAND.
// Wrong words and variables are the caller's to mend: they stay wrong without the files.
Result<Config> settings_of(const Options& options) {
  ConfigSources sources;
  if (options.store) sources.arguments["dir"] = *options.store;
  if (options.key_file) sources.arguments["key_file"] = *options.key_file;
  auto config = load_config(sources);
  if (config || options.verb != "once") return config;
  sources.files = ConfigFiles::ignore;
  auto bare = load_config(sources);
  if (!bare && bare.error().code == Errc::bad_config) return bare;
  return without_cache(config.error(), std::move(bare));
}

// With the setting and where it comes from.
ExitCode refuse_because_of(const Context& context, std::string_view key) {
  const auto setting = std::ranges::find(context.config.settings, key, &Setting::key);
  return fail(exit_refused,
              fmt::format("the settings say that nothing is written: {} is set ({}); unset it", key,
                          setting == context.config.settings.end() ? "" : setting->origin));
}

// A cache that is off needs none. As a broken configuration file, a broken key file must not keep
// `once` from running COMMAND.
Result<Keys> keys_of(const Options& options, Config& config) {
  if (config.disabled || config.key_file.empty()) return Keys();
  auto keys = read_key_file(config.key_file);
  if (keys || options.verb != "once") return keys;
  auto without = without_cache(keys.error(), config);
  if (!without) return std::unexpected(std::move(without).error());
  config = *std::move(without);
  return Keys();
}

}  // namespace

Result<Context> make_context(Options options) {
  auto config = settings_of(options);
  if (!config) return std::unexpected(std::move(config).error());
  auto keys = keys_of(options, *config);
  if (!keys) return std::unexpected(std::move(keys).error());
  Logger log = make_logger(config->log);
  return Context{std::move(options), *std::move(config), std::move(log), *std::move(keys)};
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

Context listening(const Context& context, Warnings& warnings) {
  Context copy = context;
  copy.log = warnings.listen(context.log);
  return copy;
}

std::optional<ExitCode> refuse_change(const Context& context) {
  const Config& config = context.config;
  if (config.must_hit) return refuse_because_of(context, "must_hit");
  if (config.read_only) return refuse_because_of(context, "readonly");
  return std::nullopt;
}

std::optional<ExitCode> refuse_write(const Context& context) {
  if (context.config.disabled) return refuse_because_of(context, "disable");
  return refuse_change(context);
}

void keep_statistics(Store& store) {
  Metrics counted = store.metrics();
  counted.bytes = 0;
  counted.entries = 0;
  const auto added = store.add_statistics(counted);
  if (!added) warn(fmt::format("the counters were not kept: {}", added.error().message));
}

ExitCode fail_in_store(const Context& context, const Error& error) {
  const std::string& directory = context.config.location.directory;
  if (error.message.contains(directory) || error.code != Errc::permission_denied) {
    return fail(error);
  }
  return fail(exit_refused,
              fmt::format("{}: {}; check the owner and mode of it and of what it holds", directory,
                          error.message));
}

Cache make_cache(const Context& context, std::shared_ptr<Store> store) {
  return Cache(std::move(store), {.mode = mode_of(context.config), .log = context.log});
}

}  // namespace larder::cli
