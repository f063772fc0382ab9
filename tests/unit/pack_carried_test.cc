// Two processes evict by turns: one carries entries, step by step, and to a segment of which the
// other one sees but that nothing leads to it yet.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

constexpr std::uint32_t of_a_segment = 244;
constexpr std::uint32_t read_of_first = 20;

class PackCarried : public PackStoreFixture {
 protected:
  // Some of the first segment has been read, and all of the second: what is carried of that fills
  // the segment that the first one's are in, and goes on in another.
  std::shared_ptr<PackStore> about_to_evict() {
    options_.budget = {.max_bytes = 4 * mib};
    auto store = open();
    fill(*store, 0, 2 * of_a_segment);
    EXPECT_EQ(count_present(*store, 0, read_of_first), read_of_first);
    EXPECT_EQ(count_present(*store, of_a_segment, 2 * of_a_segment), of_a_segment);
    return store;
  }

  std::vector<std::string> strays(Store& store) {
    std::vector<std::string> found;
    EXPECT_TRUE(store.visit_strays(
        [&](const Stray& stray) {
          found.push_back(stray.location + " " + stray.message);
          return Visit::go_on;
        },
        Repair::no));
    return found;
  }
};

// Each time the first one is about to take its turn.
TEST_F(PackCarried, AnotherProcessThatCompactsTakesNoCopyAway) {
  const auto other = open();
  options_.file_system = &faults_;
  const auto store = about_to_evict();
  bool is_others_turn = false;
  faults_.observe([&](const testing::Operation& operation) {
    const bool is_turn =
        operation.op == testing::Op::try_lock && operation.path.ends_with(".larder-lock");
    if (!is_turn || std::exchange(is_others_turn, true)) return;
    EXPECT_TRUE(other->maintain());
    is_others_turn = false;
  });
  for (std::uint32_t i = 1000; i < 1750; ++i) fill(*store, i, i + 1);
  faults_.observe({});
  EXPECT_GT(store->metrics().evictions, 0u);
  EXPECT_EQ(strays(*store), std::vector<std::string>{});
  EXPECT_GT(count_present(*store, of_a_segment, 2 * of_a_segment), of_a_segment / 2);
}

}  // namespace
}  // namespace larder
