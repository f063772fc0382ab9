// Memory that runs out in the middle of a flush that fails: what is lost is told by that flush or
// by the next one, and nothing else is lost.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/unit/pack_store_fixture.h"
// Behind what has a `never` of its own.
#include "tests/unit/failing_allocator.h"

namespace larder {
namespace {

using testing::Op;

class PackFlushAllocation : public PackStoreFixture {
 protected:
  PackFlushAllocation() {
    options_.budget.max_bytes = 64 * mib;  // segments of 1 MiB
    options_.file_system = &faults_;
  }

  static void add_lost(const Result<void>& flushed, std::set<Fingerprint>& lost) {
    if (flushed) return;
    lost.insert(flushed.error().fingerprints.begin(), flushed.error().fingerprints.end());
  }

  // Flushes with a sync that fails, and without that allocation; then flushes again. Whether an
  // allocation failed, so that there may be a later one to fail.
  bool fail_allocation(int number, const std::string& path, const std::set<Fingerprint>& expected) {
    const auto store = open();
    EXPECT_EQ(put(*store, numbered(1), "flushed"), "ok");
    EXPECT_TRUE(store->flush());
    EXPECT_EQ(put(*store, numbered(2), "small"), "ok");
    EXPECT_EQ(put(*store, numbered(3), payload_of(300'000, 3)), "ok");
    faults_.inject({.only = Op::sync_data, .path_contains = path});
    has_failed = false;
    before_failure = number;
    const auto first = store->flush();
    before_failure = never;
    const bool any = has_failed;
    const auto second = store->flush();
    std::set<Fingerprint> lost;
    add_lost(first, lost);
    add_lost(second, lost);
    EXPECT_FALSE(first);
    // Where memory ran out in the sync of the segment itself, that is lost too.
    EXPECT_TRUE(std::ranges::includes(lost, expected))
        << first.error().message << "; " << (second ? "ok" : second.error().message);
    EXPECT_FALSE(lost.contains(numbered(1)));
    for (const std::uint32_t entry : {1u, 2u, 3u}) {
      const bool is_there = content(store->get(numbered(entry))) != "absent";
      const bool is_lost = lost.contains(numbered(entry));
      EXPECT_TRUE(is_there || is_lost) << entry;
      // A file that there was no memory to take away stays, and is named for ever.
      if (path == ".seg") {
        EXPECT_NE(is_there, is_lost) << entry;
      }
    }
    faults_.clear_faults();
    EXPECT_TRUE(store->clear());
    return any;
  }

  // Each in turn.
  void fail_all(const std::string& path, const std::set<Fingerprint>& expected) {
    int number = 0;
    while (number < 10'000 && fail_allocation(number, path, expected) && !HasFailure()) ++number;
    EXPECT_GT(number, 5);
    EXPECT_LT(number, 10'000);
    EXPECT_FALSE(HasFailure()) << "allocation " << number;
  }
};

TEST_F(PackFlushAllocation, ASegmentThatCannotBeSyncedIsTold) {
  fail_all(".seg", {numbered(2), numbered(3)});
}

TEST_F(PackFlushAllocation, AFileThatCannotBeSyncedIsTold) { fail_all("/large", {numbered(3)}); }

}  // namespace
}  // namespace larder
