// The guard of the whole library, under the name that the file store knows.
#ifndef LARDER_STORE_FILE_GUARDED_H_
#define LARDER_STORE_FILE_GUARDED_H_

#include "base/guarded.h"

namespace larder::file_store {

using larder::guarded;

}  // namespace larder::file_store

#endif  // LARDER_STORE_FILE_GUARDED_H_
