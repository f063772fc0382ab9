// What every verb starts from: the words typed, the settings, and a way to the store.
#ifndef LARDER_CLI_CONTEXT_H_
#define LARDER_CLI_CONTEXT_H_

#include <memory>
#include <optional>

#include "exit_code.h"
#include "larder/cache.h"
#include "larder/config.h"
#include "larder/keys.h"
#include "larder/store.h"
#include "log_sink.h"
#include "options.h"

namespace larder::cli {

struct Context {
  Options options;
  Config config;
  Logger log;
  Keys keys = {};
};

// The settings under the words typed. Errors as load_config and read_key_file; `once` goes on
// without the cache, with a warning, where it is not the words or the variables that are wrong.
Result<Context> make_context(Options options);

Mode mode_of(const Config& config);

// The same settings for a store whose warnings are kept. They must outlive it.
Context listening(const Context& context, Warnings& warnings);

// The configured store, for a verb that writes. Nothing is made before the first put.
Result<std::shared_ptr<Store>> open_for_writing(const Context& context,
                                                EvictionListener on_evict = {});

// The configured store, for a verb that reads. A place that may not be written is read all the
// same.
Result<std::shared_ptr<Store>> open_for_reading(const Context& context);

// For verbs that change the store's entries or counters: the exit code when the settings forbid
// that, with the setting named.
std::optional<ExitCode> refuse_change(const Context& context);

// The same for verbs that put or remove one by one, which a disabled cache does not do either. Said
// before anything is opened: without a home there may be no store.
std::optional<ExitCode> refuse_write(const Context& context);

// Adds the counters of a store that is used without a Cache to those of every process.
void keep_statistics(Store& store);

// As fail; a refusal that names no path gets the store's, and a remedy.
ExitCode fail_in_store(const Context& context, const Error& error);

// The policy on top, in the configured mode.
Cache make_cache(const Context& context, std::shared_ptr<Store> store);

}  // namespace larder::cli

#endif  // LARDER_CLI_CONTEXT_H_
