// The policy on top of a store: compile once, count, degrade, never break the caller.
#ifndef LARDER_CACHE_H_
#define LARDER_CACHE_H_

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "larder/artifact.h"
#include "larder/config.h"
#include "larder/error.h"
#include "larder/fingerprint.h"
#include "larder/metrics.h"
#include "larder/recipe.h"
#include "larder/store.h"

namespace larder LARDER_PUBLIC {

enum class Mode {
  read_write,  // look up, compile on a miss, store
  read_only,   // look up, compile on a miss, write nothing; nor keep in memory what was compiled
  must_hit,    // look up; a miss is Errc::must_hit, nothing is compiled or written
  refresh,     // do not look up: compile and replace; each caller for itself, at the same time too
  disabled,    // always compile; no look-up, no write
};

struct CacheOptions {
  Mode mode = Mode::read_write;

  // How long a caller waits for another process or thread that compiles the same thing, before it
  // compiles for itself. An owner that dies is taken over at once.
  std::chrono::milliseconds wait_limit = std::chrono::minutes(10);

  Logger log = {};
};

struct OpenOptions;

// Copies share one cache. Every function may be called by any number of threads at once. The last
// copy adds its counters to the store's statistics; it does not flush. Nothing throws but
// get_or_compile, and there only what `recipe` and `compile` throw, and bad_alloc while the recipe
// is encoded. A forked child may use the cache, and starts with counters at zero.
class Cache {
 public:
  // Throws bad_alloc; open() does not.
  explicit Cache(std::shared_ptr<Store> store, CacheOptions options = {});

  // A verified hit, or the result of `compile(key)`, which runs once among all threads and
  // processes that want it at the same time. `recipe(key)` is found by argument-dependent look-up,
  // and compile receives that same object, so that it cannot quietly read what is not in the
  // fingerprint. A broken store costs time only. Errors: compile's own; must_hit; invalid_argument
  // for a recipe with an empty or repeated field. `compile` may throw: the exception passes through
  // untouched and waiting callers compile for themselves.
  template <class Key, std::invocable<const Key&> Compile>
  Result<Artifact> get_or_compile(const Key& key, Compile&& compile) {
    const Recipe made = recipe(key);
    const Result<Fingerprint> fingerprint = made.fingerprint();
    if (!fingerprint) return std::unexpected(fingerprint.error());
    return get_or_compile(
        *fingerprint, [&]() -> Result<Artifact> { return compile(key); }, made.encode());
  }

  // The same for callers who have a fingerprint already. `recipe` is an encoded recipe or empty.
  Result<Artifact> get_or_compile(const Fingerprint& fingerprint,
                                  const std::function<Result<Artifact>()>& compile,
                                  std::string_view recipe = {});

  // nullopt on every kind of miss: absent, damaged, unreadable; metrics() tells them apart.
  // must_hit in must-hit mode; out_of_memory where a forked child cannot even start.
  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint);

  // As get, for who has to say why there is none: an error of the store's, which was asked once.
  Result<std::optional<Artifact>> look_up(const Fingerprint& fingerprint);

  // As Store::put. read_only in the modes that write nothing.
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options = {});

  Result<bool> remove(const Fingerprint& fingerprint);

  // As Store::flush; also adds the counters to the store's statistics.
  Result<void> flush();

  // This cache's look-ups and compiles; puts, evictions, flushes, bytes and entries of its store,
  // zero where there is no memory to find out.
  Metrics metrics() const;
  Durability durability() const;

  Store& store() const noexcept;
  Mode mode() const noexcept;

 private:
  struct LARDER_PRIVATE Impl;
  friend Result<Cache> open(const OpenOptions& options);
  explicit Cache(std::shared_ptr<Impl> impl) noexcept;

  std::shared_ptr<Impl> impl_;
};

struct OpenOptions {
  std::optional<std::string> location = {};  // as --store takes it; else LARDER_DIR and the rest
  std::optional<Mode> mode = {};  // else from LARDER_DISABLE, _READONLY, _MUST_HIT, _REFRESH
  std::optional<std::uint64_t> max_size_bytes = {};
  std::optional<std::string> key_file = {};  // for read_key_file; else from LARDER_KEY_FILE
  std::uint64_t memory_bytes = 64ull << 20;  // of the memory tier in front; 0: none
  Create create = Create::at_open;
  CacheOptions cache = {};  // its mode is overridden as said above
  EvictionListener on_evict = {};
  FileSystem* file_system = nullptr;  // not owned, must outlive the cache
};

// Memory over a store in the user's cache directory, with the remote tiers behind it that are
// configured (config.h). The only moment the environment may refuse: errors as load_config,
// read_key_file, open_store and open_remotes.
Result<Cache> open(const OpenOptions& options = {});

// The store alone, as --store names it. When the location does not say of which kind it is, the
// marker decides; a directory without one becomes a pack, or, where open_pack_store finds the file
// system `unsupported`, a file store, which the log then tells. Errors as open_pack_store and
// open_file_store.
struct OpenStoreOptions {
  Location location;
  Access access = Access::read_write;
  Create create = Create::at_open;
  Budget budget = {};
  Keys keys = {};
  EvictionListener on_evict = {};
  Logger log = {};
  FileSystem* file_system = nullptr;
};
Result<std::shared_ptr<Store>> open_store(const OpenStoreOptions& options);

}  // namespace larder

#endif  // LARDER_CACHE_H_
