// A pack that lacks something: entries that its index does not lead to, segments, files, and what
// stands in both but cannot be read.
#include "tests/endurance/fault_workloads.h"

namespace larder {
namespace {

void three_durable(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put(entry, "payload " + std::to_string(entry));
  world.flush();
}

// All of them are in the segments, and the index leads to none.
void hidden(FaultWorld& world) {
  three_durable(world);
  world.put(4, own_file);
  world.flush();
  world.close();
  world.empty_index();
  world.open();
}

// In a segment that another process writes.
void hidden_at_anothers(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put_by_another(entry, "another's payload");
  world.flush();
  world.close();
  world.empty_index();
  world.open();
}

// In a segment that another process writes, and led to.
void anothers_three(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  world.put(4, "four");
  for (int entry = 1; entry <= 3; ++entry) world.put_by_another(entry, "another's payload");
  world.flush();
}

// The file of what was removed stays, since it cannot be unlinked just now.
void file_unused(FaultWorld& world) {
  three_durable(world);
  world.put(4, own_file);
  world.flush();
  world.faults.inject({.only = testing::Op::remove_file, .path_contains = "/large"});
  world.remove(4);
  world.faults.clear_faults();
}

// A segment that another process has written, and a file.
void some_lost(FaultWorld& world) {
  three_durable(world);
  world.put(4, own_file);
  world.put_by_another(5, "another's payload");
  world.flush();
  world.lose(4, own_file);
  world.lose(5, "another's payload");
}

// A segment of removals, of what stands in one that another process writes.
void removals_alone(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put_by_another(entry, "another's payload");
  for (int entry = 1; entry <= 3; ++entry) world.remove(entry);
  world.flush();
  world.close();
  world.open();
}

}  // namespace

std::vector<Workload> mending_workloads() {
  return {
      {"Repair",
       [](FaultWorld& world) {
         three_durable(world);
         world.damage_name(1);
       },
       [](FaultWorld& world) {
         world.repair();
         world.get(2);
       }},
      {"MendHidden", hidden,
       [](FaultWorld& world) {
         world.repair();
         for (int entry = 1; entry <= 4; ++entry) world.get(entry);
       }},
      {"ClearHidden", hidden_at_anothers,
       [](FaultWorld& world) {
         world.clear();
         for (int entry = 1; entry <= 3; ++entry) world.get(entry);
       }},
      {"ClearBesideAnother", anothers_three,
       [](FaultWorld& world) {
         world.clear();
         for (int entry = 1; entry <= 4; ++entry) world.get(entry);
       }},
      {"MaintainTwice", hidden_at_anothers,
       [](FaultWorld& world) {
         world.maintain();
         world.maintain();
         for (int entry = 1; entry <= 3; ++entry) world.get(entry);
       }},
      {"MaintainUnused", file_unused, [](FaultWorld& world) { world.maintain(); }},
      {"HealByPrune", hidden,
       [](FaultWorld& world) {
         world.prune(small_segments);
         for (int entry = 1; entry <= 4; ++entry) world.get(entry);
       }},
      {"HealByUpkeep", hidden,
       [](FaultWorld& world) {
         world.maintain();
         for (int entry = 1; entry <= 4; ++entry) world.get(entry);
       }},
      {"MendLost", some_lost,
       [](FaultWorld& world) {
         world.repair();
         for (int entry = 1; entry <= 5; ++entry) world.get(entry);
       }},
      {"MaintainRemovals", removals_alone,
       [](FaultWorld& world) {
         world.maintain();
         for (int entry = 1; entry <= 3; ++entry) world.get(entry);
       }},
  };
}

}  // namespace larder
