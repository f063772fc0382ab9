// A pack that nobody has written to, and one whose entries are longer than this store may read.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

class PackEdges : public PackStoreFixture {
 protected:
  static std::size_t count_strays(Store& store) {
    std::size_t count = 0;
    EXPECT_TRUE(store.visit_strays([&](const Stray&) {
      ++count;
      return Visit::go_on;
    }));
    return count;
  }

  static std::string code_of(const Result<void>& result) {
    return result ? "ok" : std::string(errc_name(result.error().code));
  }
};

// Nothing on disk yet, and nothing made by asking.
TEST_F(PackEdges, EveryCallAnswersOnAStoreThatIsNotThereYet) {
  options_.create = Create::at_first_put;
  const auto store = open();
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  EXPECT_EQ(content(store->get_many(std::array{numbered(1)})->front()), "absent");
  EXPECT_EQ(store->contains(numbered(1)), false);
  EXPECT_FALSE(store->inspect(numbered(1)).value());
  EXPECT_FALSE(store->view(numbered(1)).value());
  EXPECT_EQ(store->remove(numbered(1)), false);
  EXPECT_TRUE(store->visit([](const EntryInfo&) { return Visit::stop; }));
  EXPECT_EQ(count_strays(*store), 0u);
  EXPECT_EQ(store->prune({.max_entries = 0}, DryRun::yes)->kept_entries, 0u);
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(store->durability().durable);
  EXPECT_FALSE(std::filesystem::exists(root()));
}

TEST_F(PackEdges, EveryCallAnswersOnAStoreThatIsEmpty) {
  const auto store = open();
  EXPECT_TRUE(store->visit([](const EntryInfo&) { return Visit::stop; }));
  EXPECT_EQ(count_strays(*store), 0u);
  EXPECT_EQ(store->clear()->evicted_entries, 0u);
  EXPECT_EQ(store->prune({.max_bytes = 0, .min_free_bytes = 1})->evicted_entries, 0u);
  EXPECT_TRUE(store->maintain());
  EXPECT_TRUE(store->flush());
}

// Of a store that others may fill with more than this one wants to read: a refusal, and no damage.
TEST_F(PackEdges, WhatIsOverTheCapIsRefusedAndStays) {
  const std::string small(1000, 's');
  const std::string large = payload_of(5 * mib, 1);
  {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), small), "ok");
    ASSERT_EQ(put(*store, numbered(2), large), "ok");
  }
  options_.max_payload_bytes = 999;
  {
    const auto store = open();
    EXPECT_EQ(code_of(store->put(numbered(3), bytes_of(small))), "too_large");
    std::vector<std::byte> into(large.size());
    for (const std::uint32_t number : {1u, 2u}) {
      EXPECT_EQ(content(store->get(numbered(number))), "error: too_large");
      EXPECT_EQ(content(store->get_many(std::array{numbered(number)})->front()),
                "error: too_large");
      EXPECT_EQ(store->get_into(numbered(number), into).error().code, Errc::too_large);
      EXPECT_EQ(store->view(numbered(number)).error().code, Errc::too_large);
    }
    EXPECT_EQ(store->metrics().corrupt, 0u);
  }
  options_.max_payload_bytes = 0;
  EXPECT_EQ(content(open()->get(numbered(1))), small);
  EXPECT_TRUE(content(open()->get(numbered(2))) == large);
}

TEST_F(PackEdges, AReaderRemovesNothing) {
  {
    ASSERT_EQ(put(*open(), numbered(1), "one"), "ok");
  }
  options_.access = Access::read_only;
  const auto store = open();
  EXPECT_EQ(store->remove(numbered(1)).error().code, Errc::read_only);
  EXPECT_EQ(content(store->get(numbered(1))), "one");
}

}  // namespace
}  // namespace larder
