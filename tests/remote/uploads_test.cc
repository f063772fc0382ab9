// The queue of what is sent while nobody waits: what it forgets, what it stops, and how long its
// owner waits.
#include "store/remote/uploads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <mutex>
#include <vector>

#include "tests/contract/store_contract.h"
#include "tests/remote/hostile_server.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t capacity_bytes = 1 << 20;
constexpr auto no_limit = std::chrono::seconds(20);

Upload upload(std::uint32_t number) {
  return {.fingerprint = numbered(number), .payload = Artifact::copy_of("x").value(), .recipe = {}};
}

// Whom the queue sends to: it holds everything back until it is opened.
class Gate {
 public:
  Sending pass(const Upload& upload, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    came_.push_back(upload.fingerprint);
    changed_.notify_all();
    const bool passes = changed_.wait(lock, stop, [this] { return open_; });
    if (!passes) ++stopped_;
    return passes ? outcome_ : Sending::unwanted;
  }
  int stopped() {
    const std::scoped_lock lock(mutex_);
    return stopped_;
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void lose_all() {
    const std::scoped_lock lock(mutex_);
    outcome_ = Sending::lost;
  }
  void wait_for_the_first() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !came_.empty(); });
  }
  std::vector<Fingerprint> came() {
    const std::scoped_lock lock(mutex_);
    return came_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<Fingerprint> came_;
  bool open_ = false;
  Sending outcome_ = Sending::sent;
  int stopped_ = 0;
};

struct UploadsTest : testing::Test {
  Gate gate;
  Uploads uploads{capacity_bytes, [this](const Upload& upload, const std::stop_token& stop) {
                    return gate.pass(upload, stop);
                  }};
};

TEST_F(UploadsTest, WhatIsWithdrawnIsNotSentAndTheOthersAre) {
  for (const std::uint32_t number : {1u, 2u, 3u, 2u}) ASSERT_TRUE(uploads.push(upload(number)));
  gate.wait_for_the_first();
  uploads.withdraw(numbered(2));
  gate.open();
  EXPECT_EQ(uploads.drain(Uploads::Clock::now() + no_limit).entries, 0u);
  EXPECT_EQ(gate.came(), (std::vector{numbered(1), numbered(3)}));
}

TEST_F(UploadsTest, WhatIsBeingSentIsStoppedBeforeItCountsAsWithdrawn) {
  for (const std::uint32_t number : {1u, 2u}) ASSERT_TRUE(uploads.push(upload(number)));
  gate.wait_for_the_first();
  uploads.wait_for(uploads.withdraw(numbered(1)));
  EXPECT_EQ(gate.stopped(), 1) << "it was waited for";
  gate.open();
  EXPECT_EQ(uploads.drain(Uploads::Clock::now() + no_limit).entries, 0u);
  EXPECT_EQ(gate.came(), (std::vector{numbered(1), numbered(2)}));
}

TEST_F(UploadsTest, WhatIsWithdrawnLeavesItsRoom) {
  Upload large = upload(2);
  large.payload = Artifact::copy_of(std::string(capacity_bytes / 2, 'x')).value();
  ASSERT_TRUE(uploads.push(upload(1)));
  gate.wait_for_the_first();
  ASSERT_TRUE(uploads.push(large));
  EXPECT_FALSE(uploads.push(large));
  uploads.withdraw(numbered(2));
  EXPECT_TRUE(uploads.push(large));
  gate.open();
}

TEST_F(UploadsTest, AWaitInVainIsNotRepeatedUntilSomethingWasSent) {
  ASSERT_TRUE(uploads.push(upload(1)));
  EXPECT_EQ(uploads.drain(Uploads::Clock::now() + milliseconds(10)).entries, 1u);
  EXPECT_EQ(uploads.drain(Uploads::Clock::now() + std::chrono::hours(1)).entries, 0u) << "at once";
  gate.open();
  while (gate.came().size() < 2) {
    ASSERT_TRUE(uploads.push(upload(2)));
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(uploads.drain(Uploads::Clock::now() + no_limit).entries, 0u);
}

// A count alone would not do: of as many that are late now, others were late before.
TEST_F(UploadsTest, EachEntryThatIsLateOrLostIsToldOnce) {
  ASSERT_TRUE(uploads.push(upload(1)));
  ASSERT_TRUE(uploads.push(upload(2)));
  Unsent told = uploads.drain(Uploads::Clock::now());
  EXPECT_EQ(told.entries, 2u);
  EXPECT_EQ(told.first[0], numbered(1));
  EXPECT_EQ(told.first[1], numbered(2));
  EXPECT_EQ(uploads.drain(Uploads::Clock::now()).entries, 0u) << "they are known";
  gate.wait_for_the_first();
  uploads.withdraw(numbered(1));  // as if it had been sent
  ASSERT_TRUE(uploads.push(upload(3)));
  told = uploads.drain(Uploads::Clock::now());
  EXPECT_EQ(told.entries, 1u);
  EXPECT_EQ(told.first[0], numbered(3));
  ASSERT_TRUE(uploads.push(upload(4)));
  gate.lose_all();
  gate.open();
  told = uploads.drain(Uploads::Clock::now() + no_limit);
  EXPECT_EQ(told.entries, 1u) << "2 and 3 were told when they were late";
  EXPECT_EQ(told.first[0], numbered(4));
  Upload large = upload(5);
  large.payload = Artifact::copy_of(std::string(capacity_bytes, 'x')).value();
  for (std::uint32_t i = 0; i < 6; ++i) {
    large.fingerprint = numbered(5 + i / 2 * 2);
    EXPECT_FALSE(uploads.push(large));
  }
  EXPECT_EQ(uploads.drain(Uploads::Clock::now()).entries, 3u) << "each twice";
}

// None that arrived since, was taken back, or is lost once more.
TEST_F(UploadsTest, OnlyWhatIsStillLostIsToldToBe) {
  Upload large = upload(0);
  large.payload = Artifact::copy_of(std::string(capacity_bytes, 'x')).value();
  for (int round = 0; round < 2; ++round) {
    for (const std::uint32_t number : {1u, 2u, 3u, 4u, 5u, 6u}) {
      large.fingerprint = numbered(number);
      EXPECT_FALSE(uploads.push(large));
    }
  }
  uploads.withdraw(numbered(1));
  ASSERT_TRUE(uploads.push(upload(2)));
  gate.open();
  const Unsent told = uploads.drain(Uploads::Clock::now() + no_limit);
  EXPECT_EQ(told.entries, 4u);
  EXPECT_EQ(told.first[0], numbered(3));
}

TEST_F(UploadsTest, TheEndStopsWhatIsBeingSent) {
  ASSERT_TRUE(uploads.push(upload(1)));
  ASSERT_TRUE(uploads.push(upload(2)));
  gate.wait_for_the_first();
}  // the gate is never opened

std::shared_ptr<Store> waits_briefly_for(const std::shared_ptr<RemoteStore>& tier) {
  return make_backed_store({.local = make_memory_store().value(),
                            .tiers = {{tier}},
                            .drain_limit = milliseconds(10)})
      .value();
}

class HungServer : public testing::TestWithParam<const char*> {};

// A server that takes a connection and says nothing, with limits that would be waited for far too
// long: the store's end does not wait for them, and nobody believes the server to be down.
TEST_P(HungServer, IsNotWaitedForAtTheEnd) {
  std::latch asked(1);
  HostileServer server([&](Peer& peer) {
    peer.read();
    asked.count_down();
    peer.hang();
  });
  RemoteStoreOptions options = options_of(GetParam() + std::to_string(server.port()));
  options.breaker.failures = 1;
  options.timeouts = {milliseconds(5000), std::chrono::hours(1), std::chrono::hours(1)};
  const auto tier = opened(options);
  auto store = waits_briefly_for(tier);
  ASSERT_TRUE(store->put(numbered(1), bytes_of("x")));
  asked.wait();
  store.reset();
  EXPECT_EQ(tier->remote_metrics().breaker_openings, 0u);
}

// What was found out before the end is kept: else nobody who only puts ever knew.
class ServerThatStaysHung : public testing::TestWithParam<const char*> {};

TEST_P(ServerThatStaysHung, IsLeftAloneThoughItsLastAttemptWasStopped) {
  std::latch asked(2);
  HostileServer server(
      [&](Peer& peer) {
        peer.read();
        if (!asked.try_wait()) asked.count_down();  // below zero nobody would wake
        peer.hang();
      },
      Serves::all_at_once);
  RemoteStoreOptions options = options_of(GetParam() + std::to_string(server.port()));
  options.breaker.failures = 1;
  options.timeouts = {milliseconds(5000), milliseconds(500), std::chrono::hours(1)};
  const auto tier = opened(options);
  auto store = waits_briefly_for(tier);
  ASSERT_TRUE(store->put(numbered(1), bytes_of("x")));
  asked.wait();  // the second attempt
  store.reset();
  EXPECT_EQ(tier->remote_metrics().breaker_openings, 1u);
}

INSTANTIATE_TEST_SUITE_P(Transports, ServerThatStaysHung,
                         testing::Values("redis://127.0.0.1:", "webdav://127.0.0.1:"));

INSTANTIATE_TEST_SUITE_P(Transports, HungServer,
                         testing::Values("redis://127.0.0.1:", "webdav://127.0.0.1:",
                                         "redis-cluster://127.0.0.1:"));

}  // namespace
}  // namespace larder
