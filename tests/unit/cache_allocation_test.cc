// The cache stays within its contract when memory runs out: every allocation of every call fails
// once. A program of its own, because it replaces the allocator.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "larder/cache.h"
#include "tests/unit/failing_allocator.h"

namespace larder {
namespace {

Fingerprint numbered(std::uint8_t number) { return {{number}}; }

constexpr std::string_view text = "a payload that is too long for a short string";

class CacheAllocation : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "larder_alloc_").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    options_.location = "file:" + name + "/store";
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Fails the first allocation of `call`, its second, and so on, each time with a fresh cache that
  // has entry 1, until nothing was left to fail. Returns how often it failed.
  template <class Call>
  int fail_each(const Call& call) const {
    for (int failures = 0;; ++failures) {
      Cache cache = open(options_).value();
      EXPECT_TRUE(cache.put(numbered(1), std::as_bytes(std::span(text))));
      EXPECT_TRUE(cache.remove(numbered(2)));
      has_failed = false;
      before_failure = failures;
      try {
        call(cache);
      } catch (...) {
        before_failure = never;
        ADD_FAILURE() << "an exception at allocation " << failures;
      }
      before_failure = never;
      if (!has_failed || HasFailure()) return failures;
    }
  }

  OpenOptions options_;

 private:
  std::filesystem::path directory_;
};

TEST_F(CacheAllocation, AMissGivesWhatTheCompileGave) {
  const Artifact made = Artifact::copy_of(text).value();
  const int failures = fail_each([&](Cache& cache) {
    int compiles = 0;
    const std::function<Result<Artifact>()> compile = [&]() -> Result<Artifact> {
      ++compiles;
      return made;
    };
    const auto got = cache.get_or_compile(numbered(2), compile, "a recipe");
    before_failure = never;
    ASSERT_TRUE(got);
    EXPECT_EQ(got->text(), text);
    EXPECT_EQ(compiles, 1);
    // Nobody is left waiting, and the failure stays behind.
    const auto again = cache.get_or_compile(numbered(2), compile, "a recipe");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->text(), text);
  });
  EXPECT_GE(failures, 10);
}

TEST_F(CacheAllocation, TheCompilersOwnExceptionPassesThrough) {
  const int failures = fail_each([&](Cache& cache) {
    const std::function<Result<Artifact>()> compile = []() -> Result<Artifact> { throw 42; };
    EXPECT_THROW((void)cache.get_or_compile(numbered(2), compile), int);
  });
  EXPECT_GE(failures, 3);
}

TEST_F(CacheAllocation, MustHitIsNeverACompile) {
  options_.mode = Mode::must_hit;
  for (int failure = 0; failure < 20; ++failure) {
    OpenOptions options = options_;
    options.mode = Mode::read_write;
    ASSERT_TRUE(open(options));
    Cache cache = open(options_).value();
    const std::function<Result<Artifact>()> compile = []() -> Result<Artifact> {
      ADD_FAILURE() << "compiled";
      return Artifact();
    };
    before_failure = failure;
    const auto got = cache.get_or_compile(numbered(2), compile);
    before_failure = never;
    ASSERT_FALSE(got);
    EXPECT_TRUE(got.error().code == Errc::must_hit || got.error().code == Errc::out_of_memory);
  }
}

TEST_F(CacheAllocation, OpenFailsByItsResult) {
  const int failures = fail_each([this](Cache&) {
    const auto opened = open(options_);
    EXPECT_TRUE(opened || opened.error().code == Errc::out_of_memory)
        << errc_name(opened.error().code) << ": " << opened.error().message;
  });
  EXPECT_GE(failures, 10);
}

TEST_F(CacheAllocation, AFlushMakesDurableOrSaysWhyNot) {
  const int failures = fail_each([](Cache& cache) {
    const auto flushed = cache.flush();
    before_failure = never;
    if (flushed) {
      EXPECT_TRUE(cache.durability().durable);
    } else if (flushed.error().code == Errc::not_durable) {
      EXPECT_FALSE(flushed.error().fingerprints.empty());
    } else {
      EXPECT_TRUE(cache.flush()) << flushed.error().message;  // nothing was lost
    }
  });
  EXPECT_GE(failures, 3);
}

TEST_F(CacheAllocation, MetricsOfTheCacheAreThereAllTheSame) {
  const int failures = fail_each([](Cache& cache) {
    const int planned = before_failure;
    before_failure = never;
    (void)cache.get(numbered(1));
    before_failure = planned;
    const Metrics metrics = cache.metrics();
    EXPECT_EQ(metrics.hits, 1u);
    (void)cache.durability();
    (void)cache.store().metrics();
    (void)cache.store().describe();
  });
  EXPECT_GE(failures, 2);
}

TEST_F(CacheAllocation, GetAndPutAndRemove) {
  const int failures = fail_each([](Cache& cache) {
    EXPECT_TRUE(cache.get(numbered(1)));
    EXPECT_TRUE(cache.get(numbered(2)));
    (void)cache.put(numbered(2), std::as_bytes(std::span(text)));
    (void)cache.remove(numbered(2));
  });
  EXPECT_GE(failures, 5);
}

// What callbacks throw goes no further than the callback.
TEST_F(CacheAllocation, CallbacksThatThrow) {
  int told = 0;
  const auto memory = make_memory_store({.capacity_entries = 1, .on_evict = [&](const Eviction&) {
                                           ++told;
                                           throw 42;
                                         }});
  ASSERT_TRUE(memory);
  EXPECT_TRUE((*memory)->put(numbered(1), {}));
  EXPECT_TRUE((*memory)->put(numbered(2), {}));
  EXPECT_EQ(told, 1);
  const auto visited = (*memory)->visit([](const EntryInfo&) -> Visit { throw 42; });
  ASSERT_FALSE(visited);
  EXPECT_EQ(visited.error().code, Errc::io_error);

  const auto layered = make_layered_store(
      {.tiers = {{make_memory_store().value()}, {*memory}}, .on_promote = [&](const Promotion&) {
         ++told;
         throw std::runtime_error("no");
       }});
  EXPECT_TRUE((*layered)->get(numbered(2)).value());
  EXPECT_EQ(told, 2);
}

TEST_F(CacheAllocation, ListenersAndLoggersOfAFileStoreThatThrow) {
  options_.memory_bytes = 0;
  int evictions = 0;
  int lines = 0;
  options_.on_evict = [&](const Eviction&) {
    ++evictions;
    throw 42;
  };
  options_.cache.log = [&](LogLevel, std::string_view) {
    ++lines;
    throw 42;
  };
  Cache cache = open(options_).value();
  ASSERT_TRUE(cache.put(numbered(1), std::as_bytes(std::span(text))));
  const std::string path = options_.location->substr(5) + "/01/" + numbered(1).hex() + ".art";
  std::filesystem::resize_file(path, 10);
  EXPECT_FALSE(cache.get(numbered(1)).value());
  EXPECT_GE(lines, 1);
  ASSERT_TRUE(cache.put(numbered(1), std::as_bytes(std::span(text))));
  EXPECT_TRUE(cache.store().prune({.max_entries = 0}));
  EXPECT_EQ(evictions, 1);
}

TEST_F(CacheAllocation, ManyLookUpsFailByTheirResult) {
  for (const std::uint64_t memory_bytes : {std::uint64_t{0}, std::uint64_t{1} << 20}) {
    options_.memory_bytes = memory_bytes;
    const std::array asked = {numbered(1), numbered(2)};
    const int failures = fail_each([&](Cache& cache) {
      const auto answers = cache.store().get_many(asked);
      before_failure = never;
      if (answers) {
        EXPECT_EQ(answers->size(), 2u);
      } else {
        EXPECT_EQ(answers.error().code, Errc::out_of_memory);
      }
    });
    EXPECT_GE(failures, 3);
  }
}

TEST_F(CacheAllocation, WhatGivesAResultThrowsNothing) {
  const std::string long_word(100, 'x');
  const std::string recipe = Recipe("example.org 2026-11").field("name", long_word).encode();
  const std::string place = "pack:/" + long_word;
  const auto is_out_of_memory = [](const auto& result) {
    return !result && result.error().code == Errc::out_of_memory;
  };
  const std::vector<std::function<bool()>> calls = {
      [&] { return is_out_of_memory(load_config()); },
      [&] { return is_out_of_memory(parse_location(place)); },
      [&] { return is_out_of_memory(parse_size(long_word)); },
      [&] { return is_out_of_memory(parse_duration_ms(long_word)); },
      [&] { return is_out_of_memory(default_directory(StoreKind::pack)); },
      [&] { return is_out_of_memory(decode_recipe(recipe)); },
  };
  for (const auto& call : calls) {
    int failures = 0;
    for (has_failed = true; has_failed; ++failures) {
      has_failed = false;
      before_failure = failures;
      bool threw = false;
      bool failed = false;
      try {
        failed = call();
      } catch (const std::bad_alloc&) {
        threw = true;
      }
      before_failure = never;
      EXPECT_FALSE(threw) << failures;
      EXPECT_TRUE(failed || !has_failed);
    }
    EXPECT_GE(failures, 2);
  }
}

}  // namespace
}  // namespace larder
