// Putting a cache together: configuration, the store on disk, memory in front of it.
#include <memory>
#include <string>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "cache/cache_impl.h"
#include "larder/cache.h"
#include "larder/file_system.h"
#include "larder/pack_store.h"
#include "os/log_file.h"
#include "store/directory/claim.h"

namespace larder {
namespace {

using store_directory::Kind;

ConfigSources sources_of(const OpenOptions& options) {
  ConfigSources sources;
  sources.file_system = options.file_system;
  if (options.location) sources.arguments["dir"] = *options.location;
  if (options.max_size_bytes) {
    sources.arguments["max_size"] = std::to_string(*options.max_size_bytes);
  }
  if (options.key_file) sources.arguments["key_file"] = *options.key_file;
  return sources;
}

// Where several are set, the most careful one counts.
Mode configured_mode(const Config& config) {
  if (config.disabled) return Mode::disabled;
  if (config.must_hit) return Mode::must_hit;
  if (config.read_only) return Mode::read_only;
  return config.refresh ? Mode::refresh : Mode::read_write;
}

bool writes_nothing(Mode mode) { return mode != Mode::read_write && mode != Mode::refresh; }

Result<std::shared_ptr<Store>> open_files(const OpenStoreOptions& options, FileLayout layout) {
  return open_file_store({.directory = options.location.directory,
                          .layout = layout,
                          .keys = options.keys,
                          .access = options.access,
                          .create = options.create,
                          .budget = options.budget,
                          .on_evict = options.on_evict,
                          .log = options.log,
                          .file_system = options.file_system});
}

Result<std::shared_ptr<Store>> open_pack(const OpenStoreOptions& options) {
  return open_pack_store({.directory = options.location.directory,
                          .keys = options.keys,
                          .access = options.access,
                          .create = options.create,
                          .budget = options.budget,
                          .on_evict = options.on_evict,
                          .log = options.log,
                          .file_system = options.file_system});
}

// A file store does where mappings do not.
Result<std::shared_ptr<Store>> open_unmarked(const OpenStoreOptions& options) {
  auto pack = open_pack(options);
  if (pack || pack.error().code != Errc::unsupported) return pack;
  if (const Logger log = shielded(options.log)) {
    log(LogLevel::info, "a file store is taken: " + pack.error().message);
  }
  return open_files(options, FileLayout::larder);
}

Result<std::shared_ptr<Store>> open_automatic(const OpenStoreOptions& options) {
  FileSystem& file_system =
      options.file_system == nullptr ? posix_file_system() : *options.file_system;
  const std::string& directory = options.location.directory;
  const auto kind = store_directory::marked_kind(file_system, directory);
  if (kind == Kind::file) return open_files(options, FileLayout::larder);
  if (kind == Kind::pack) return open_pack(options);
  auto store = open_unmarked(options);
  if (store || store.error().code != Errc::wrong_kind) return store;
  // Another process may have made a file store of it just now.
  const bool is_file = store_directory::marked_kind(file_system, directory) == Kind::file;
  return is_file ? open_files(options, FileLayout::larder) : std::move(store);
}

Result<std::shared_ptr<Store>> open_named(const OpenStoreOptions& options) {
  switch (options.location.kind) {
    case StoreKind::pack: return open_pack(options);
    case StoreKind::file: return open_files(options, FileLayout::larder);
    case StoreKind::vyre: return open_files(options, FileLayout::vyre);
    case StoreKind::automatic: break;
  }
  return open_automatic(options);
}

Result<Keys> keys_of(const OpenOptions& options, const Config& config) {
  if (config.key_file.empty()) return Keys();
  return read_key_file(config.key_file, options.file_system);
}

Result<std::shared_ptr<Store>> open_kept(const OpenOptions& options, const Config& config,
                                         const CacheOptions& cache, const Keys& keys) {
  const bool read_only = writes_nothing(cache.mode);
  return open_store({.location = config.location,
                     .access = read_only ? Access::read_only : Access::read_write,
                     .create = options.create,
                     .budget = {.max_bytes = config.max_size_bytes},
                     .keys = keys,
                     .on_evict = options.on_evict,
                     .log = cache.log,
                     .file_system = options.file_system});
}

Result<std::shared_ptr<Store>> with_memory(std::shared_ptr<Store> kept, std::uint64_t memory_bytes,
                                           Mode mode) {
  if (memory_bytes == 0) return kept;
  LARDER_TRY(auto memory, make_memory_store({.capacity_bytes = memory_bytes}));
  const TierWrite write = writes_nothing(mode) ? TierWrite::never : TierWrite::through;
  LayeredStoreOptions layers;
  layers.tiers.push_back({.store = std::move(memory)});
  layers.tiers.push_back({.store = std::move(kept), .write = write});
  return make_layered_store(layers);
}

Result<std::shared_ptr<Store>> with_remotes(std::shared_ptr<Store> kept, const Config& config,
                                            const CacheOptions& cache, const Keys& keys) {
  if (config.remotes.empty()) return kept;
  // A process that writes nothing leaves no word of a tier either; and no file that is foreign to
  // the reference layout is put into a directory of it.
  const bool keeps = !writes_nothing(cache.mode) && config.location.kind != StoreKind::vyre;
  LARDER_TRY(auto tiers,
             open_remotes(config.remotes, {keeps ? config.location.directory : "", keys}));
  for (RemoteTier& tier : tiers) {
    if (writes_nothing(cache.mode)) tier.write = RemoteWrite::off;
  }
  return make_backed_store({.local = std::move(kept),
                            .local_has_keys = !keys.empty(),
                            .tiers = std::move(tiers),
                            .log = cache.log});
}

}  // namespace

Result<std::shared_ptr<Store>> open_store(const OpenStoreOptions& options) {
  return guarded([&]() -> Result<std::shared_ptr<Store>> {
    OpenStoreOptions named = options;
    std::string& directory = named.location.directory;
    if (directory.empty()) {
      LARDER_TRY(directory, default_directory(named.location.kind));
    }
    return open_named(named);
  });
}

Result<Cache> open(const OpenOptions& options) {
  return guarded([&]() -> Result<Cache> {
    CacheOptions cache = options.cache;
    cache.mode = options.mode.value_or(Mode::disabled);
    Config config;
    if (options.mode != Mode::disabled) {
      LARDER_TRY(config, load_config(sources_of(options)));
      cache.mode = options.mode.value_or(configured_mode(config));
    }
    if (!cache.log && !config.log.empty()) {
      LARDER_TRY(cache.log, open_log(config.log));
    }
    if (cache.mode == Mode::disabled) {
      // Nothing is looked up or put, so the smallest store will do; no directory is touched.
      LARDER_TRY(auto unused, make_memory_store({.capacity_bytes = 1, .capacity_entries = 1}));
      return Cache(std::move(unused), std::move(cache));
    }
    LARDER_TRY(const Keys keys, keys_of(options, config));
    LARDER_TRY(auto local, open_kept(options, config, cache, keys));
    LARDER_TRY(auto kept, with_remotes(std::move(local), config, cache, keys));
    LARDER_TRY(auto store, with_memory(kept, options.memory_bytes, cache.mode));
    return Cache(
        std::make_shared<Cache::Impl>(std::move(store), std::move(kept), std::move(cache)));
  });
}

}  // namespace larder
