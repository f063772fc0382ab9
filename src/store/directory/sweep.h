// Leftovers: named temporaries whose writer is gone. Whether he is, his lock on the file tells,
// which the kernel drops with him; no clock and no process number can.
#ifndef LARDER_STORE_DIRECTORY_SWEEP_H_
#define LARDER_STORE_DIRECTORY_SWEEP_H_

#include "larder/store.h"
#include "store/directory/store_directory.h"

namespace larder::store_directory {

// Removes those in the root, if there is one and it may be written. What cannot be removed is told
// to `log`, which may be empty.
void sweep_leftovers(StoreDirectory& directory, const Logger& log);

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_SWEEP_H_
