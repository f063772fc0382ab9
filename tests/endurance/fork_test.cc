// A process with busy threads forks, and each child goes on with what it inherited: it must neither
// hang on what another thread of the parent held, nor do the parent's work a second time. Over
// every kind of store that is on disk.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "larder/cache.h"
#include "larder/pack_store.h"

// Children flush, which starts threads; ThreadSanitizer forbids that by default.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }

namespace larder {
namespace {

constexpr int forks = 100;  // of each kind of store; slow under a sanitizer
constexpr unsigned child_lifetime_s = 20;

Fingerprint numbered(int number) {
  Fingerprint fingerprint;
  fingerprint.bytes[0] = static_cast<std::uint8_t>(number % 251);
  fingerprint.bytes[1] = static_cast<std::uint8_t>(number / 251);
  return fingerprint;
}

std::span<const std::byte> payload() {
  static constexpr std::string_view text = "a payload";
  return std::as_bytes(std::span(text));
}

// The exit status of a child that runs `body`, or minus the signal that ended it. The child leaves
// without destructors of its own, so that `body` says what is destroyed there.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(child_lifetime_s);
    ::_exit(body());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// Threads that call `work` with rising numbers until the end of the scope.
class Busy {
 public:
  Busy(int threads, const std::function<void(int)>& work) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, i, work] {
        for (int round = i; !stop_; ++round) work(round);
      });
    }
  }
  ~Busy() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

class MemoryFork : public testing::Test {};

class Fork : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "larder_fork_").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Cache open_cache() const { return open({.location = location()}).value(); }
  std::shared_ptr<Store> open_again() const {
    return open_store({.location = parse_location(location()).value()}).value();
  }

  // Memory over files that are written by a flush.
  std::shared_ptr<Store> open_behind() const {
    return make_layered_store(
               {.tiers = {{make_memory_store().value()}, {open_again(), TierWrite::behind}}})
        .value();
  }

 private:
  std::string location() const { return GetParam() + ":" + (directory_ / "store").string(); }

  std::filesystem::path directory_;
};

INSTANTIATE_TEST_SUITE_P(Over, Fork, testing::Values("file", "pack"),
                         [](const auto& kind) { return kind.param; });

// 0 when every call does in the child what it does elsewhere.
int use(Cache& cache) {
  if (cache.metrics().lookups != 0) return 1;
  if (!cache.put(numbered(1), payload())) return 2;
  const auto found = cache.get(numbered(1));
  if (!found || !*found || (*found)->text() != "a payload") return 3;
  const auto compiled =
      cache.get_or_compile(numbered(2000), [] { return Artifact::copy_of("a payload"); });
  if (!compiled) return 4;
  if (!cache.flush()) return 5;
  if (!cache.durability().durable) return 6;
  return cache.metrics().lookups == 2 ? 0 : 7;
}

TEST_P(Fork, ChildrenOfABusyProcessUseItsCache) {
  Cache cache = open_cache();
  const Busy busy(4, [&](int round) {
    const Fingerprint fingerprint = numbered(round % 16);
    (void)cache.get_or_compile(fingerprint, [] { return Artifact::copy_of("a payload"); });
    (void)cache.put(fingerprint, payload());
    (void)cache.metrics();
    if (round % 8 == 0) (void)cache.remove(fingerprint);
    if (round % 64 == 0) (void)cache.flush();
  });
  for (int i = 0; i < forks; ++i) ASSERT_EQ(in_child([&] { return use(cache); }), 0) << i;
}

TEST_P(Fork, AChildMayDestroyWhatItNeverUsed) {
  std::optional<Cache> cache(open_cache());
  std::shared_ptr<Store> behind = open_behind();
  const Busy busy(4, [&](int round) {
    (void)cache->put(numbered(round % 16), payload());
    (void)cache->metrics();
    (void)behind->put(numbered(round % 16), payload());
  });
  for (int i = 0; i < forks; ++i) {
    ASSERT_EQ(in_child([&] {
                cache.reset();
                behind.reset();
                return 0;
              }),
              0)
        << i;
  }
}

TEST_F(MemoryFork, AChildStartsEmpty) {
  const auto store = make_memory_store().value();
  ASSERT_TRUE(store->put(numbered(1), payload()));
  ASSERT_TRUE(store->add_statistics({.lookups = 5}));
  const auto held = store->get(numbered(1)).value();
  const auto lease = store->try_lease(numbered(1)).value();
  EXPECT_EQ(in_child([&] {
              if (store->metrics() != Metrics{} || *store->statistics() != Metrics{}) return 1;
              if (store->get(numbered(1)).value()) return 2;
              if (!store->try_lease(numbered(1)).value()) return 3;
              return held->text() == "a payload" ? 0 : 4;  // what it has stays
            }),
            0);
  EXPECT_TRUE(store->get(numbered(1)).value());
  EXPECT_FALSE(store->try_lease(numbered(1)).value());
}

TEST_F(MemoryFork, AChildEndsInheritedLeasesWithoutWaiting) {
  const auto store = make_memory_store().value();
  const Busy busy(4, [&](int round) { (void)store->try_lease(numbered(round % 4)); });
  for (int i = 0; i < forks; ++i) {
    auto lease = store->try_lease(numbered(100)).value();
    ASSERT_EQ(in_child([&] {
                lease.reset();
                return 0;
              }),
              0)
        << i;
  }
}

TEST_P(Fork, AChildDoesNotReleaseALeaseOfItsParent) {
  const auto store = open_again();
  auto lease = store->try_lease(numbered(1)).value();
  ASSERT_TRUE(lease);
  EXPECT_EQ(in_child([&] {
              lease.reset();
              return 0;
            }),
            0);
  EXPECT_FALSE(open_again()->try_lease(numbered(1)).value());
  lease.reset();
  EXPECT_TRUE(open_again()->try_lease(numbered(1)).value());
}

TEST_P(Fork, OnlyTheParentWritesWhatItHasQueued) {
  std::shared_ptr<Store> behind = open_behind();
  ASSERT_TRUE(behind->put(numbered(1), payload()));
  const auto child = [&](bool use_it) {
    if (use_it) {
      if (behind->durability().pending != 0) return 1;
      if (behind->get(numbered(1)).value())
        return 2;  // visible to the parent alone until its flush
      if (!behind->put(numbered(2), payload()) || !behind->flush()) return 3;
    }
    behind.reset();
    return 0;
  };
  EXPECT_EQ(in_child([&] { return child(false); }), 0);
  EXPECT_EQ(in_child([&] { return child(true); }), 0);
  EXPECT_FALSE(open_again()->get(numbered(1)).value());
  EXPECT_TRUE(open_again()->get(numbered(2)).value());
  ASSERT_TRUE(behind->flush());
  EXPECT_TRUE(open_again()->get(numbered(1)).value());
}

TEST_P(Fork, EveryCounterIsAddedOnce) {
  constexpr int children = 8;
  {
    std::optional<Cache> cache(open_cache());
    ASSERT_TRUE(cache->put(numbered(1), payload()));
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(cache->get(numbered(1)).value());
    for (int i = 0; i < children; ++i) {
      EXPECT_EQ(in_child([&] {
                  const bool works = cache->put(numbered(i + 10), payload()).has_value() &&
                                     cache->get(numbered(1)).value();
                  cache.reset();  // adds what this child counted
                  return works ? 0 : 1;
                }),
                0);
      EXPECT_EQ(in_child([&] {
                  cache.reset();
                  return 0;
                }),
                0);
    }
  }
  const Metrics kept = open_again()->statistics().value();
  EXPECT_EQ(kept.lookups, 1000u + children);
  EXPECT_EQ(kept.hits, 1000u + children);
  EXPECT_EQ(kept.puts, 1u + children);
}

// A segment of a pack stays its parent's: nobody else may go on in it, and what the parent put
// before and after the fork is there.
TEST_P(Fork, AChildThatUsesAStoreLeavesItsParentsPutsAlone) {
  std::shared_ptr<Store> store = open_again();
  for (int i = 0; i < 60; i += 3) {
    ASSERT_TRUE(store->put(numbered(i), payload()));
    EXPECT_EQ(in_child([&] {
                if (store->durability().pending != 0) return 1;
                if (!store->put(numbered(i + 1), payload())) return 2;
                if (!store->get(numbered(i)).value()) return 3;
                store.reset();
                return 0;
              }),
              0);
    ASSERT_TRUE(open_again()->put(numbered(i + 2), payload()));
    EXPECT_EQ(store->durability().pending, 1u);
    ASSERT_TRUE(store->flush());
  }
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(store->get(numbered(i)).value()) << i;
  store.reset();
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(open_again()->get(numbered(i)).value()) << i;
}

// A host may fork within its compile function, and come back from it in the child as well.
TEST_P(Fork, ACompileThatReturnsTwice) {
  Cache cache = open_cache();
  const Busy busy(4, [&](int round) {
    (void)cache.get_or_compile(numbered(round), [] { return Artifact::copy_of("another"); });
  });
  for (int i = 0; i < 20; ++i) {
    pid_t child = -1;
    const auto made = cache.get_or_compile(numbered(40'000 + i), [&] {
      child = ::fork();
      if (child == 0) ::alarm(child_lifetime_s);
      return Artifact::copy_of("a payload");
    });
    if (child == 0) ::_exit(made && made->text() == "a payload" ? 0 : 1);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << i;
    ASSERT_TRUE(made);
  }
}

}  // namespace
}  // namespace larder
