// The policy of a cache: modes, counting, and that a broken store costs time only.
#include "larder/cache.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

#include "tests/unit/fake_store.h"

namespace larder {
namespace {

const Fingerprint key = {{1, 2, 3}};

struct Kernel {
  std::string source;
};

Recipe recipe(const Kernel& kernel) {
  return Recipe("example.org 2026-11 test v1").field("source", kernel.source);
}

struct Nameless {};

Recipe recipe(const Nameless&) { return Recipe(""); }

// A compiler that counts its runs.
struct Compiler {
  int runs = 0;
  std::function<Result<Artifact>()> of(std::string text) {
    return [this, text] {
      ++runs;
      return Artifact::copy_of(text);
    };
  }
};

std::shared_ptr<FakeStore> holding(std::string_view text) {
  auto store = std::make_shared<FakeStore>();
  EXPECT_TRUE(store->put(key, std::as_bytes(std::span(text)), {}).has_value());
  return store;
}

TEST(Cache, CompilesOnceThenHits) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store);
  Compiler compiler;
  EXPECT_EQ(cache.get_or_compile(key, compiler.of("binary")).value().text(), "binary");
  EXPECT_EQ(cache.get_or_compile(key, compiler.of("other")).value().text(), "binary");
  EXPECT_EQ(compiler.runs, 1);
  EXPECT_EQ(store->leases_held(), 0u);
  const Metrics metrics = cache.metrics();
  EXPECT_TRUE(metrics.balanced());
  EXPECT_EQ(metrics.lookups, 2u);
  EXPECT_EQ(metrics.hits, 1u);
  EXPECT_EQ(metrics.absent, 1u);
  EXPECT_EQ(metrics.hit_bytes, 6u);
  EXPECT_EQ(metrics.compiles, 1u);
  EXPECT_EQ(metrics.puts, 1u);
  EXPECT_EQ(metrics.entries, 1u);
}

TEST(Cache, CompileGetsTheObjectThatWasFingerprinted) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store);
  const Kernel kernel{.source = "kernel void k() {}"};
  const Kernel* given = nullptr;
  const auto compile = [&](const Kernel& k) {
    given = &k;
    return Artifact::copy_of(k.source);
  };
  ASSERT_TRUE(cache.get_or_compile(kernel, compile).has_value());
  EXPECT_EQ(given, &kernel);
  const Recipe made = recipe(kernel);
  const auto details = store->inspect(made.fingerprint().value());
  ASSERT_TRUE(details.value().has_value());
  EXPECT_EQ((*details)->recipe, made.encode());
}

TEST(Cache, RefusesAWrongRecipeAndAMissingCompiler) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store);
  EXPECT_EQ(cache.get_or_compile(key, {}).error().code, Errc::invalid_argument);
  const auto compile = [](const Nameless&) { return Artifact::copy_of("binary"); };
  EXPECT_EQ(cache.get_or_compile(Nameless{}, compile).error().code, Errc::invalid_argument);
  EXPECT_EQ(store->metrics().lookups, 0u);
}

TEST(Cache, ABrokenStoreCostsTimeOnly) {
  const auto outcome = [](Errc code, std::uint64_t Metrics::* counter) {
    const auto store = std::make_shared<FakeStore>();
    store->get_error = store->put_error = store->lease_error = code;
    std::vector<std::string> logged;
    const auto log = [&](LogLevel, std::string_view line) { logged.emplace_back(line); };
    Cache cache(store, {.log = log});
    Compiler compiler;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(cache.get_or_compile(key, compiler.of("binary")).value().text(), "binary");
      EXPECT_FALSE(cache.get(key).value().has_value());
    }
    EXPECT_EQ(compiler.runs, 3);
    EXPECT_EQ(logged.size(), 1u);
    EXPECT_EQ(cache.metrics().*counter, 6u) << errc_name(code);
    EXPECT_EQ(cache.metrics().lookups, 6u);
    EXPECT_TRUE(cache.metrics().balanced());
  };
  outcome(Errc::corrupt, &Metrics::corrupt);
  outcome(Errc::not_ours, &Metrics::skipped);
  outcome(Errc::too_large, &Metrics::skipped);
  outcome(Errc::io_error, &Metrics::io_errors);
  outcome(Errc::permission_denied, &Metrics::io_errors);
  outcome(Errc::out_of_memory, &Metrics::io_errors);
}

TEST(Cache, PlainVerbsTellTheTruth) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store);
  const auto payload = Artifact::copy_of("binary").value();
  EXPECT_TRUE(cache.put(key, payload.bytes()).has_value());
  EXPECT_TRUE(cache.remove(key).value());
  EXPECT_FALSE(cache.remove(key).value());
  store->put_error = Errc::no_space;
  EXPECT_EQ(cache.put(key, payload.bytes()).error().code, Errc::no_space);
  EXPECT_EQ(cache.durability().pending, 7u);
  EXPECT_EQ(&cache.store(), store.get());
}

TEST(Cache, CompileErrorsComeBackAndNothingIsStored) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store);
  const auto fails = []() -> Result<Artifact> {
    return std::unexpected(Error{.code = Errc::compile_failed, .message = "line 1: no"});
  };
  const auto result = cache.get_or_compile(key, fails);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message, "line 1: no");
  EXPECT_EQ(store->leases_held(), 0u);
  EXPECT_FALSE(store->get(key).value().has_value());
  EXPECT_EQ(cache.metrics().compile_failures, 1u);
}

TEST(Cache, CompileExceptionsPassThroughAndLeaveNothingLocked) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store, {.wait_limit = std::chrono::hours(1)});
  const auto throws = []() -> Result<Artifact> { throw std::runtime_error("mine"); };
  EXPECT_THROW((void)cache.get_or_compile(key, throws), std::runtime_error);
  EXPECT_EQ(store->leases_held(), 0u);
  EXPECT_EQ(cache.metrics().compile_failures, 1u);
  Compiler compiler;
  EXPECT_TRUE(cache.get_or_compile(key, compiler.of("binary")).has_value());
  EXPECT_EQ(compiler.runs, 1);
}

TEST(CacheModes, ReadOnlyWritesNothing) {
  const auto store = std::make_shared<FakeStore>();
  {
    Cache cache(store, {.mode = Mode::read_only});
    Compiler compiler;
    EXPECT_EQ(cache.get_or_compile(key, compiler.of("binary")).value().text(), "binary");
    EXPECT_EQ(cache.put(key, {}).error().code, Errc::read_only);
    EXPECT_EQ(cache.remove(key).error().code, Errc::read_only);
    EXPECT_TRUE(cache.flush().has_value());
  }
  EXPECT_EQ(store->metrics().puts, 0u);
  EXPECT_EQ(store->lease_tries(), 0);
  EXPECT_EQ(store->statistics_added(), 0);
}

TEST(CacheModes, ReadOnlyServesHits) {
  Cache cache(holding("kept"), {.mode = Mode::read_only});
  Compiler compiler;
  EXPECT_EQ(cache.get_or_compile(key, compiler.of("binary")).value().text(), "kept");
  EXPECT_EQ(compiler.runs, 0);
}

TEST(CacheModes, MustHitNeverCompiles) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store, {.mode = Mode::must_hit});
  Compiler compiler;
  EXPECT_EQ(cache.get_or_compile(key, compiler.of("binary")).error().code, Errc::must_hit);
  EXPECT_EQ(cache.get(key).error().code, Errc::must_hit);
  store->get_error = Errc::corrupt;
  EXPECT_EQ(cache.get(key).error().code, Errc::must_hit);
  EXPECT_EQ(compiler.runs, 0);
  Cache warm(holding("kept"), {.mode = Mode::must_hit});
  EXPECT_EQ(warm.get_or_compile(key, compiler.of("binary")).value().text(), "kept");
}

TEST(CacheModes, RefreshCompilesAndReplaces) {
  const auto store = holding("old");
  Cache cache(store, {.mode = Mode::refresh});
  Compiler compiler;
  EXPECT_EQ(cache.get_or_compile(key, compiler.of("new")).value().text(), "new");
  EXPECT_EQ(store->get(key).value()->text(), "new");
  EXPECT_EQ(compiler.runs, 1);
  EXPECT_EQ(cache.metrics().skipped, 1u);
  EXPECT_TRUE(cache.metrics().balanced());
}

TEST(CacheModes, DisabledTouchesNothing) {
  const auto store = holding("old");
  Cache cache(store, {.mode = Mode::disabled});
  Compiler compiler;
  EXPECT_EQ(cache.get_or_compile(key, compiler.of("new")).value().text(), "new");
  EXPECT_FALSE(cache.get(key).value().has_value());
  EXPECT_EQ(cache.put(key, {}).error().code, Errc::read_only);
  EXPECT_EQ(store->get(key).value()->text(), "old");
  EXPECT_EQ(cache.metrics().skipped, 2u);
  EXPECT_EQ(store->lease_tries(), 0);
}

TEST(CacheStatistics, AreAddedByFlushAndByTheLastCopy) {
  const auto store = std::make_shared<FakeStore>();
  Compiler compiler;
  {
    Cache cache(store);
    ASSERT_TRUE(cache.get_or_compile(key, compiler.of("binary")).has_value());
    ASSERT_TRUE(cache.flush().has_value());
    EXPECT_EQ(store->statistics()->absent, 1u);
    EXPECT_EQ(store->statistics()->entries, 0u);  // gauges do not add up
    const Cache copy = cache;
    ASSERT_TRUE(cache.get(key).has_value());
  }
  EXPECT_EQ(store->statistics()->lookups, 2u);
  EXPECT_EQ(store->statistics()->hits, 1u);
  EXPECT_EQ(store->statistics()->puts, 1u);
  EXPECT_EQ(store->statistics_added(), 2);
  {
    const Cache idle(store);
  }
  EXPECT_EQ(store->statistics_added(), 2);  // nothing happened, nothing is written
}

TEST(CacheStatistics, AreKeptForTheNextTimeWhenTheStoreRefuses) {
  const auto store = std::make_shared<FakeStore>();
  Cache cache(store);
  ASSERT_TRUE(cache.get(key).has_value());
  store->statistics_error = Errc::io_error;
  EXPECT_TRUE(cache.flush().has_value());
  store->statistics_error = std::nullopt;
  EXPECT_TRUE(cache.flush().has_value());
  EXPECT_EQ(store->statistics()->lookups, 1u);
}

}  // namespace
}  // namespace larder
