// One compile among threads; what the tests of processes cannot see from outside.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include "larder/cache.h"
#include "tests/unit/fake_store.h"

namespace larder {
namespace {

using namespace std::chrono_literals;

const Fingerprint key = {{1}};
const Fingerprint other_key = {{2}};
constexpr int threads = 16;

template <class Body>
void in_threads(Body body) {
  std::vector<std::jthread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back([&body, i] { body(i); });
}

TEST(SingleFlight, ThreadsCompileOnce) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store);
  std::atomic<int> runs = 0;
  std::latch ready(threads);
  in_threads([&](int) {
    ready.arrive_and_wait();
    const auto result = cache.get_or_compile(key, [&] {
      ++runs;
      std::this_thread::sleep_for(50ms);
      return Artifact::copy_of("binary");
    });
    EXPECT_EQ(result.value().text(), "binary");
  });
  EXPECT_EQ(runs, 1);
  const Metrics metrics = cache.metrics();
  EXPECT_EQ(metrics.lookups, 16u);
  EXPECT_EQ(metrics.compiles, 1u);
  EXPECT_EQ(metrics.compile_waits + metrics.hits, 15u);
  EXPECT_TRUE(metrics.balanced());
}

TEST(SingleFlight, FollowersGetTheResultOfAStoreThatKeepsNothing) {
  const auto store = std::make_shared<FakeStore>();
  store->put_error = Errc::no_space;
  Cache cache(store);
  std::atomic<int> inside = 0;
  in_threads([&](int) {
    const auto result = cache.get_or_compile(key, [&] {
      // Ends only when everybody else has looked up, and so joins this flight.
      while (cache.metrics().lookups < threads) std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(100ms);
      return Artifact::copy_of("binary");
    });
    if (result) ++inside;
  });
  EXPECT_EQ(inside, threads);
  // A thread that was slow to join led a flight of its own.
  const Metrics metrics = cache.metrics();
  EXPECT_EQ(metrics.compile_waits + metrics.compiles, 16u);
  EXPECT_GE(metrics.compile_waits, 8u);
}

TEST(SingleFlight, CachesOfOneStoreCompileOnce) {
  const auto store = std::make_shared<FakeStore>();
  std::atomic<int> runs = 0;
  in_threads([&](int) {
    Cache cache(store);
    const auto result = cache.get_or_compile(key, [&] {
      ++runs;
      std::this_thread::sleep_for(50ms);
      return Artifact::copy_of("binary");
    });
    EXPECT_EQ(result.value().text(), "binary");
  });
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(store->leases_held(), 0u);
}

TEST(SingleFlight, FollowersOfAThrowingCompileCompileForThemselves) {
  Cache cache(std::make_shared<FakeStore>(), {.wait_limit = 1h});
  std::atomic<int> runs = 0;
  std::atomic<int> thrown = 0;
  std::atomic<int> served = 0;
  in_threads([&](int) {
    try {
      const auto result = cache.get_or_compile(key, [&]() -> Result<Artifact> {
        if (++runs == 1) {
          std::this_thread::sleep_for(50ms);
          throw std::runtime_error("the first one fails");
        }
        return Artifact::copy_of("binary");
      });
      if (result) ++served;
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(thrown, 1);
  EXPECT_EQ(served, threads - 1);
}

TEST(SingleFlight, AFollowerCompilesForItselfAfterTheWaitLimit) {
  Cache cache(std::make_shared<FakeStore>(), {.wait_limit = 20ms});
  std::latch leading(1);
  std::latch follower_done(1);
  std::jthread leader([&] {
    const auto result = cache.get_or_compile(key, [&] {
      leading.count_down();
      follower_done.wait();  // longer than any follower waits
      return Artifact::copy_of("of the leader");
    });
    EXPECT_EQ(result.value().text(), "of the leader");
  });
  leading.wait();
  const auto result =
      cache.get_or_compile(key, [] { return Artifact::copy_of("of the follower"); });
  EXPECT_EQ(result.value().text(), "of the follower");
  follower_done.count_down();
}

TEST(SingleFlight, AHeldLeaseIsWaitedForAndThenPassedOver) {
  const auto store = std::make_shared<FakeStore>();
  const auto lease = store->try_lease(key);
  Cache cache(store, {.wait_limit = 20ms});
  const auto result = cache.get_or_compile(key, [] { return Artifact::copy_of("binary"); });
  EXPECT_EQ(result.value().text(), "binary");
  EXPECT_GT(store->lease_tries(), 2);
}

TEST(SingleFlight, WhoWaitsForALeaseTakesTheOwnersResult) {
  const auto store = std::make_shared<FakeStore>();
  auto lease = store->try_lease(key);
  Cache cache(store, {.wait_limit = 1h});
  std::jthread owner([&] {
    while (store->lease_tries() < 3) std::this_thread::sleep_for(1ms);
    const auto payload = Artifact::copy_of("of the owner").value();
    ASSERT_TRUE(store->put(key, payload.bytes(), {}).has_value());
  });  // and keeps the lease: a result is enough
  const auto result = cache.get_or_compile(key, [] { return Artifact::copy_of("mine"); });
  EXPECT_EQ(result.value().text(), "of the owner");
  EXPECT_EQ(cache.metrics().compiles, 0u);
  EXPECT_EQ(cache.metrics().compile_waits, 1u);
  EXPECT_EQ(cache.metrics().lookups, 1u);
}

TEST(SingleFlight, AReleasedLeaseWithoutAResultIsTakenOver) {
  const auto store = std::make_shared<FakeStore>();
  auto lease = store->try_lease(key);
  Cache cache(store, {.wait_limit = 1h});
  std::jthread owner([&] {
    while (store->lease_tries() < 3) std::this_thread::sleep_for(1ms);
    lease->reset();
  });
  const auto result = cache.get_or_compile(key, [] { return Artifact::copy_of("mine"); });
  EXPECT_EQ(result.value().text(), "mine");
}

TEST(SingleFlight, ACompileMayAskForAnotherFingerprint) {
  Cache cache(std::make_shared<FakeStore>(), {.wait_limit = 1h});
  const auto result = cache.get_or_compile(key, [&]() -> Result<Artifact> {
    const auto header = cache.get_or_compile(other_key, [] { return Artifact::copy_of("header"); });
    return Artifact::copy_of(std::string(header.value().text()) + " and body");
  });
  EXPECT_EQ(result.value().text(), "header and body");
}

TEST(SingleFlight, ACompileThatAsksForItselfDoesNotHang) {
  Cache cache(std::make_shared<FakeStore>(), {.wait_limit = 1h});
  const auto result = cache.get_or_compile(
      key, [&] { return cache.get_or_compile(key, [] { return Artifact::copy_of("inner"); }); });
  EXPECT_EQ(result.value().text(), "inner");
}

TEST(SingleFlight, AnEndlessWaitLimitDoesNotOverflow) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store, {.wait_limit = std::chrono::milliseconds::max()});
  auto lease = store->try_lease(key);
  std::jthread owner([&] {
    while (store->lease_tries() < 5) std::this_thread::sleep_for(1ms);
    lease->reset();
  });
  EXPECT_TRUE(cache.get_or_compile(key, [] { return Artifact::copy_of("x"); }).has_value());
  EXPECT_GE(store->lease_tries(), 5);
}

}  // namespace
}  // namespace larder
