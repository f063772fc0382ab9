// Eight std::threads of one process over one store of each kind, for ThreadSanitizer, which cannot
// follow what processes do to each other. See hammer.h for what they may see.
#include <gtest/gtest.h>

#include "tests/endurance/hammer.h"
#include "tests/endurance/pack_directory.h"

namespace larder::hammer {
namespace {

class HammerThreads : public ::testing::TestWithParam<Kind> {};

TEST_P(HammerThreads, NothingTornForeignOrStale) {
  const std::uint64_t seed_of_this = seed();
  Ledger ledger;
  const Yard yard(GetParam());
  hammer_in_this_process(ledger, yard, {.operations = rounds(12'000), .seed = seed_of_this});
  check_what_is_left(ledger, yard);
  for (const std::string& failure : ledger.failures()) ADD_FAILURE() << failure;
  EXPECT_GE(ledger.operations(), rounds(11'000));
  std::printf("LARDER_SEED=%llu\n", static_cast<unsigned long long>(seed_of_this));
}

INSTANTIATE_TEST_SUITE_P(Over, HammerThreads,
                         ::testing::Values(Kind::larder, Kind::vyre, Kind::pack),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

}  // namespace
}  // namespace larder::hammer
