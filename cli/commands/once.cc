// Serve OUT from the cache, or let COMMAND make it, once among all processes that ask. The cache's
// get_or_compile does the hard part; COMMAND is the compiler. Whatever the cache does, a COMMAND
// that ran decides about the exit status.
#include <fmt/format.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "commands/entry.h"
#include "file_io.h"
#include "log_sink.h"
#include "process.h"
#include "recipe_words.h"
#include "remote.h"

namespace larder::cli {
namespace {

// What is known once COMMAND was started, or could not be.
struct Outcome {
  int exit_status = exit_ok;
  std::string message;  // for standard error; empty when COMMAND has spoken for itself
};

class CompileOnce {
 public:
  explicit CompileOnce(const Context& context)
      : command_(context.options.command), out_(*context.options.output) {}

  const std::optional<Outcome>& outcome() const { return outcome_; }

  // An error for the cache is one more way of saying: nothing to store.
  Result<Artifact> operator()() {
    if (const auto removed = remove_old_output(out_); !removed) {
      return nothing({exit_refused, removed.error().message});
    }
    const CommandResult result = run_command(command_);
    if (!result.problem.empty()) return nothing({result.exit_status, result.problem});
    if (result.exit_status != 0) return nothing({result.exit_status, {}});
    return collect();
  }

 private:
  std::unexpected<Error> nothing(Outcome outcome) {
    outcome_ = std::move(outcome);
    return std::unexpected(Error{.code = Errc::compile_failed, .message = outcome_->message});
  }

  Result<Artifact> collect() {
    auto made = read_made_file(out_, max_payload_bytes_larder);
    if (made) {
      outcome_ = Outcome{};
      return made;
    }
    switch (made.error().code) {
      case Errc::absent:
        return nothing({exit_refused, fmt::format("{} succeeded but did not write {}; -o must name "
                                                  "the file that it writes",
                                                  command_[0], out_)});
      case Errc::not_ours:
        return nothing(
            {exit_refused, fmt::format("{} made {}, which is not a regular file; nothing "
                                       "was stored",
                                       command_[0], out_)});
      default:  // OUT is there and as good as COMMAND made it
        warn(fmt::format("{}; nothing was stored", made.error().message));
        return nothing({});
    }
  }

  const std::vector<std::string>& command_;
  const std::string& out_;
  std::optional<Outcome> outcome_;
};

int exit_with(const Outcome& outcome) {
  if (!outcome.message.empty()) fail(exit_refused, outcome.message);
  return outcome.exit_status;
}

int run_without_cache(CompileOnce& compile) {
  const auto made = compile();
  return exit_with(*compile.outcome());
}

// COMMAND ran and OUT is there: what is left can only be warned about.
int store_durably(Cache& cache, Store& store, Warnings& warnings) {
  const bool writes = cache.mode() == Mode::read_write || cache.mode() == Mode::refresh;
  if (!writes) return exit_ok;
  const auto flushed = cache.flush();
  if (!flushed) {
    warn(fmt::format("the result was not stored in {}: {}", store.describe(),
                     flushed.error().message));
    return exit_ok;
  }
  const Metrics metrics = cache.metrics();
  if (metrics.puts + metrics.puts_unchanged == 0) {
    // Why a put failed is told by the log alone: the caller of a cache gets its artifact anyway.
    const auto told = warnings.all();
    warn(fmt::format("the result was not stored in {}: {}", store.describe(),
                     told.empty() ? "the store refused it" : told.back()));
  }
  return exit_ok;
}

// A tier that cannot be opened costs what it has; but who must hit is told of one that is required.
Result<Tiered> with_remotes_or_warning(const Context& context, std::shared_ptr<Store> local) {
  auto tiered = with_remotes(
      context, std::move(local),
      context.config.must_hit ? Unopened::fails_where_required : Unopened::is_left_out);
  if (tiered) warn_of_left_out(tiered->left_out);
  return tiered;
}

Result<Artifact> must_find(Cache& cache, const Fingerprint& fingerprint) {
  auto found = cache.look_up(fingerprint);
  if (!found) return std::unexpected(std::move(found).error());
  return **std::move(found);
}

}  // namespace

int run_once(const Context& context) {
  const auto recipe = kept_recipe_of(context.options);
  if (!recipe) return fail(recipe.error());
  // A hit would have to write there, and COMMAND as well.
  const auto replaceable = check_replaceable(*context.options.output);
  if (!replaceable) return fail(exit_refused, replaceable.error().message);
  CompileOnce compile(context);
  if (context.config.disabled) return run_without_cache(compile);
  auto local = open_for_reading(context);
  auto tiered = local ? with_remotes_or_warning(context, *std::move(local))
                      : Result<Tiered>(std::unexpected(std::move(local).error()));
  if (!tiered) {
    // Who must hit would rather stop than compile.
    if (context.config.must_hit) return fail(tiered.error());
    warn(fmt::format("going on without the cache: {}", tiered.error().message));
    return run_without_cache(compile);
  }

  Warnings warnings;
  Cache cache(tiered->store,
              {.mode = mode_of(context.config), .log = warnings.listen(context.log)});
  const Fingerprint& fingerprint = context.options.fingerprint;
  // Who must hit compiles nothing, and is told why there is none.
  const auto result = context.config.must_hit
                          ? must_find(cache, fingerprint)
                          : cache.get_or_compile(fingerprint, std::ref(compile), *recipe);

  if (compile.outcome()) {  // COMMAND ran here, and made OUT
    return result ? store_durably(cache, *tiered->store, warnings) : exit_with(*compile.outcome());
  }
  if (!result) return fail_look_up(context, fingerprint, result.error());
  const auto written = write_in_place_of(*context.options.output, result->bytes());
  return written ? exit_ok : fail(written.error());
}

}  // namespace larder::cli
