// Nothing throws through the API when memory runs out: every allocation of every call fails once.
// A program of its own, because it replaces the allocator.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/contract/store_contract.h"
#include "tests/unit/failing_allocator.h"

namespace larder {
namespace {

// Runs `call` again and again, failing its first allocation, its second, and so on, until nothing
// was left to fail. Returns how often it failed.
template <class Prepare, class Call>
int fail_each_allocation(const Prepare& prepare, const Call& call) {
  for (int failures = 0;; ++failures) {
    prepare();
    has_failed = false;
    before_failure = failures;
    const bool threw = [&] {
      try {
        call();
        return false;
      } catch (...) {
        return true;
      }
    }();
    before_failure = never;
    EXPECT_FALSE(threw) << "allocation " << failures;
    if (!has_failed || threw) return failures;
  }
}

class AllocationTest : public StoreContract {
 protected:
  // A fresh store with two entries.
  void prepare() {
    store_ = GetParam().open({}).value();
    put(numbered(1), payload_of(1000, 1), "a recipe that is too long for a short string");
    put(numbered(2), payload_of(1000, 2));
    EXPECT_TRUE(store_->flush());
  }

  template <class Call>
  int fail_each(const Call& call) {
    return fail_each_allocation([this] { prepare(); }, call);
  }

  static void expect_memory_error(const auto& result) {
    EXPECT_TRUE(result || result.error().code == Errc::out_of_memory);
  }
};

TEST_P(AllocationTest, APutLeavesTheOldEntryOrTheNewOne) {
  const std::string payload = payload_of(3000, 9);
  const int failures = fail_each([&] {
    const auto stored = store_->put(numbered(1), bytes_of(payload), {.recipe = "recipe"});
    before_failure = never;
    expect_memory_error(stored);
    const std::string now = text_of(numbered(1));
    EXPECT_TRUE(now == payload || (!stored && now == payload_of(1000, 1)));
  });
  EXPECT_GE(failures, 1);
}

TEST_P(AllocationTest, APutOfANewEntryIsWholeOrNotThere) {
  const std::string payload = payload_of(3000, 9);
  const int failures = fail_each([&] {
    const auto stored = store_->put(numbered(3), bytes_of(payload));
    before_failure = never;
    expect_memory_error(stored);
    const std::string now = text_of(numbered(3));
    EXPECT_TRUE(now == payload || (!stored && now == "absent"));
  });
  EXPECT_GE(failures, 2);
}

TEST_P(AllocationTest, LookUpsAndInspection) {
  fail_each([&] {
    const auto found = store_->get(numbered(1));
    expect_memory_error(found);
  });
  const int failures = fail_each([&] {
    const auto details = store_->inspect(numbered(1));
    expect_memory_error(details);
  });
  EXPECT_GE(failures, 1);
}

TEST_P(AllocationTest, UpkeepAndLeases) {
  const int visits = fail_each(
      [&] { expect_memory_error(store_->visit([](const EntryInfo&) { return Visit::go_on; })); });
  const int prunes = fail_each([&] { expect_memory_error(store_->prune({.max_entries = 1})); });
  const int clears = fail_each([&] { expect_memory_error(store_->clear()); });
  const int leases = fail_each([&] { expect_memory_error(store_->try_lease(numbered(1))); });
  EXPECT_GE(std::min({visits, prunes, clears, leases}), 1);
}

TEST_P(AllocationTest, AFlushAfterAPut) {
  fail_each([&] {
    const auto stored = store_->put(numbered(3), bytes_of("x"));
    expect_memory_error(stored);
    const auto flushed = store_->flush();
    EXPECT_TRUE(flushed || stored);
  });
}

TEST(Allocation, MakingAStoreFailsByItsResult) {
  const auto ready = make_memory_store().value();
  const MemoryStoreOptions memory;
  const LayeredStoreOptions layered{.tiers = {{ready}, {ready, TierWrite::behind}}};
  const int of_memory =
      fail_each_allocation([] {},
                           [&] {
                             const auto made = make_memory_store(memory);
                             EXPECT_TRUE(made || made.error().code == Errc::out_of_memory);
                           });
  const int of_layered =
      fail_each_allocation([] {},
                           [&] {
                             const auto made = make_layered_store(layered);
                             EXPECT_TRUE(made || made.error().code == Errc::out_of_memory);
                           });
  EXPECT_GE(std::min(of_memory, of_layered), 2);
}

// The stores that allocate for themselves; the layered ones stand over memory only.
std::vector<StoreFactory> factories_in_memory() {
  return {{.name = "memory", .open = open_memory},
          {.name = "memory_over_memory", .open = open_memory_over_memory},
          {.name = "memory_before_queue", .open = open_memory_before_queue}};
}

INSTANTIATE_TEST_SUITE_P(Stores, AllocationTest, testing::ValuesIn(factories_in_memory()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace larder
