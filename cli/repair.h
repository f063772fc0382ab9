// What `verify --repair` does about one damaged entry.
#ifndef LARDER_CLI_REPAIR_H_
#define LARDER_CLI_REPAIR_H_

#include "larder/store.h"

namespace larder::cli {

// Removes the entry when it is damaged; true when no damage is left, whoever saw to that. An entry
// that another process has put in its place since it was inspected stays: a get removes nothing but
// the file that it has read. That leaves what a get does not mind, a damaged recipe; it is
// inspected again right before it is removed.
Result<bool> repair(Store& store, const Fingerprint& fingerprint);

}  // namespace larder::cli

#endif  // LARDER_CLI_REPAIR_H_
