#include "commands/entry.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "exit_code.h"

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

ExitCode fail_to_read(const Context& context, const Fingerprint& fingerprint, const Error& error) {
  if (!context.config.remotes.empty()) {
    return fail(is_of_tier(context, error) ? exit_unreachable : exit_refused,
                with_fingerprint(fingerprint, error.message));
  }
  return fail(exit_refused, fmt::format("{} cannot be read; `larder doctor` looks for the cause",
                                        fingerprint.hex()));
}

ExitCode fail_miss(Cache& cache, const Fingerprint& fingerprint, const Tiered& tiered) {
  if (cache.metrics().skipped == 0) {
    if (!tiered.left_out.empty()) return fail(tiered.left_out.front());
    const std::string part = part_of_tiers(tiered.tiers);
    return part.empty() ? fail_absent(fingerprint) : fail_absent(fingerprint, part);
  }
  return fail(exit_not_found, fmt::format("{} was not looked up: the settings say so; see "
                                          "`larder config`",
                                          fingerprint.hex()));
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

ExitCode fail_look_up(const Context& context, const Fingerprint& fingerprint, const Error& error) {
  switch (error.code) {
    case Errc::corrupt:
      return fail(exit_not_found,
                  fmt::format("the entry {} is damaged; put it again", fingerprint.hex()));
    case Errc::not_ours:
    case Errc::too_large:
      return fail(
          exit_not_found,
          fmt::format("what is stored as {} is no entry of ours; `larder inspect` says more",
                      fingerprint.hex()));
    case Errc::must_hit: return fail(exit_not_found, error.message);
    default: return fail_to_read(context, fingerprint, error);
  }
}

Found find(const Context& context, Cache& cache, const Tiered& tiered) {
  const Fingerprint& fingerprint = context.options.fingerprint;
  auto found = cache.look_up(fingerprint);
  if (!found) return {.artifact = {}, .code = fail_look_up(context, fingerprint, found.error())};
  if (!*found) return {.artifact = {}, .code = fail_miss(cache, fingerprint, tiered)};
  warn_of_left_out(tiered.left_out);
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
