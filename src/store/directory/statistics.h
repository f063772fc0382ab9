// What a store counts over all its processes: in its lock file where that may be written, in this
// process where not.
#ifndef LARDER_STORE_DIRECTORY_STATISTICS_H_
#define LARDER_STORE_DIRECTORY_STATISTICS_H_

#include "store/directory/lock_file.h"
#include "store/directory/store_directory.h"
#include "store/kept_statistics.h"

namespace larder::store_directory {

// All three must outlive the calls. Any number of threads and processes.
struct StatisticsPlace {
  StoreDirectory& directory;
  LockFile& locks;
  KeptStatistics& own;  // of a store that may not write, or is not there yet
};

// Errors: those of the directory and of its lock file.
Result<void> add_statistics(const StatisticsPlace& place, const Metrics& delta);

// With what this process kept.
Result<format::Statistics> read_statistics(const StatisticsPlace& place);

Result<void> reset_statistics(const StatisticsPlace& place);

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_STATISTICS_H_
