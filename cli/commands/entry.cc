#include "commands/entry.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "exit_code.h"
#include "remote.h"

namespace larder::cli {
namespace {

std::string_view advice(const Error& error) {
  if (error.message.contains(';')) return "";  // it has one
  switch (error.code) {
    case Errc::corrupt: return "; put it again";
    case Errc::not_ours: return "; move it away";
    default: return "";
  }
}

// Some messages have it in a path.
std::string with_fingerprint(const Fingerprint& fingerprint, const std::string& message) {
  const std::string hex = fingerprint.hex();
  return message.contains(hex) ? message : fmt::format("{}: {}", hex, message);
}

// A cache goes on where its store fails. The store is asked once more, and says why: a tier that is
// silent has a breaker, and costs no time again.
ExitCode fail_to_read(const Context& context, Cache& cache, const Fingerprint& fingerprint) {
  const auto found = cache.store().get(fingerprint);
  if (!found && !context.config.remotes.empty()) {
    return fail(is_silence_of_tier(context, found.error()) ? exit_unreachable : exit_refused,
                with_fingerprint(fingerprint, found.error().message));
  }
  return fail(exit_refused, fmt::format("{} cannot be read; `larder doctor` looks for the cause",
                                        fingerprint.hex()));
}

// Cache::get gives a value for every kind of miss; its counters say which kind it was.
ExitCode fail_miss(const Context& context, Cache& cache, const Fingerprint& fingerprint) {
  const Metrics metrics = cache.metrics();
  const std::string hex = fingerprint.hex();
  if (metrics.corrupt != 0) {
    return fail(exit_not_found, fmt::format("the entry {} is damaged; put it again", hex));
  }
  if (metrics.io_errors != 0) return fail_to_read(context, cache, fingerprint);
  if (metrics.skipped != 0 && cache.mode() != Mode::read_write) {
    return fail(exit_not_found, fmt::format("{} was not looked up: the settings say so; see "
                                            "`larder config`",
                                            hex));
  }
  if (metrics.skipped != 0) {
    return fail(
        exit_not_found,
        fmt::format("what is stored as {} is no entry of ours; `larder inspect` says more", hex));
  }
  return fail_absent(fingerprint);
}

// Reads every entry's head: for the verbs that are asked why.
bool is_of_other_key(Store& store, const Fingerprint& fingerprint) {
  bool is_others = false;
  const auto visited = store.visit([&](const EntryInfo& entry) {
    is_others = entry.other_key && entry.fingerprint == fingerprint;
    return is_others ? Visit::stop : Visit::go_on;
  });
  return visited && is_others;
}

}  // namespace

ExitCode fail_absent(const Fingerprint& fingerprint, std::string_view advice) {
  return fail(exit_not_found, fmt::format("no entry {}; {}", fingerprint.hex(), advice));
}

ExitCode fail_look_up(const Fingerprint& fingerprint, const Error& error) {
  switch (error.code) {
    case Errc::corrupt:
    case Errc::not_ours:
    case Errc::too_large:
      return fail(exit_not_found,
                  with_fingerprint(fingerprint, error.message) + std::string(advice(error)));
    case Errc::must_hit: return fail(exit_not_found, error.message);
    default: return fail(exit_refused, with_fingerprint(fingerprint, error.message));
  }
}

ExitCode fail_look_up(const Context& context, Cache& cache, const Fingerprint& fingerprint,
                      const Error& error) {
  const bool is_unread = error.code == Errc::must_hit && cache.metrics().io_errors != 0;
  return is_unread ? fail_to_read(context, cache, fingerprint) : fail_look_up(fingerprint, error);
}

Found find(const Context& context, Cache& cache, const Fingerprint& fingerprint) {
  auto found = cache.get(fingerprint);
  if (!found) {
    return {.artifact = {}, .code = fail_look_up(context, cache, fingerprint, found.error())};
  }
  if (!*found) return {.artifact = {}, .code = fail_miss(context, cache, fingerprint)};
  return {.artifact = *std::move(found)};
}

Described describe(Store& store, const Fingerprint& fingerprint) {
  auto details = store.inspect(fingerprint);
  if (!details) return {.details = {}, .code = fail_look_up(fingerprint, details.error())};
  if (!*details && is_of_other_key(store, fingerprint)) {
    return {.details = {},
            .code = fail(exit_not_found,
                         fmt::format("the entry {} was made with a key that is not given, or "
                                     "without the one that is; see --key-file",
                                     fingerprint.hex()))};
  }
  if (!*details) return {.details = {}, .code = fail_absent(fingerprint)};
  return {.details = *std::move(details)};
}

}  // namespace larder::cli
