// A local store with remote tiers behind it: what is found there comes once, stays here, and no
// trouble of a tier is a caller's.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "larder/cache.h"
#include "store/remote/attempts.h"
#include "store/remote/remote_store.h"
#include "tests/contract/store_contract.h"
#include "tests/remote/folder_tier.h"
#include "tests/remote/server.h"

namespace larder {
namespace {

class Backed : public testing::Test {
 protected:
  Store& store() {
    if (!store_) {
      BackedStoreOptions options;
      options.local = local_;
      options.tiers = {{near_.store, write_, required_, min_cost_},
                       {far_.store, write_, required_}};
      options.upload_capacity_bytes = 10'000;
      options.drain_limit = drain_limit_;
      options.log = [this](LogLevel, std::string_view text) {
        const std::scoped_lock lock(mutex_);
        said_.emplace_back(text);
      };
      store_ = make_backed_store(options).value();
    }
    return *store_;
  }
  std::string text_of(std::uint32_t number) {
    const auto found = store().get(numbered(number));
    if (!found) return "error: " + std::string(errc_name(found.error().code));
    return *found ? std::string((*found)->text()) : "absent";
  }
  std::size_t said() {
    const std::scoped_lock lock(mutex_);
    return said_.size();
  }

  FolderTier near_;
  FolderTier far_;
  const std::shared_ptr<Store> local_ = make_memory_store().value();
  RemoteWrite write_ = RemoteWrite::sync;
  Required required_ = Required::no;
  std::chrono::milliseconds min_cost_{0};  // of near_
  std::chrono::milliseconds drain_limit_ = std::chrono::seconds(20);
  std::mutex mutex_;
  std::vector<std::string> said_;
  std::shared_ptr<Store> store_;  // the last one: it says things when it goes
};

TEST_F(Backed, AHitBehindIsFetchedOnceAndKeptInFront) {
  far_.put(1, "from afar", "recipe");
  EXPECT_EQ(text_of(1), "from afar");
  EXPECT_TRUE(store().flush());
  EXPECT_EQ(local_->get(numbered(1)).value()->text(), "from afar");
  EXPECT_EQ(local_->inspect(numbered(1)).value()->recipe, "recipe");
  EXPECT_TRUE(near_.has(1));
  EXPECT_EQ(text_of(1), "from afar");
  EXPECT_EQ(far_.store->remote_metrics().lookups, 1u);
  const Metrics told = store().metrics();
  EXPECT_EQ(told.lookups, 2u);
  EXPECT_EQ(told.hits, 2u);
  EXPECT_EQ(told.promotions, 1u);
  EXPECT_TRUE(told.balanced());
}

TEST_F(Backed, ADamagedTierIsPassedOver) {
  near_.put(1, "near");
  far_.put(1, "good");
  for (const auto& file : std::filesystem::recursive_directory_iterator(near_.directory.path())) {
    if (file.is_regular_file()) std::ofstream(file.path()) << "garbage";
  }
  EXPECT_EQ(text_of(1), "good");
  EXPECT_TRUE(store().flush());
  EXPECT_EQ(near_.store->get(numbered(1)).value()->text(), "good") << "it is mended on the way";
}

TEST_F(Backed, APutReachesEveryTier) {
  for (const RemoteWrite write : {RemoteWrite::sync, RemoteWrite::async}) {
    store_.reset();
    write_ = write;
    const auto number = static_cast<std::uint32_t>(write) + 1;
    ASSERT_TRUE(store().put(numbered(number), bytes_of("x"), {.recipe = "r"}));
    EXPECT_TRUE(store().flush());
    EXPECT_TRUE(near_.has(number) && far_.has(number));
    EXPECT_EQ(far_.store->inspect(numbered(number)).value()->recipe, "r");
  }
}

TEST_F(Backed, WhatIsQueuedIsSentWhenTheStoreGoes) {
  write_ = RemoteWrite::async;
  for (std::uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(store().put(numbered(i), bytes_of("x")));
  store_.reset();
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_TRUE(far_.has(i)) << i;
  EXPECT_EQ(said(), 0u);
}

TEST_F(Backed, WhatFindsNoRoomIsSaid) {
  write_ = RemoteWrite::async;
  EXPECT_TRUE(store().put(numbered(1), bytes_of(payload_of(20'000, 1))));
  EXPECT_TRUE(store().flush());
  EXPECT_FALSE(far_.has(1));
  ASSERT_EQ(said(), 2u) << "one for each tier";
  for (const std::string& line : said_) {
    EXPECT_NE(line.find("1 entry has not been sent"), std::string::npos) << line;
  }
}

TEST_F(Backed, AReadOnlyTierIsNotWritten) {
  write_ = RemoteWrite::off;
  far_.put(1, "x");
  EXPECT_EQ(text_of(1), "x");
  EXPECT_TRUE(store().put(numbered(2), bytes_of("y")));
  EXPECT_EQ(store().remove(numbered(1)), true);
  EXPECT_TRUE(store().flush());
  EXPECT_FALSE(near_.has(1) || near_.has(2) || far_.has(2));
  EXPECT_TRUE(far_.has(1));
}

TEST_F(Backed, ATierInTroubleFailsNoCallAndIsSaidOnce) {
  for (const auto& tier : {near_.trouble, far_.trouble}) tier->add(Errc::io_error, 1000);
  for (std::uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(text_of(100 + i), "absent");
    EXPECT_TRUE(store().put(numbered(i), bytes_of("x")));
    EXPECT_EQ(text_of(i), "x");
  }
  EXPECT_EQ(store().remove(numbered(1)), true);
  EXPECT_TRUE(store().flush());
  EXPECT_EQ(said(), 2u) << "one for each tier";
  EXPECT_TRUE(store().metrics().balanced());
}

// As where one of several servers is down: some calls fail, and some do not.
TEST_F(Backed, ATierThatFailsByTurnsIsSaidOnce) {
  far_.put(1, "x");
  for (int i = 0; i < 20; ++i) {
    far_.trouble->add(Errc::io_error);
    far_.trouble->add_success();
    EXPECT_EQ(text_of(2), "absent");
    EXPECT_EQ(text_of(3), "absent");
  }
  EXPECT_EQ(said(), 1u);
}

TEST_F(Backed, ATierThatHangsHoldsUpNoOther) {
  const HeldTier held(near_);
  auto store = make_backed_store({.local = local_, .tiers = {{held.store}, {far_.store}}}).value();
  ASSERT_TRUE(store->put(numbered(1), bytes_of("x")));
  held.transport->wait_for_a_question();
  for (int i = 0; i < 10'000 && !far_.has(1); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(far_.has(1));
  held.transport->let_go();
}

TEST_F(Backed, WhatCouldNotBeSentIsSaid) {
  write_ = RemoteWrite::async;
  far_.trouble->add(Errc::io_error, 1000);
  for (std::uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(store().put(numbered(i), bytes_of("x")));
  EXPECT_TRUE(store().flush());
  ASSERT_EQ(said(), 2u);
  EXPECT_EQ(said_.back(),
            far_.store->describe() + ": 3 entries have not been sent there: " + numbered(0).hex() +
                ", " + numbered(1).hex() + ", " + numbered(2).hex() + "; `larder push` sends them");
  EXPECT_TRUE(store().flush());
  EXPECT_EQ(said(), 2u) << "once";
  for (std::uint32_t i = 3; i < 8; ++i) ASSERT_TRUE(store().put(numbered(i), bytes_of("x")));
  EXPECT_TRUE(store().flush());
  ASSERT_EQ(said(), 3u) << "others are told again";
  EXPECT_TRUE(said_.back().contains(numbered(5).hex() + " and 2 more;")) << said_.back();
}

// One that is late is told, and sent after all; as many that are lost then are told too.
// Another thread's flush ends while the queue is empty; what this one pushes then is not late.
TEST_F(Backed, WhatArrivesIsNeverSaidToBeMissing) {
  write_ = RemoteWrite::async;
  store();
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint32_t i = 0; i < 300; ++i) {
          EXPECT_TRUE(store().put(numbered(thread * 1000 + i), bytes_of("x")));
          EXPECT_TRUE(store().flush());
        }
      });
    }
  }
  EXPECT_EQ(said(), 0u);
}

TEST_F(Backed, ALateSuccessHidesNoLaterLoss) {
  const HeldTier held(far_);
  std::mutex mutex;
  std::vector<std::string> lines;
  BackedStoreOptions options{
      .local = local_, .tiers = {{held.store}}, .upload_capacity_bytes = 10'000};
  options.drain_limit = std::chrono::milliseconds(0);
  options.log = [&](LogLevel, std::string_view text) {
    const std::scoped_lock lock(mutex);
    if (text.contains("not been sent")) lines.emplace_back(text);
  };
  auto store = make_backed_store(options).value();
  ASSERT_TRUE(store->put(numbered(1), bytes_of("x")));
  EXPECT_TRUE(store->flush());
  held.transport->let_go();
  for (int i = 0; i < 10'000 && !far_.has(1); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_TRUE(far_.has(1));
  ASSERT_TRUE(store->put(numbered(2), bytes_of(payload_of(20'000, 1))));
  EXPECT_TRUE(store->flush());
  store.reset();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].contains(numbered(1).hex()));
  EXPECT_TRUE(lines[1].contains(numbered(2).hex()));
}

TEST_F(Backed, WhatIsRemovedDoesNotComeBackFromTheQueue) {
  write_ = RemoteWrite::async;
  drain_limit_ = std::chrono::milliseconds(0);
  for (std::uint32_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(store().put(numbered(i % 25), bytes_of("x")));
    ASSERT_EQ(store().remove(numbered(i % 25)), true);
  }
  store_.reset();
  for (std::uint32_t i = 0; i < 25; ++i) EXPECT_FALSE(near_.has(i) || far_.has(i)) << i;
}

TEST_F(Backed, ARequiredTierInTroubleFailsTheCall) {
  required_ = Required::yes;
  far_.trouble->add(Errc::io_error, 1000);
  EXPECT_EQ(text_of(1), "error: io_error");
  EXPECT_FALSE(store().put(numbered(2), bytes_of("x")));
  EXPECT_EQ(text_of(2), "x") << "what is here is served";
}

TEST_F(Backed, WhatIsTooLargeForARequiredTierIsPutAllTheSame) {
  required_ = Required::yes;
  far_.trouble->add_success();  // the look before the upload
  far_.trouble->add(Errc::too_large);
  EXPECT_TRUE(store().put(numbered(1), bytes_of("x")));
  EXPECT_TRUE(near_.has(1));
  EXPECT_EQ(said(), 1u) << "and it is told";
  EXPECT_EQ(far_.store->remote_metrics().upload_failures, 1u);
}

// And of one that is required, the next tier is asked.
TEST_F(Backed, WhatIsWrongWithOneEntryIsNoTroubleOfItsTier) {
  required_ = Required::yes;
  far_.put(1, "far");
  for (const Errc code : {Errc::too_large, Errc::not_ours}) {
    near_.trouble->add(code);
    EXPECT_EQ(text_of(2), "absent") << errc_name(code);
  }
  near_.trouble->add(Errc::too_large);
  EXPECT_EQ(text_of(1), "far");
  EXPECT_EQ(said(), 1u) << "once a minute";
  near_.trouble->add(Errc::too_large);
  EXPECT_EQ(store().remove(numbered(2)), false);
  EXPECT_TRUE(store().flush());
  near_.trouble->add(Errc::unreachable, Attempts::most);
  EXPECT_EQ(text_of(3), "error: unreachable");
  EXPECT_EQ(said(), 2u) << "it is not hidden by that";
}

TEST_F(Backed, ALaterTierMakesUpForARequiredOne) {
  required_ = Required::yes;
  far_.put(1, "far");
  near_.trouble->add(Errc::unreachable, Attempts::most);
  EXPECT_EQ(text_of(1), "far");
}

TEST_F(Backed, UpkeepIsOfTheLocalStoreAlone) {
  ASSERT_TRUE(store().put(numbered(1), bytes_of("x")));
  EXPECT_TRUE(store().clear());
  EXPECT_TRUE(far_.has(1));
  EXPECT_EQ(text_of(1), "x") << "it comes back";
  EXPECT_EQ(store().remove(numbered(1)), true);
  EXPECT_EQ(text_of(1), "absent") << "a removal is of all";
}

TEST_F(Backed, ManyAreAskedForAsOneWouldBe) {
  ASSERT_TRUE(local_->put(numbered(1), bytes_of("here")));
  far_.put(2, "there");
  const std::vector<Fingerprint> asked = {numbered(1), numbered(2), numbered(3)};
  const auto found = store().get_many(asked).value();
  EXPECT_EQ((**found[0]).text(), "here");
  EXPECT_EQ((**found[1]).text(), "there");
  EXPECT_FALSE(found[2]->has_value());
  EXPECT_EQ(store().contains(numbered(2)), true);
  EXPECT_EQ(store().contains(numbered(3)), false);
  const Metrics told = store().metrics();
  EXPECT_EQ(told.lookups, 5u);
  EXPECT_EQ(told.hits, 3u);
  EXPECT_TRUE(told.balanced());
}

// It may use the store, for the same entry too.
TEST_F(Backed, ALoggerMayLookUpWhatIsBeingLookedFor) {
  far_.trouble->add(Errc::unreachable, 1000);
  std::weak_ptr<Store> used;
  int said = 0;
  BackedStoreOptions options{.local = local_, .tiers = {{far_.store}}};
  options.log = [&](LogLevel, std::string_view) {
    ++said;
    EXPECT_FALSE(used.lock()->get(numbered(1)).value());
  };
  const auto store = make_backed_store(options).value();
  used = store;
  EXPECT_FALSE(store->get(numbered(1)).value());
  EXPECT_EQ(said, 1);
}

TEST_F(Backed, ThreadsThatLookForTheSameAskOnce) {
  struct Slow final : remote::Transport {
    std::atomic<int> gets = 0;
    Result<std::optional<ArtifactBuffer>> get(std::string_view, std::uint64_t,
                                              const remote::Patience&) override {
      ++gets;
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      return std::nullopt;
    }
    Result<void> put(std::string_view, remote::Pieces, const remote::Patience&) override {
      return {};
    }
    Result<std::optional<std::uint64_t>> size(std::string_view, const remote::Patience&) override {
      return std::nullopt;
    }
    Result<bool> remove(std::string_view, const remote::Patience&) override { return false; }
    remote::Listed list(std::string_view, const remote::ObjectVisitor&,
                        const remote::Patience&) override {
      return {};
    }
  };
  auto transport = std::make_unique<Slow>();
  const std::atomic<int>& gets = transport->gets;
  RemoteStoreOptions options;
  options.url = "test://slow";
  auto made = std::make_shared<RemoteStoreImpl>(options, [&] { return std::move(transport); });
  const auto store = make_backed_store({.local = local_, .tiers = {{made}}}).value();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_FALSE(store->get(numbered(1)).value()); });
  }
  threads.clear();
  EXPECT_LT(gets, 8);
  EXPECT_EQ(store->metrics().absent, 8u);
}

TEST_F(Backed, WhatWasMadeInNoTimeIsNotSent) {
  using std::chrono::milliseconds;
  min_cost_ = milliseconds(20);
  for (const RemoteWrite write : {RemoteWrite::sync, RemoteWrite::async}) {
    store_.reset();
    write_ = write;
    const auto first = static_cast<std::uint32_t>(write) * 10;
    const auto put = [&](std::uint32_t number, std::optional<milliseconds> cost) {
      EXPECT_TRUE(store().put(numbered(first + number), bytes_of("x"), {.cost = cost}));
    };
    put(1, milliseconds(19));
    put(2, milliseconds(20));
    put(3, std::nullopt);
    EXPECT_TRUE(store().flush());
    EXPECT_FALSE(near_.has(first + 1));
    EXPECT_TRUE(far_.has(first + 1)) << "it has no such limit";
    EXPECT_TRUE(near_.has(first + 2));
    EXPECT_TRUE(near_.has(first + 3)) << "nobody knows";
  }
}

TEST_F(Backed, ACacheTellsWhatACompileTook) {
  using std::chrono::milliseconds;
  const RemoteTier near{near_.store, RemoteWrite::sync, Required::no, std::chrono::hours(1)};
  const RemoteTier far{far_.store, RemoteWrite::sync, Required::no, milliseconds(2)};
  const auto backed = make_backed_store({.local = local_, .tiers = {near, far}}).value();
  Cache cache(make_layered_store({.tiers = {{make_memory_store().value()}, {backed}}}).value());
  EXPECT_TRUE(cache.get_or_compile(numbered(1), [] {
    std::this_thread::sleep_for(milliseconds(2));
    return Artifact::copy_of("slow");
  }));
  EXPECT_FALSE(near_.has(1));
  EXPECT_TRUE(far_.has(1));
}

TEST_F(Backed, OnlyWhoHasNothingCompiles) {
  const Fingerprint key = numbered(1);
  Cache machine_a(make_backed_store({.local = make_memory_store().value(),
                                     .tiers = {{far_.store, RemoteWrite::sync}}})
                      .value());
  Cache machine_b(make_backed_store({.local = make_memory_store().value(),
                                     .tiers = {{far_.store, RemoteWrite::sync}}})
                      .value());
  const auto compile = [] { return Artifact::copy_of("compiled"); };
  EXPECT_EQ(machine_a.get_or_compile(key, compile)->text(), "compiled");
  EXPECT_EQ(machine_b.get_or_compile(key, compile)->text(), "compiled");
  EXPECT_EQ(machine_a.metrics().compiles, 1u);
  EXPECT_EQ(machine_b.metrics().compiles, 0u);
}

}  // namespace
}  // namespace larder
