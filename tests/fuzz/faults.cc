// Sequences of calls to a store on disk, some of whose system calls fail, held against what may
// then be (model.h): a call that met a fault may say so, and nothing else may go wrong; what was
// not synced when a sync failed may be gone. Afterwards both stores work, as they are and opened
// anew.
//
//   byte: which store (calls.h); then calls: a byte (bit 7 = the second store, the rest: which),
//   and what each one takes. Those of 100 and above arm a fault for what comes next: which
//   operation, the how manieth of them, with what effect and errno, and for how many calls.
#include "tests/fuzz/calls.h"

namespace larder::fuzz {
namespace {

testing::Fault fault_of(Input& input) {
  using testing::Effect;
  // A read that ends early is what a file is that was cut off: damage, and no failure.
  constexpr Effect effects[] = {Effect::refuse, Effect::refuse, Effect::refuse_after, Effect::tear};
  const auto op = static_cast<testing::Op>(input.byte() % testing::op_count);
  const std::uint8_t how = input.byte();
  const auto errors = testing::possible_errors(op);
  testing::Fault fault{.only = op, .at = 1u + (how & 7u)};
  fault.repeat = (how & 8) != 0 ? testing::Repeat::for_ever : testing::Repeat::once;
  fault.effect = effects[(how >> 4) % std::size(effects)];
  // A lock that could not be given back would be held until its file is closed, by nobody's fault.
  if (op == testing::Op::unlock) fault.effect = Effect::refuse_after;
  // Nor is one given back that was taken though it is said that it was not; and what was removed so
  // is in no list of what was evicted.
  const bool is_lost_reply = op == testing::Op::try_lock || op == testing::Op::remove_file;
  if (is_lost_reply) fault.effect = Effect::refuse;
  fault.os_error = errors[input.byte() % errors.size()];
  return fault;
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  StoreChoice choice = choice_of(input.byte());
  choice.has_faults = true;
  StoreWorld world(choice);
  for (std::size_t i = 0; i < most_calls && !input.at_end(); ++i) {
    const std::uint8_t what = input.byte();
    if ((what & 127) >= 100) {
      const testing::Fault fault = fault_of(input);
      world.fail(fault, 1 + input.byte() % 3);
      continue;
    }
    world.begin_call();
    if (world.turn_to(what >> 7)) do_next(world, input, what & 127);
    world.end_call();
  }
  world.end_faults();
  world.check_all();
  world.close_both();
  world.check_all();
}

}  // namespace larder::fuzz
