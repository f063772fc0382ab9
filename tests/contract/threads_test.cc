// What any number of threads may do at once.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "tests/contract/store_contract.h"

namespace larder {
namespace {

constexpr unsigned thread_count = 8;

class ThreadsContract : public StoreContract {
 protected:
  template <class Body>
  static void in_threads(const Body& body) {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < thread_count; ++i) threads.emplace_back([&body, i] { body(i); });
  }
};

TEST_P(ThreadsContract, BytesOfTwoPutsAreNeverMixed) {
  const std::vector<std::string> versions = {payload_of(20'000, 1), payload_of(20'000, 2),
                                             payload_of(300, 3)};
  put(numbered(1), versions[0]);
  std::mutex mutex;
  std::set<std::string> wrong;
  const auto note = [&](const std::string& what) {
    const std::scoped_lock lock(mutex);
    wrong.insert(what);
  };
  in_threads([&](unsigned thread) {
    for (unsigned turn = 0; turn < 60; ++turn) {
      if (thread % 2 == 0) {
        const auto stored = store_->put(numbered(1), bytes_of(versions[(turn + thread) % 3]));
        if (!stored) note(stored.error().message);
        continue;
      }
      // An entry that is being replaced is there all the time, the old or the new one.
      const std::string now = text_of(numbered(1));
      if (std::ranges::find(versions, now) == versions.end()) {
        note(now.size() < 300 ? now : "a mixture of " + std::to_string(now.size()) + " bytes");
      }
    }
  });
  EXPECT_EQ(wrong, std::set<std::string>{});
}

TEST_P(ThreadsContract, MetricsBalanceAfterAMixOfEverything) {
  const Metrics before = store_->metrics();
  std::atomic<std::uint64_t> lookups = 0;
  std::atomic<std::uint64_t> hits = 0;
  std::atomic<int> wrong = 0;
  in_threads([&](unsigned thread) {
    for (unsigned turn = 0; turn < 60; ++turn) {
      const std::uint32_t number = (turn * 5 + thread * 3) % 24;
      const std::string payload = payload_of(100 + number, static_cast<std::uint8_t>(number));
      switch ((turn + thread) % 6) {
        case 0:
          if (!store_->put(numbered(number), bytes_of(payload))) ++wrong;
          break;
        case 1:
          if (!store_->remove(numbered(number))) ++wrong;
          break;
        case 2: {
          const auto there = store_->contains(numbered(number));
          if (!there) ++wrong;
          ++lookups;
          if (there && *there) ++hits;
          break;
        }
        case 3:
          if (turn % 4 == 0 && !store_->flush()) ++wrong;
          break;
        default: {
          const auto found = store_->get(numbered(number));
          ++lookups;
          if (!found || (*found && (*found)->text() != payload)) ++wrong;
          if (found && *found) ++hits;
        }
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  const Metrics delta = store_->metrics().since(before);
  EXPECT_TRUE(delta.balanced());
  EXPECT_EQ(delta.lookups, lookups);
  EXPECT_EQ(delta.hits, hits);
  EXPECT_EQ(delta.absent, lookups - hits);
}

TEST_P(ThreadsContract, OneThreadOfManyGetsTheLease) {
  std::atomic<int> holders = 0;
  std::atomic<int> most = 0;
  std::atomic<int> granted = 0;
  in_threads([&](unsigned) {
    for (int turn = 0; turn < 50; ++turn) {
      const auto lease = store_->try_lease(numbered(1));
      if (!lease || *lease == nullptr) continue;
      most = std::max<int>(most, ++holders);
      ++granted;
      std::this_thread::yield();
      --holders;
    }
  });
  EXPECT_GE(granted, 1);
  EXPECT_EQ(most, 1);
}

TEST_P(ThreadsContract, ClearAndVisitRunBesidePuts) {
  std::atomic<int> wrong = 0;
  in_threads([&](unsigned thread) {
    for (unsigned turn = 0; turn < 30; ++turn) {
      if (thread == 0 && turn % 10 == 0) {
        if (!store_->clear()) ++wrong;
      } else if (thread == 1) {
        const auto visited = store_->visit([](const EntryInfo&) { return Visit::go_on; });
        if (!visited) ++wrong;
      } else if (!store_->put(numbered(turn * 8 + thread), bytes_of("x"))) {
        ++wrong;
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(store_->clear());
  EXPECT_EQ(text_of(numbered(7)), "absent");
}

LARDER_OVER_EVERY_STORE(ThreadsContract);

}  // namespace
}  // namespace larder
