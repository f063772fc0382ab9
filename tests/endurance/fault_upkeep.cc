// A pack in which others have left something to do: segments without a proof, without trust, or in
// their hands.
#include "tests/endurance/fault_workloads.h"

namespace larder {
namespace {

void get_all(FaultWorld& world, int until) {
  for (int entry = 1; entry <= until; ++entry) world.get(entry);
}

// A full segment, a file of an artifact, and the segment after that, of a process that is gone.
void abandoned(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  world.put(1, own_file);
  for (int entry = 2; entry <= 6; ++entry) world.put(entry, quarter_segment);
  world.close_as_killed();
  world.open();
}

// It is written anew, into another one.
void distrusted(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put(entry, "payload " + std::to_string(entry));
  world.flush();
  world.close();
  world.put_by_another(4, "keeps it open");
  world.open();
  world.distrust(0);
}

// Of which one was read, in a segment that somebody else writes.
void old_at_anothers(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put_by_another(entry, "another's payload");
  world.get(1);
  world.clock.later_s = 1'000;
}

// What has replaced an entry is another's, a file among it, and no flush has reached it.
void replaced_by_another(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put(entry, quarter_segment);
  world.flush();
  world.put_by_another(1, "another's payload");
  world.put_by_another(2, own_file);
}

// One too many, in two segments, of which the first is about to be hollow.
void full_of_entries(FaultWorld& world) {
  world.options.budget = {.max_bytes = 64u << 20, .max_entries = 6};
  world.open();
  for (int entry = 1; entry <= 6; ++entry) world.put(entry, quarter_segment);
  world.flush();
  world.get(2);
}

// An artifact with a file of its own was put, replaced and put again: the first record of it is
// dead, and nobody knows whether the index leads to all that lives.
void put_again(FaultWorld& world) {
  world.options.budget = {.max_bytes = 3u << 20};
  world.open();
  world.put(1, own_file);
  world.put(2, "to be damaged");
  world.put(1, "between");
  for (int entry = 3; entry <= 6; ++entry) world.put(entry, quarter_segment);
  world.put(1, own_file);
  world.flush();
  world.damage(2);
  world.get(2);
}

}  // namespace

std::vector<Workload> upkeep_workloads() {
  return {
      {"MaintainAbandoned", abandoned,
       [](FaultWorld& world) {
         world.maintain();
         get_all(world, 6);
       }},
      {"MaintainDistrusted", distrusted,
       [](FaultWorld& world) {
         world.maintain();
         get_all(world, 4);
       }},
      {"PruneBesideAged", old_at_anothers,
       [](FaultWorld& world) {
         world.prune({.max_age_s = 500});
         get_all(world, 3);
       }},
      {"PruneBesideReplaced", replaced_by_another,
       [](FaultWorld& world) {
         world.prune({.max_bytes = 1u << 20});
         get_all(world, 3);
       }},
      {"PutEvictsPutAgain", put_again,
       [](FaultWorld& world) {
         for (int entry = 7; entry <= 11; ++entry) world.put(entry, quarter_segment);
         world.get(1);
       }},
      {"PutEvictsEntries", full_of_entries,
       [](FaultWorld& world) {
         for (int entry = 7; entry <= 10; ++entry) world.put(entry, "one more");
         world.maintain();
         get_all(world, 10);
       }},
  };
}

}  // namespace larder
