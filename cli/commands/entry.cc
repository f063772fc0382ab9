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

// Cache::get gives a value for every kind of miss; its counters say which kind it was.
ExitCode fail_miss(const Cache& cache, const Fingerprint& fingerprint) {
  const Metrics metrics = cache.metrics();
  const std::string hex = fingerprint.hex();
  if (metrics.corrupt != 0) {
    return fail(exit_not_found, fmt::format("the entry {} is damaged; put it again", hex));
  }
  if (metrics.io_errors != 0) {
    return fail(exit_refused,
                fmt::format("{} cannot be read; `larder doctor` looks for the cause", hex));
  }
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

Found find(Cache& cache, const Fingerprint& fingerprint) {
  auto found = cache.get(fingerprint);
  if (!found) return {.artifact = {}, .code = fail_look_up(fingerprint, found.error())};
  if (!*found) return {.artifact = {}, .code = fail_miss(cache, fingerprint)};
  return {.artifact = *std::move(found)};
}

Described describe(Store& store, const Fingerprint& fingerprint) {
  auto details = store.inspect(fingerprint);
  if (!details) return {.details = {}, .code = fail_look_up(fingerprint, details.error())};
  if (!*details) return {.details = {}, .code = fail_absent(fingerprint)};
  return {.details = *std::move(details)};
}

}  // namespace larder::cli
