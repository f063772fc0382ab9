// What the verbs about one entry share.
#ifndef LARDER_CLI_COMMANDS_ENTRY_H_
#define LARDER_CLI_COMMANDS_ENTRY_H_

#include <optional>
#include <string_view>

#include "context.h"
#include "larder/recipe.h"
#include "remote.h"

namespace larder::cli {

// The verified artifact, counted as a look-up; otherwise the exit code, with the reason said.
struct Found {
  std::optional<Artifact> artifact;
  ExitCode code = exit_ok;
};
// What is there is served, though a tier could not be opened, and warned of that.
Found find(const Context& context, Cache& cache, const Tiered& tiered);

// The same for a description, which is not counted.
struct Described {
  std::optional<EntryDetails> details;
  ExitCode code = exit_ok;
};
Described describe(Store& store, const Fingerprint& fingerprint);

// Says why a look-up of a fingerprint failed. Exit code 4 for whatever is no good entry, 1 when the
// system did not let us know, of a cache also 5: a tier that is required did not.
ExitCode fail_look_up(const Fingerprint& fingerprint, const Error& error);
ExitCode fail_look_up(const Context& context, const Fingerprint& fingerprint, const Error& error);
ExitCode fail_absent(const Fingerprint& fingerprint, std::string_view advice = "put it first");

}  // namespace larder::cli

#endif  // LARDER_CLI_COMMANDS_ENTRY_H_
