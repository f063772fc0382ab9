#include "store/directory/statistics.h"

#include "base/try.h"

namespace larder::store_directory {

Result<void> add_statistics(const StatisticsPlace& place, const Metrics& delta) {
  // Counting a miss is no reason to make a directory.
  LARDER_TRY(const auto existing, place.directory.reader());
  if (place.directory.read_only() || !existing) {
    place.own.add(delta);
    return {};
  }
  return place.locks.update_statistics(
      [&delta](format::Statistics& statistics) { statistics.counters += delta; });
}

Result<format::Statistics> read_statistics(const StatisticsPlace& place) {
  LARDER_TRY(format::Statistics kept, place.locks.read_statistics());
  kept.counters += place.own.get();
  return kept;
}

Result<void> reset_statistics(const StatisticsPlace& place) {
  place.own.reset();
  LARDER_TRY(const auto existing, place.directory.reader());
  if (!existing) return {};
  return place.locks.update_statistics(
      [](format::Statistics& statistics) { statistics.counters = {}; });
}

}  // namespace larder::store_directory
