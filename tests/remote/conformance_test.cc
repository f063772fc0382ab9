// One suite over every kind of server, real ones: what comes back, what does not, and what trouble
// of each kind is told as. What is of one protocol alone has tests of its own beside this one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "tests/contract/store_contract.h"
#include "tests/remote/backends.h"
#include "tests/remote/remote_calls.h"
#include "tests/remote/trouble_proxy.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

class Conformance : public testing::TestWithParam<BackendKind> {
 protected:
  void SetUp() override { backend_ = GetParam().make(); }

  // In a hurry, but for a busy machine: trouble is to be told soon.
  static RemoteStoreOptions hurried(RemoteStoreOptions options) {
    options.timeouts = {milliseconds(2000), milliseconds(400), milliseconds(1000)};
    return options;
  }
  static void put(RemoteStore& store, std::uint32_t number, std::string_view payload) {
    const auto stored = store.put(numbered(number), bytes_of(payload));
    ASSERT_TRUE(stored) << stored.error().message;
  }
  static std::string outcome(RemoteStore& store, std::uint32_t number) {
    const auto found = store.get(numbered(number));
    if (!found) return std::string(errc_name(found.error().code));
    return *found ? std::string((*found)->text()) : "absent";
  }

  // That times LARDER_TORTURE, where it is set.
  static std::uint32_t keys(std::uint32_t usual) {
    const char* const factor = std::getenv("LARDER_TORTURE");
    return usual * (factor == nullptr ? 1 : static_cast<std::uint32_t>(std::stoul(factor)));
  }

  bool is_ours() const {
    if (!backend_->processes().empty()) return true;
    std::cout << "SKIPPED: the server serves others too, and is not stopped" << std::endl;
    return false;
  }

  std::unique_ptr<Backend> backend_;
};

TEST_P(Conformance, EverySizeComesBackAndIsReplacedAndRemoved) {
  if (!backend_) return;
  const auto store = opened(backend_->options());
  EXPECT_EQ(outcome(*store, 1), "absent");
  EXPECT_EQ(store->remove(numbered(1)), false);
  for (const std::size_t size : {0u, 1u, 65'536u, 20u << 20}) {
    const std::string payload = payload_of(size, 7);
    put(*store, 1, payload);
    EXPECT_TRUE(outcome(*store, 1) == payload) << size;
    EXPECT_TRUE(store->put(numbered(1), bytes_of(payload))) << "the same again";
  }
  EXPECT_EQ(store->remote_metrics().uploads, 4u);
  EXPECT_EQ(store->remote_metrics().uploads_unchanged, 4u);
  EXPECT_EQ(store->remove(numbered(1)), true);
  EXPECT_EQ(outcome(*store, 1), "absent");
  EXPECT_TRUE(store->remote_metrics().balanced());
}

TEST_P(Conformance, ManyKeysAreToldApart) {
  if (!backend_) return;
  const auto store = opened(backend_->options());
  std::vector<Fingerprint> all;
  const std::uint32_t count = keys(300);
  for (std::uint32_t i = 0; i < count; ++i) {
    all.push_back(numbered(i));
    if (i % 2 == 0) put(*store, i, std::to_string(i));
  }
  const auto found = store->get_many(all).value();
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_TRUE(found[i]) << found[i].error().message;
    ASSERT_EQ(found[i]->has_value(), i % 2 == 0) << i;
    EXPECT_TRUE(!*found[i] || (**found[i]).text() == std::to_string(i));
  }
}

TEST_P(Conformance, ManyMayPutTheSameAtOnce) {
  if (!backend_) return;
  const auto store = opened(backend_->options());
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&store, i] {
      const std::string payload = payload_of(100'000, static_cast<std::uint64_t>(i));
      for (int round = 0; round < 5; ++round) {
        const auto stored = store->put(numbered(1), bytes_of(payload));
        EXPECT_TRUE(stored) << stored.error().message;
        const auto found = store->get(numbered(1));
        ASSERT_TRUE(found) << found.error().message;
        EXPECT_TRUE(*found) << "absent";
      }
    });
  }
  threads.clear();
  EXPECT_EQ(store->get(numbered(1)).value()->size(), 100'000u);
  EXPECT_EQ(store->remote_metrics().corrupt, 0u);
}

TEST_P(Conformance, ABitFlippedInTheServersOwnCopyIsAMissUntilItIsPutAgain) {
  if (!backend_) return;
  const auto store = opened(backend_->options());
  put(*store, 1, "payload");
  const std::string good = backend_->object(1);
  ASSERT_GT(good.size(), 130u);
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{50}, std::size_t{130}, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    backend_->set_object(1, bad);
    EXPECT_EQ(outcome(*store, 1), "corrupt") << at;
  }
  put(*store, 1, "payload");
  EXPECT_EQ(outcome(*store, 1), "payload");
  EXPECT_TRUE(backend_->object(1) == good);
}

TEST_P(Conformance, TwoObjectsSwappedOnTheServerAreServedUnderNeitherName) {
  if (!backend_) return;
  const auto store = opened(backend_->options());
  put(*store, 1, "one");
  put(*store, 2, "two");
  const std::string first = backend_->object(1);
  backend_->set_object(1, backend_->object(2));
  backend_->set_object(2, first);
  EXPECT_EQ(outcome(*store, 1), "corrupt");
  EXPECT_EQ(outcome(*store, 2), "corrupt");
}

TEST_P(Conformance, AnObjectCutOffOnTheServerIsAMiss) {
  if (!backend_) return;
  const auto store = opened(backend_->options());
  put(*store, 1, payload_of(10'000, 1));
  const std::string good = backend_->object(1);
  for (const std::size_t length : {std::size_t{1}, std::size_t{128}, good.size() - 1}) {
    backend_->set_object(1, good.substr(0, length));
    EXPECT_EQ(outcome(*store, 1), "corrupt") << length;
  }
}

TEST_P(Conformance, WhatIsTooLargeIsNeitherReadNorSent) {
  if (!backend_) return;
  put(*opened(backend_->options()), 1, payload_of(10'000, 1));
  RemoteStoreOptions options = backend_->options();
  options.max_entry_bytes = 1000;
  const auto store = opened(options);
  EXPECT_EQ(outcome(*store, 1), "too_large");
  EXPECT_EQ(store->remote_metrics().skipped, 1u);
  EXPECT_EQ(store->put(numbered(2), bytes_of(payload_of(1001, 1))).error().code, Errc::too_large);
  const auto small = backend_->small();
  if (!small) return;
  const auto limited = opened(*small);
  EXPECT_EQ(limited->put(numbered(2), bytes_of(payload_of(5000, 1))).error().code, Errc::too_large);
  EXPECT_EQ(outcome(*limited, 2), "absent");
}

TEST_P(Conformance, WhoMayOnlyReadReads) {
  if (!backend_) return;
  put(*opened(backend_->options()), 1, "x");
  const auto options = backend_->read_only();
  if (!options) {
    std::cout << "SKIPPED: this server has no user who may only read" << std::endl;
    return;
  }
  const auto store = opened(*options);
  const auto refused = store->put(numbered(2), bytes_of("y"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied) << refused.error().message;
  EXPECT_EQ(outcome(*store, 1), "x") << "reads go on";
  EXPECT_EQ(outcome(*opened(backend_->options()), 2), "absent");
}

TEST_P(Conformance, AWrongPasswordIsRefusedAndNotRepeated) {
  if (!backend_) return;
  const auto options = backend_->with_wrong_password();
  ASSERT_TRUE(options);
  const auto store = opened(*options);
  const auto found = store->get(numbered(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::permission_denied) << found.error().message;
  EXPECT_EQ(found.error().message.find("falsch"), std::string::npos);
  EXPECT_EQ(store->put(numbered(1), bytes_of("x")).error().code, Errc::permission_denied);
}

TEST_P(Conformance, AServerThatHangsIsLateAndIsSpokenToAgain) {
  if (!backend_ || !is_ours()) return;
  RemoteStoreOptions options = hurried(backend_->options());
  options.breaker = {1, milliseconds(1)};
  const auto store = opened(options);
  put(*store, 1, "one");
  put(*store, 2, "two");
  for (ServerProcess* process : backend_->processes()) process->freeze();
  EXPECT_EQ(outcome(*store, 1), "timed_out");
  EXPECT_EQ(store->remote_metrics().breaker_openings, 1u);
  for (ServerProcess* process : backend_->processes()) process->thaw();
  EXPECT_TRUE(ServerProcess::comes_up([&] {
    const std::string two = outcome(*store, 2);
    EXPECT_NE(two, "one") << "a late answer to another question";
    return two == "two" && outcome(*store, 1) == "one";
  }));
  EXPECT_EQ(store->remote_metrics().corrupt, 0u);
  EXPECT_TRUE(store->remote_metrics().balanced());
}

TEST_P(Conformance, AServerThatIsGoneIsUnreachable) {
  if (!backend_ || !is_ours()) return;
  const auto store = opened(hurried(backend_->options()));
  put(*store, 1, "x");
  for (ServerProcess* process : backend_->processes()) process->end();
  EXPECT_EQ(outcome(*store, 1), "unreachable");
  EXPECT_EQ(store->put(numbered(2), bytes_of("y")).error().code, Errc::unreachable);
}

// The answer is cut off, drips, or stops, at its first byte and in its middle.
TEST_P(Conformance, TroubleOnTheWayIsTold) {
  if (!backend_) return;
  if (!backend_->port()) {
    std::cout << "SKIPPED: the servers of a cluster are found past a proxy" << std::endl;
    return;
  }
  put(*opened(backend_->options()), 1, payload_of(100'000, 1));
  TroubleProxy proxy(*backend_->port());
  RemoteStoreOptions options = backend_->by_way_of(proxy.port());
  const auto patient = opened(options);
  options.timeouts = {milliseconds(2000), milliseconds(200), milliseconds(300)};
  const auto store = opened(options);
  EXPECT_TRUE(outcome(*patient, 1) == payload_of(100'000, 1));
  for (const std::uint64_t after : {0u, 50'000u}) {
    proxy.make(OnTheWay::cut, after);
    EXPECT_EQ(outcome(*store, 1), "unreachable") << after;
    proxy.make(OnTheWay::drip, after);
    EXPECT_EQ(outcome(*store, 1), "timed_out") << after;
    proxy.make(OnTheWay::silence, after);
    EXPECT_EQ(outcome(*store, 1), "timed_out") << after;
  }
  proxy.make(OnTheWay::nothing, 0);
  EXPECT_TRUE(outcome(*patient, 1) == payload_of(100'000, 1));
  EXPECT_TRUE(store->remote_metrics().balanced());
}

INSTANTIATE_TEST_SUITE_P(Backends, Conformance, testing::ValuesIn(backend_kinds()),
                         [](const testing::TestParamInfo<BackendKind>& tested) {
                           return std::string(tested.param.name);
                         });

}  // namespace
}  // namespace larder
