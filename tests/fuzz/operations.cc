// Sequences of calls to a store on disk, held against a std::map's worth of knowledge (model.h).
//
//   byte: which store (calls.h); then calls: a byte (bit 7 = the second store, the rest: which),
//   and what each one takes
#include "tests/fuzz/calls.h"

namespace larder::fuzz {

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  StoreWorld world(choice_of(input.byte()));
  for (std::size_t i = 0; i < most_calls && !input.at_end(); ++i) {
    const std::uint8_t what = input.byte();
    if (!world.turn_to(what >> 7)) return;
    do_next(world, input, what & 127);
  }
  world.check_all();
}

}  // namespace larder::fuzz
