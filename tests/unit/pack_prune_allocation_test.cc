// Memory that runs out in the middle of a prune: puts go on with nothing that it has left behind.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/pack_store_fixture.h"
// Behind what has a `never` of its own.
#include "tests/unit/failing_allocator.h"

namespace larder {
namespace {

class PackPruneAllocation : public PackStoreFixture {
 protected:
  static void put_many(Store& store, std::uint32_t from, std::uint32_t until, std::size_t size) {
    for (std::uint32_t i = from; i < until; ++i) {
      ASSERT_EQ(put(store, numbered(i), payload_of(size, i)), "ok");
    }
  }

  // Prunes without that allocation, then puts so much that evictions come. Whether one failed.
  bool fail_allocation(int number) {
    std::filesystem::remove_all(options_.directory);
    options_.budget = {.max_bytes = 64 * mib};
    const auto store = open();
    put_many(*store, 0, 50, 50'000);
    EXPECT_TRUE(store->flush());
    has_failed = false;
    before_failure = number;
    const auto pruned = store->prune({.max_bytes = mib});
    before_failure = never;
    const bool any = has_failed;
    put_many(*store, 1'000, 1'015, 50'000);
    EXPECT_EQ(content(store->get(numbered(1'014))), payload_of(50'000, 1'014));
    return any;
  }
};

TEST_F(PackPruneAllocation, PutsGoOnWithNothingOfIt) {
  int number = 0;
  while (fail_allocation(number) && !HasFailure()) number += 2;
  EXPECT_GT(number, 100);
}

}  // namespace
}  // namespace larder
