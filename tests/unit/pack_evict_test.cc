// The budget of a pack store: what leaves, what stays, and what must never come back.
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

constexpr std::uint64_t mib = 1u << 20;

class PackEvict : public PackStoreFixture {};

TEST_F(PackEvict, TheBudgetHoldsUnderDu) {
  constexpr std::uint64_t budget = 16 * mib;
  options_.budget = {.max_bytes = budget};
  const auto store = open();
  std::uint64_t most = 0;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    ASSERT_EQ(put(*store, numbered(i), payload_of(4096, i)), "ok");
    if (i % 64 == 0) most = std::max(most, disk_bytes());
  }
  EXPECT_EQ(content(store->get(numbered(19'999))), payload_of(4096, 19'999));
  // A segment and a step of preallocation for each of two writers: puts, and what is carried.
  EXPECT_LE(most, budget + 1 * mib + 2 * mib);
  EXPECT_GE(most, budget - 3 * mib);
  EXPECT_GT(store->metrics().evictions, 10'000u);
}

}  // namespace
}  // namespace larder
