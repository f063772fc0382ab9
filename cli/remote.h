// The remote tiers of the settings.
#ifndef LARDER_CLI_REMOTE_H_
#define LARDER_CLI_REMOTE_H_

#include <memory>
#include <string>

#include "context.h"
#include "larder/remote.h"

namespace larder::cli {

// `local` with the tiers behind it, for verbs that look for entries or put them. Where the settings
// say that nothing is written, no tier is either.
Result<std::shared_ptr<Store>> with_remotes(const Context& context, std::shared_ptr<Store> local);

// Where processes tell each other about the tiers; empty for a directory of the reference layout,
// into which no file of ours is put.
std::string state_directory(const Context& context);

// The same of a store that could not be opened: its error.
Result<std::shared_ptr<Store>> with_remotes(const Context& context,
                                            Result<std::shared_ptr<Store>> local);

// Whether an error is a tier's: a local store's names no URL. It may say that a tier does not
// answer where the tier refused a moment ago, so that the two are one to a caller.
bool is_of_tier(const Context& context, const Error& error);

}  // namespace larder::cli

#endif  // LARDER_CLI_REMOTE_H_
