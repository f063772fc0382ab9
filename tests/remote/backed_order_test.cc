// What somebody puts or removes is newer than what somebody else is about to keep, or to send, of
// what he has found.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "larder/remote.h"
#include "tests/remote/folder_tier.h"

namespace larder {
namespace {

class BackedOrder : public testing::Test {
 protected:
  std::shared_ptr<Store> over(std::vector<RemoteTier> tiers, RemoteWrite write) const {
    for (RemoteTier& tier : tiers) tier.write = write;
    return make_backed_store({.local = local_, .tiers = std::move(tiers)}).value();
  }

  std::string here() {
    const auto found = local_->get(numbered(1)).value();
    return found ? std::string(found->text()) : "absent";
  }
  static std::string there(const FolderTier& tier) {
    const auto found = tier.store->get(numbered(1)).value();
    return found ? std::string(found->text()) : "absent";
  }

  FolderTier near_;
  FolderTier far_;
  const std::shared_ptr<Store> local_ = make_memory_store({.capacity_bytes = 200'000}).value();
};

// A look-up finds the entry, somebody removes it, and then what was found is kept.
TEST_F(BackedOrder, WhatIsRemovedDoesNotComeBackFromALookUp) {
  far_.put(1, "x");
  const HeldTier held(far_);
  const auto store =
      make_backed_store({.local = local_, .tiers = {{near_.store}, {held.store}}}).value();
  std::jthread looks([&] { EXPECT_EQ(store->get(numbered(1)).value()->text(), "x"); });
  held.transport->wait_for_a_question();
  std::jthread removes([&] {
    EXPECT_TRUE(store->remove(numbered(1)));
    far_.put(1, "x");  // what the look-up is about to read all the same
    held.transport->let_go();
  });
  removes.join();
  looks.join();
  EXPECT_TRUE(store->flush());
  EXPECT_FALSE(*local_->get(numbered(1)));
  EXPECT_FALSE(near_.has(1));
}

// A look-up finds the entry, somebody puts another value, and then what was found is to be kept.
TEST_F(BackedOrder, WhatIsPutIsNotReplacedByALookUp) {
  far_.put(1, "old");
  const HeldTier held(far_);
  const auto store = over({{near_.store}, {held.store}}, RemoteWrite::sync);
  std::jthread looks([&] { EXPECT_EQ(store->get(numbered(1)).value()->text(), "old"); });
  held.transport->wait_for_a_question();
  const auto other = over({{near_.store}}, RemoteWrite::sync);  // as another process
  EXPECT_TRUE(other->put(numbered(1), bytes_of("new")));
  held.transport->let_go();
  looks.join();
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(here(), "new");
  EXPECT_EQ(there(near_), "new");
}

// A put that the store refuses is nobody else's concern.
TEST_F(BackedOrder, WhatIsFoundIsKeptThoughAnotherPutIsRefused) {
  far_.put(1, "old");
  const HeldTier held(far_);
  const auto store = over({{held.store}}, RemoteWrite::off);
  std::jthread looks([&] { EXPECT_EQ(store->get(numbered(1)).value()->text(), "old"); });
  held.transport->wait_for_a_question();
  EXPECT_FALSE(store->put(numbered(2), bytes_of(std::string(300'000, 'x'))));
  held.transport->let_go();
  looks.join();
  EXPECT_EQ(here(), "old");
}

// What a put evicts is told to a listener, who looks for what another thread is about to keep.
TEST_F(BackedOrder, AListenerMayLookForWhatIsBeingKept) {
  far_.put(1, "old");
  const HeldTier held(far_);
  std::weak_ptr<Store> used;
  std::atomic<int> told = 0;
  const auto local = make_memory_store({.capacity_entries = 1,
                                        .on_evict =
                                            [&](const Eviction&) {
                                              if (told++ > 0) return;
                                              held.transport->let_go();
                                              EXPECT_TRUE(used.lock()->get(numbered(1)).value());
                                            }})
                         .value();
  const auto store = make_backed_store({.local = local, .tiers = {{held.store}}}).value();
  used = store;
  std::jthread looks([&] { EXPECT_TRUE(store->get(numbered(1)).value()); });
  held.transport->wait_for_a_question();
  // Those of one group: they begin with the same bytes.
  for (std::uint32_t i = 1; told == 0; ++i) {
    ASSERT_TRUE(store->put(numbered(1 + (i << 16)), bytes_of("x")));
  }
}

// It is still being sent: whoever removes it waits for that.
TEST_F(BackedOrder, WhatIsRemovedDoesNotComeBackFromTheQueue) {
  const HeldTier held(near_);
  held.transport->hold_puts_alone();
  const auto store = over({{held.store}}, RemoteWrite::async);
  EXPECT_TRUE(store->put(numbered(1), bytes_of("x")));
  held.transport->wait_for_a_question();
  std::atomic<bool> is_removed = false;
  std::jthread removes([&] {
    EXPECT_TRUE(store->remove(numbered(1)));
    is_removed = true;
  });
  for (int i = 0; i < 100 && !is_removed; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  held.transport->let_go();
  removes.join();
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(here(), "absent");
  EXPECT_EQ(there(near_), "absent");
}

// What was found is still being sent to a tier that a put waits for.
TEST_F(BackedOrder, WhatIsPutIsNotReplacedFromTheQueue) {
  far_.put(1, "old");
  const HeldTier held(near_);
  held.transport->hold_puts_alone();
  const auto store = over({{held.store}, {far_.store}}, RemoteWrite::sync);
  EXPECT_EQ(store->get(numbered(1)).value()->text(), "old");
  held.transport->wait_for_a_question();
  std::jthread puts([&] { EXPECT_TRUE(store->put(numbered(1), bytes_of("new"))); });
  // It waits for that; who does not wait would be done by now.
  for (int i = 0; i < 100 && there(near_) != "new"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  held.transport->let_go();
  puts.join();
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(here(), "new");
  EXPECT_EQ(there(near_), "new");
  EXPECT_EQ(there(far_), "new");
}

}  // namespace
}  // namespace larder
