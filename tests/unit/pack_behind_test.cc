// Puts that seal segments faster than they are synced: one thread syncs what all have filled, and
// the others go on, as long as it is not too much.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using std::chrono::milliseconds;
using testing::Op;
using testing::Operation;
using testing::Repeat;

constexpr std::uint32_t many = 2'000;  // entries of 4 KiB, some 8 segments

class PackBehind : public PackStoreFixture {
 protected:
  std::string index_name() const {
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("index.")) return name;
    }
    return "";
  }

  // One segment at a time, two of which may wait for their sync.
  PackBehind() {
    options_.budget = {.max_bytes = 16 * mib};
    options_.file_system = &faults_;
  }
};

// Else a slow disk would have to write all of them at the next flush.
TEST_F(PackBehind, WhoIsFarBehindWaitsForTheOneWhoSyncs) {
  const auto store = open();
  std::atomic<bool> is_syncing = false, may_end = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::sync_data || !operation.path.ends_with(".seg")) return;
    if (is_syncing.exchange(true)) return;
    is_syncing.notify_all();
    may_end.wait(false);
  });
  std::atomic<std::uint32_t> done = 0;
  std::jthread syncing([&] {
    for (std::uint32_t i = 0; !is_syncing && i < many; ++i) fill(*store, i, i + 1);
    is_syncing = true;
    is_syncing.notify_all();
  });
  std::jthread putting([&] {
    is_syncing.wait(false);
    for (std::uint32_t i = many; i < 2 * many; ++i, ++done) fill(*store, i, i + 1);
  });
  // Until it stands still.
  for (std::uint32_t before = 0; done == 0 || done != before;) {
    before = done;
    std::this_thread::sleep_for(milliseconds(100));
  }
  const std::uint32_t done_meanwhile = done;
  may_end = true;
  may_end.notify_all();
  putting.join();
  EXPECT_LT(done_meanwhile, 1'300u);
  EXPECT_EQ(done, many);
  EXPECT_TRUE(store->flush());
}

// Two threads of whom each is the first to change anything.
TEST_F(PackBehind, ASessionIsCountedOnce) {
  auto store = open();
  ASSERT_EQ(put(*store, numbered(0), "x"), "ok");
  ASSERT_TRUE(store->flush());
  store.reset();
  store = open();
  std::jthread beside;
  faults_.observe([&](const Operation& operation) {
    const bool is_state = operation.op == Op::sync_data && operation.path.ends_with("/state");
    if (!is_state || beside.joinable()) return;
    beside = std::jthread([&] { EXPECT_EQ(put(*store, numbered(1), "one"), "ok"); });
    std::this_thread::sleep_for(milliseconds(100));  // until it waits for this one
  });
  ASSERT_EQ(put(*store, numbered(2), "two"), "ok");
  ASSERT_TRUE(beside.joinable());
  beside.join();
  EXPECT_TRUE(store->flush());
  faults_.observe({});
  store.reset();
  const auto before = index_name();
  store = open();
  EXPECT_EQ(index_name(), before) << "it was made anew";
}

// A power cut may bring them back: who comes next reads the segments.
TEST_F(PackBehind, AStoreEndsUncleanWhereTheNamesOfEvictedSegmentsMayStay) {
  for (const bool is_synced : {true, false}) {
    std::filesystem::remove_all(root());
    auto store = open();
    fill(*store, 0, 3 * many);
    ASSERT_GT(store->metrics().evictions, 0u);
    ASSERT_TRUE(store->flush());
    if (!is_synced) faults_.inject({.only = Op::sync_directory, .path_contains = "/segments"});
    store.reset();
    EXPECT_EQ(faults_.injected().empty(), is_synced);
    const auto before = index_name();
    store = open();
    EXPECT_EQ(index_name() == before, is_synced);
  }
}

// That the store is still where it was cannot be told just now, and nothing is lost.
TEST_F(PackBehind, APutSaysThatWhatWasFilledCannotBeSynced) {
  const auto store = open();
  faults_.inject({.only = Op::file_info, .path_contains = "/state", .repeat = Repeat::for_ever});
  std::uint32_t refused = 0;
  for (std::uint32_t i = 0; i < 1'000 && refused == 0; ++i) {
    refused = put(*store, numbered(i), payload_of(4096, i)) == "ok" ? 0 : i;
  }
  ASSERT_GT(refused, 500u);
  faults_.clear_faults();
  EXPECT_EQ(count_present(*store, 0, refused + 1), refused + 1);
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(store->durability().durable);
}

}  // namespace
}  // namespace larder
