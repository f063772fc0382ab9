#include "tests/endurance/fault_workloads.h"

#include <cerrno>

#include "tests/unit/keyed_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Repeat;

void nothing(FaultWorld&) {}

void three_durable(FaultWorld& world) {
  world.open();
  for (int entry = 1; entry <= 3; ++entry) world.put(entry, "payload " + std::to_string(entry));
  world.flush();
}

void three_on_disk(FaultWorld& world) {
  three_durable(world);
  world.close();
}

void one_damaged(FaultWorld& world) {
  three_durable(world);
  world.damage(1);
}

const std::string large(200'000, 'x');  // large enough for space to be reserved

const std::vector<Workload> common = {
    {"OpenNew", nothing, [](FaultWorld& world) { world.open(); }},
    {"OpenNewPutFlush", nothing,
     [](FaultWorld& world) {
       world.open();
       world.put(1, "one");
       world.flush();
     }},
    {"OpenAtFirstPut", [](FaultWorld& world) { world.options.create = Create::at_first_put; },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
       world.put(1, "one");
       world.flush();
     }},
    {"OpenExisting", three_on_disk,
     [](FaultWorld& world) {
       world.open();
       world.get(1);
     }},
    {"OpenReadOnly",
     [](FaultWorld& world) {
       three_on_disk(world);
       world.options.access = Access::read_only;
     },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
       world.put(2, "refused");
     }},
    {"Sweep",
     [](FaultWorld& world) {
       three_on_disk(world);
       world.leave_temporary();
     },
     [](FaultWorld& world) { world.open(); }},
    {"Put", three_durable, [](FaultWorld& world) { world.put(4, "four"); }},
    {"PutLarge", three_durable, [](FaultWorld& world) { world.put(4, large); }},
    {"PutWithoutAnonymousFiles",
     [](FaultWorld& world) {
       three_durable(world);
       world.faults.inject(
           {.only = Op::create_anonymous, .repeat = Repeat::for_ever, .os_error = EOPNOTSUPP});
     },
     [](FaultWorld& world) {
       world.put(4, "four");
       world.put(1, "another");
     }},
    {"PutSame", three_durable, [](FaultWorld& world) { world.put(1, "payload 1"); }},
    {"PutDifferent", three_durable, [](FaultWorld& world) { world.put(1, "another"); }},
    {"PutOverDamaged", one_damaged, [](FaultWorld& world) { world.put(1, "payload 1"); }},
    {"GetHitAndMiss", three_durable,
     [](FaultWorld& world) {
       world.get(1);
       world.get(9);
     }},
    {"GetRenews",
     [](FaultWorld& world) {
       world.options.stamp_interval_s = 0;
       three_durable(world);
     },
     [](FaultWorld& world) { world.get(1); }},
    {"GetDamaged", one_damaged,
     [](FaultWorld& world) {
       world.get(1);
       world.get(2);
     }},
    {"Remove", three_durable,
     [](FaultWorld& world) {
       world.remove(1);
       world.remove(9);
       world.get(1);
     }},
    {"FlushSeveral", three_durable,
     [](FaultWorld& world) {
       for (int entry = 4; entry <= 9; ++entry) world.put(entry, "more");
       world.flush();
       world.flush();
     }},
    {"FlushAfterReplace", three_durable,
     [](FaultWorld& world) {
       world.put(1, "another");
       world.put(2, "payload 2");
       world.flush();
       world.get(1);
     }},
    {"Lease", three_durable, [](FaultWorld& world) { world.lease(1); }},
    {"Statistics", three_durable, [](FaultWorld& world) { world.keep_statistics(); }},
    {"LookAround", three_durable, [](FaultWorld& world) { world.look_around(1); }},
};

const std::vector<Workload> evicting = {
    {"Prune", three_durable,
     [](FaultWorld& world) {
       world.prune({.max_entries = 1}, DryRun::yes);
       world.prune({.max_entries = 1, .min_free_bytes = 1});
     }},
    {"Clear", three_durable, [](FaultWorld& world) { world.clear(); }},
    {"PutEvicts",
     [](FaultWorld& world) {
       world.options.budget = {.max_bytes = 1u << 30, .max_entries = 3, .min_free_bytes = 1};
       three_durable(world);
     },
     [](FaultWorld& world) { world.put(4, "four"); }},
};

void four_quarters(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  for (int entry = 1; entry <= 4; ++entry) world.put(entry, quarter_segment);
}

void one_own_file(FaultWorld& world) {
  world.options.budget = small_segments;
  world.open();
  world.put(1, own_file);
  world.flush();
}

// Two segments, of which the older has to leave when something is put: what was read in it stays.
void full_budget(FaultWorld& world) {
  world.options.budget = {.max_bytes = 2u << 20};
  world.open();
  world.put(1, quarter_segment);
  world.put(2, quarter_segment);
  world.fill(5, quarter_segment);
  world.put(8, quarter_segment);
  world.flush();
  world.get(2);
}

// One short of the number that makes an index grow.
void crowded_index(FaultWorld& world) {
  three_durable(world);
  world.fill(2726);
}

void killed(FaultWorld& world) {
  three_durable(world);
  world.put(4, "not flushed");
  world.close_as_killed();
}

// What is dead in a segment is more than what lives in it.
void replaced_and_removed(FaultWorld& world) {
  world.options.budget = small_segments;
  three_durable(world);
  world.put(1, quarter_segment);
  world.put(1, "another");
  world.remove(3);
  world.flush();
  world.close();
  world.open();
}

const std::vector<Workload> pack = {
    {"OpenUnclean", killed,
     [](FaultWorld& world) {
       world.open();
       world.get(1);
       world.get(4);
     }},
    {"OpenUncleanReadOnly",
     [](FaultWorld& world) {
       killed(world);
       world.options.access = Access::read_only;
     },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
       world.get(4);
     }},
    {"OpenUncleanOwnFile",
     [](FaultWorld& world) {
       one_own_file(world);
       world.close_as_killed();
     },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
     }},
    {"OpenWithoutIndex",
     [](FaultWorld& world) {
       three_on_disk(world);
       world.lose_index();
     },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
     }},
    {"GetInto", three_durable,
     [](FaultWorld& world) {
       world.get_into(1);
       world.get_into(9);
     }},
    {"GetMany", three_durable, [](FaultWorld& world) { world.get_many({3, 9, 1}); }},
    {"GetManyDamaged", one_damaged, [](FaultWorld& world) { world.get_many({3, 1}); }},
    {"View", three_durable,
     [](FaultWorld& world) {
       world.view(1);
       world.view(9);
     }},
    {"ViewDamaged", one_damaged, [](FaultWorld& world) { world.view(1); }},
    {"PutAdopts",
     [](FaultWorld& world) {
       three_on_disk(world);
       world.open();
     },
     [](FaultWorld& world) {
       world.put(4, "four");
       world.flush();
     }},
    {"PutSeals", four_quarters,
     [](FaultWorld& world) {
       world.put(5, quarter_segment);
       world.get(1);
     }},
    {"FlushSealed",
     [](FaultWorld& world) {
       four_quarters(world);
       world.put(5, quarter_segment);
     },
     [](FaultWorld& world) { world.flush(); }},
    {"SealAdopted",
     [](FaultWorld& world) {
       four_quarters(world);
       world.close();
       world.open();
       world.put(6, "six");
     },
     [](FaultWorld& world) { world.put(5, quarter_segment); }},
    {"PutGrows", crowded_index,
     [](FaultWorld& world) {
       for (int entry = 4; entry <= 6; ++entry) world.put(entry, "growing");
       world.flush();
     }},
    {"PutOwnFile",
     [](FaultWorld& world) {
       world.options.budget = small_segments;
       three_durable(world);
     },
     [](FaultWorld& world) {
       world.put(4, own_file);
       world.flush();
     }},
    {"GetOwnFile", one_own_file,
     [](FaultWorld& world) {
       world.get(1);
       world.view(1);
     }},
    {"OpenGetOwnFile",
     [](FaultWorld& world) {
       one_own_file(world);
       world.close();
     },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
     }},
    {"ReplaceOwnFile", one_own_file,
     [](FaultWorld& world) {
       world.put(1, own_file + "2");
       world.flush();
       world.get(1);
     }},
    {"RemoveOwnFile", one_own_file, [](FaultWorld& world) { world.remove(1); }},
    {"PutEvictsSegment", full_budget,
     [](FaultWorld& world) {
       for (int entry = 9; entry <= 11; ++entry) world.put(entry, quarter_segment);
       world.get(2);
     }},
    {"EvictByPrune", full_budget, [](FaultWorld& world) { world.prune({.max_bytes = 1u << 20}); }},
    {"PutOfAnother",
     [](FaultWorld& world) {
       three_durable(world);
       world.put_by_another(4, "four");
     },
     [](FaultWorld& world) {
       world.put(4, "four");
       world.flush();
     }},
    {"FollowGrowth",
     [](FaultWorld& world) {
       three_durable(world);
       world.put_by_another(4, "four");
       world.fill_by_another(2800);
     },
     [](FaultWorld& world) {
       world.get(1);
       world.get(4);
       world.put(5, "five");
     }},
    {"PutSameOwnFile", one_own_file,
     [](FaultWorld& world) {
       world.put(1, own_file);
       world.flush();
       world.get(1);
     }},
    {"Maintain", replaced_and_removed,
     [](FaultWorld& world) {
       world.maintain();
       world.flush();
       world.get(2);
     }},
    {"Close",
     [](FaultWorld& world) {
       three_durable(world);
       world.put(4, "four");
     },
     [](FaultWorld& world) {
       world.flush();
       world.close();
       world.open();
       world.get(4);
     }},
    {"CloseUnflushed", three_durable,
     [](FaultWorld& world) {
       world.put(4, "four");
       world.close();
       world.open();
       world.get(4);
     }},
};

void with_a_key(FaultWorld& world) { world.options.keys = keys_of({1}); }

void three_beside_stranger(FaultWorld& world) {
  with_a_key(world);
  three_durable(world);
  world.put_by_stranger(4, "a stranger's");
}

// The key that these are written with is the older one afterwards.
void three_of_older_key(FaultWorld& world) {
  with_a_key(world);
  three_on_disk(world);
  world.options.keys = keys_of({3, 1});
  world.open();
}

const std::vector<Workload> keyed = {
    {"PutBesideStranger", three_beside_stranger,
     [](FaultWorld& world) {
       world.put(1, "another");
       world.put(4, "ours");
       world.flush();
       world.get(4);
     }},
    {"GetBesideStranger", three_beside_stranger,
     [](FaultWorld& world) {
       world.get(1);
       world.get(4);
       world.look_around(4);
     }},
    {"RemoveBesideStranger", three_beside_stranger,
     [](FaultWorld& world) {
       world.remove(1);
       world.remove(4);
       world.get(4);
     }},
    {"PutRotated", three_of_older_key,
     [](FaultWorld& world) {
       world.put(1, "payload 1");
       world.put(2, "another");
       world.remove(3);
       world.flush();
       world.get(1);
     }},
};

// One fingerprint has small entries, another one large ones, of two keys.
void twins(FaultWorld& world) {
  with_a_key(world);
  world.options.budget = small_segments;
  three_durable(world);
  world.put(4, own_file);
  world.flush();
  world.put_by_stranger(1, "a stranger's");
  world.put_by_stranger(4, own_file + "a stranger's");
}

void full_budget_of_two_keys(FaultWorld& world) {
  with_a_key(world);
  world.put_by_stranger(1, quarter_segment);
  full_budget(world);
}

const std::vector<Workload> keyed_pack = {
    {"OpenUncleanOfTwoKeys",
     [](FaultWorld& world) {
       twins(world);
       world.remove(2);
       world.close_as_killed();
     },
     [](FaultWorld& world) {
       world.open();
       world.get(1);
       world.get(2);
     }},
    {"PutOwnFileBesideStranger", twins,
     [](FaultWorld& world) {
       world.put(4, own_file + "2");
       world.flush();
       world.get(4);
     }},
    {"RemoveOwnFileBesideStranger", twins, [](FaultWorld& world) { world.remove(4); }},
    {"PruneBesideStranger", twins,
     [](FaultWorld& world) {
       world.prune({.max_entries = 2});
       world.flush();
     }},
    {"PutEvictsSegmentOfTwoKeys", full_budget_of_two_keys,
     [](FaultWorld& world) {
       for (int entry = 9; entry <= 11; ++entry) world.put(entry, quarter_segment);
     }},
    {"MaintainBesideStranger",
     [](FaultWorld& world) {
       with_a_key(world);
       world.put_by_stranger(1, "a stranger's");
       replaced_and_removed(world);
     },
     [](FaultWorld& world) {
       world.maintain();
       world.flush();
     }},
};

std::vector<Workload> joined(std::vector<Workload> first, const std::vector<Workload>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

std::vector<Workload> workloads_of(StoreKind kind) {
  const std::vector<Workload> all = joined(common, evicting);
  switch (kind) {
    case StoreKind::vyre: return all;  // which has no room for a key
    case StoreKind::larder: return joined(all, keyed);
    case StoreKind::pack: break;
  }
  const auto of_upkeep = joined(mending_workloads(), upkeep_workloads());
  return joined(joined(joined(joined(all, keyed), pack), of_upkeep), keyed_pack);
}

std::vector<Case> every_case() {
  std::vector<Case> cases;
  for (const StoreKind kind : {StoreKind::larder, StoreKind::vyre, StoreKind::pack}) {
    for (Workload& workload : workloads_of(kind)) cases.push_back({kind, std::move(workload)});
  }
  return cases;
}

std::string name_of(const Case& tested) {
  return tested.workload.name + std::string(kind_name(tested.kind));
}

void PrintTo(const Case& tested, std::ostream* to) { *to << name_of(tested); }

}  // namespace larder
