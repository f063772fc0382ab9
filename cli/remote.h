// The remote tiers of the settings.
#ifndef LARDER_CLI_REMOTE_H_
#define LARDER_CLI_REMOTE_H_

#include <memory>
#include <string>
#include <vector>

#include "context.h"
#include "larder/remote.h"

namespace larder::cli {

// A local store with the tiers behind it.
struct Tiered {
  std::shared_ptr<Store> store;
  std::vector<std::shared_ptr<RemoteStore>> tiers;
  std::vector<Error> left_out;  // why others could not be opened: for want of a password, say
};

// For verbs that look for entries or put them. A tier that cannot be opened costs what it has, and
// nothing else; one that is required is an error, but for who has something else to do than to
// fail. Where the settings say that nothing is written, no tier is either.
enum class Unopened { fails_where_required, is_left_out };
Result<Tiered> with_remotes(const Context& context, std::shared_ptr<Store> local,
                            Unopened unopened = Unopened::fails_where_required);

// Where processes tell each other about the tiers; empty for a directory of the reference layout,
// into which no file of ours is put.
std::string state_directory(const Context& context);

// The same of a store that could not be opened: its error.
Result<Tiered> with_remotes(const Context& context, Result<std::shared_ptr<Store>> local);

void warn_of_left_out(const std::vector<Error>& left_out);

// What the tiers had to do with it that an entry was not found; empty: they said that they have
// none.
std::string part_of_tiers(const std::vector<std::shared_ptr<RemoteStore>>& tiers);

// Whether an error is a tier's: a local store's names no URL. It may say that a tier does not
// answer where the tier refused a moment ago, so that the two are one to a caller.
bool is_of_tier(const Context& context, const Error& error);

}  // namespace larder::cli

#endif  // LARDER_CLI_REMOTE_H_
