// put, get, exists, rm, flush.
#include <fmt/format.h>

#include <optional>

#include "commands/commands.h"
#include "commands/entry.h"
#include "file_io.h"
#include "recipe_words.h"
#include "remote.h"

namespace larder::cli {
namespace {

std::optional<ExitCode> refuse_look_up(const Context& context) {
  if (!context.config.disabled) return std::nullopt;
  return fail(exit_not_found, "the cache is disabled, and finds nothing; see `larder config`");
}

Found find_anywhere(const Context& context) {
  if (const auto code = refuse_look_up(context)) return {.artifact = {}, .code = *code};
  const auto tiered = with_remotes(context, open_for_reading(context));
  if (!tiered) return {.artifact = {}, .code = fail(tiered.error())};
  Cache cache = make_cache(context, tiered->store);
  return find(context, cache, *tiered);
}

}  // namespace

// The program ends here, and nobody would call flush later: exit code 0 means durable.
int run_put(const Context& context) {
  if (const auto code = refuse_write(context)) return *code;
  const auto recipe = kept_recipe_of(context.options);
  if (!recipe) return fail(recipe.error());
  const auto tiered = with_remotes(context, open_for_writing(context));
  if (!tiered) return fail(tiered.error());
  warn_of_left_out(tiered->left_out);
  Cache cache = make_cache(context, tiered->store);
  const auto payload = read_payload(context.options.file, max_payload_bytes_larder);
  if (!payload) return fail(payload.error());
  const auto stored = cache.put(context.options.fingerprint, payload->bytes(), {.recipe = *recipe});
  if (!stored) {
    return fail(is_of_tier(context, stored.error()) ? exit_unreachable : exit_refused,
                stored.error().message);
  }
  const auto flushed = cache.flush();
  return flushed ? exit_ok : fail(flushed.error());
}

int run_get(const Context& context) {
  const Found found = find_anywhere(context);
  if (!found.artifact) return found.code;
  const auto bytes = found.artifact->bytes();
  const auto written = context.options.output ? write_output(*context.options.output, bytes)
                                              : write_standard_output(bytes);
  return written ? exit_ok : fail(written.error());
}

int run_exists(const Context& context) { return find_anywhere(context).code; }

// What is no good entry was not there to be removed, so that a damaged one gives 4 as an absent one
// does; but it is gone afterwards.
int run_rm(const Context& context) {
  if (const auto code = refuse_write(context)) return *code;
  auto store = open_for_writing(context);
  if (!store) return fail(store.error());
  Cache cache = make_cache(context, *store);
  const Fingerprint& fingerprint = context.options.fingerprint;
  const auto before = (*store)->inspect(fingerprint);
  const auto removed = cache.remove(fingerprint);
  if (!removed && removed.error().code == Errc::permission_denied) {
    return fail_in_store(context, removed.error());
  }
  if (!removed) return fail_look_up(fingerprint, removed.error());
  if (!*removed) return fail_absent(fingerprint, "there is nothing to remove");
  if (!before) {
    const bool damaged = before.error().code == Errc::corrupt;
    return fail(exit_not_found,
                fmt::format("the entry {} {}; it has been removed", fingerprint.hex(),
                            damaged ? "was damaged" : "could not be read"));
  }
  return exit_ok;
}

int run_flush(const Context& context) {
  auto store = open_for_writing(context);
  if (!store) return fail(store.error());
  Cache cache = make_cache(context, *store);
  const auto flushed = cache.flush();
  return flushed ? exit_ok : fail(flushed.error());
}

}  // namespace larder::cli
