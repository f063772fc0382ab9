#include "store/number_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace larder {
namespace {

// What stands for a fingerprint here.
struct Key {
  std::uint32_t hash = 0;
  std::uint32_t name = 0;
};

class NumberTableTest : public testing::Test {
 protected:
  std::uint32_t find(std::uint32_t hash, std::uint32_t name) const {
    return table_.find(hash, [&](std::uint32_t number) { return keys_.at(number).name == name; });
  }

  void insert(std::uint32_t number, const Key& key) {
    table_.make_room();
    table_.insert(key.hash, number);
    keys_[number] = key;
  }

  void erase(std::uint32_t number) {
    table_.erase(keys_.at(number).hash, number);
    keys_.erase(number);
  }

  NumberTable table_;
  std::map<std::uint32_t, Key> keys_;  // by number
};

TEST_F(NumberTableTest, AnEmptyOneHasNothing) { EXPECT_EQ(find(1, 1), NumberTable::none); }

TEST_F(NumberTableTest, TellsEqualHashesApart) {
  insert(7, {.hash = 5, .name = 1});
  insert(8, {.hash = 5, .name = 2});
  EXPECT_EQ(find(5, 1), 7u);
  EXPECT_EQ(find(5, 2), 8u);
  EXPECT_EQ(find(5, 3), NumberTable::none);
  erase(7);
  EXPECT_EQ(find(5, 1), NumberTable::none);
  EXPECT_EQ(find(5, 2), 8u);
}

// Few hashes make long runs, across the end of the table too; every erasure must leave the others
// within reach.
TEST_F(NumberTableTest, FindsWhatIsThereAfterAnyInsertionsAndErasures) {
  for (const std::uint32_t hashes : {1u, 7u, 64u, 100'000u}) {
    std::mt19937 random(hashes);
    for (std::uint32_t step = 0; step < 4000; ++step) {
      const std::uint32_t number = random() % 300;
      if (keys_.contains(number)) {
        erase(number);
      } else {
        const auto hash = static_cast<std::uint32_t>(random() % hashes * 0xdeadbeefu);
        insert(number, {.hash = hash, .name = step});
      }
      if (step % 16 != 0) continue;
      for (const auto& [there, key] : keys_) ASSERT_EQ(find(key.hash, key.name), there);
      for (std::uint32_t hash = 0; hash < 7; ++hash) {
        ASSERT_EQ(find(hash * 0xdeadbeefu, step + 1), NumberTable::none);
      }
    }
    while (!keys_.empty()) erase(keys_.begin()->first);
  }
}

}  // namespace
}  // namespace larder
