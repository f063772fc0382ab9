// The C interface when memory runs out: every allocation of every call fails, once and for ever.
// Nothing is thrown (it could not be), nothing leaks, and the cache works afterwards. A program of
// its own, because it replaces the allocator.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

#include "larder/larder_c.h"
#include "tests/unit/failing_allocator.h"

namespace larder {
namespace {

constexpr std::string_view text = "a payload that is too long for a short string";
constexpr larder_fingerprint kept = {{1}};
constexpr larder_fingerprint fresh = {{2}};
constexpr larder_fingerprint spare = {{3}};

larder_code put(larder_cache* cache, const larder_fingerprint& key) {
  return larder_put(cache, &key, text.data(), text.size(), nullptr, 0, nullptr);
}

// What a get gives, or the name of its code.
std::string got(larder_cache* cache, const larder_fingerprint& key) {
  void* data = nullptr;
  std::size_t size = 0;
  const larder_code code = larder_get(cache, &key, &data, &size, nullptr);
  if (code != LARDER_OK) return larder_code_name(code);
  std::string bytes(static_cast<const char*>(data), size);
  larder_free(data);
  return bytes;
}

struct Place {
  const char* name;
  const char* scheme;
  std::uint64_t memory_bytes;
};

class CAllocation : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "larder_c_alloc_").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    location_ = std::string(GetParam().scheme) + name + "/store";
    options_.struct_size = sizeof options_;
    options_.location = location_.c_str();
    options_.memory_bytes = GetParam().memory_bytes;
    options_.mode = LARDER_MODE_READ_WRITE;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  larder_cache* open() const {
    larder_cache* cache = nullptr;
    EXPECT_EQ(larder_open(&options_, &cache, nullptr), LARDER_OK);
    return cache;
  }

  using Call = std::function<larder_code(larder_cache*, larder_error*)>;

  // Fails the first allocation of `call`, its second, and so on, until nothing was left to fail.
  // Returns how often it failed.
  int fail_each(const Call& call) const {
    int failures = 0;
    fails_for_ever = false;
    for (int before = -1; before <= 0 || has_failed; ++before) {  // -1 warms up
      for (const bool for_ever : {false, true}) {
        const std::int64_t live = live_allocations();
        fails_for_ever = for_ever;
        fail_one(call, before < 0 ? never : before);
        if (HasFailure()) return failures;
        EXPECT_TRUE(before < 0 || live_allocations() == live) << "leaked at allocation " << before;
      }
      if (before >= 0 && has_failed) ++failures;
    }
    return failures;
  }

  larder_options options_ = {};

 private:
  void fail_one(const Call& call, int before) const {
    larder_cache* cache = open();
    EXPECT_EQ(put(cache, kept), LARDER_OK);
    EXPECT_GE(larder_remove(cache, &fresh, nullptr), LARDER_MISS);
    larder_error error = {};
    has_failed = false;
    before_failure = before;
    const larder_code code = call(cache, &error);
    before_failure = never;
    EXPECT_STRNE(larder_code_name(code), "unknown");
    const bool is_told = code == error.code && error.message[0] != '\0';
    EXPECT_TRUE(code <= LARDER_OK || is_told) << larder_code_name(code) << error.message;
    const std::string now = got(cache, fresh);
    EXPECT_TRUE(now == text || now == "miss") << now;
    EXPECT_EQ(got(cache, kept), text);
    EXPECT_EQ(put(cache, spare), LARDER_OK);
    EXPECT_EQ(larder_flush(cache, nullptr, nullptr, nullptr), LARDER_OK);
    larder_close(cache);
  }

  std::filesystem::path directory_;
  std::string location_;
};

TEST_P(CAllocation, Open) {
  const int failures = fail_each([this](larder_cache*, larder_error* error) {
    larder_cache* another = nullptr;
    const larder_code code = larder_open(&options_, &another, error);
    larder_close(another);
    return code;
  });
  EXPECT_GE(failures, 10);
}

TEST_P(CAllocation, GetAndContains) {
  const int gets = fail_each([](larder_cache* cache, larder_error* error) {
    void* data = nullptr;
    std::size_t size = 0;
    const larder_code code = larder_get(cache, &kept, &data, &size, error);
    EXPECT_TRUE(code != LARDER_OK || std::memcmp(data, text.data(), text.size()) == 0);
    larder_free(data);
    return code;
  });
  fail_each([](larder_cache* cache, larder_error* error) {
    return larder_contains(cache, &kept, error);
  });
  EXPECT_GE(gets, 1);
}

TEST_P(CAllocation, PutRemoveAndFlush) {
  const int puts = fail_each([](larder_cache* cache, larder_error* error) {
    return larder_put(cache, &fresh, text.data(), text.size(), nullptr, 0, error);
  });
  const int removes = fail_each(
      [](larder_cache* cache, larder_error* error) { return larder_remove(cache, &fresh, error); });
  const int flushes = fail_each([](larder_cache* cache, larder_error* error) {
    larder_fingerprint* lost = nullptr;
    std::size_t count = 0;
    const larder_code code = larder_flush(cache, &lost, &count, error);
    // Named as lost, and put again.
    if (code == LARDER_NOT_DURABLE) {
      before_failure = never;
      EXPECT_EQ(put(cache, kept), LARDER_OK);
    }
    larder_free(lost);
    return code;
  });
  EXPECT_GE(puts, 1);
  EXPECT_GE(removes, 0);
  EXPECT_GE(flushes, 1);
}

TEST_P(CAllocation, GetOrCompile) {
  const auto compile = [](void*, larder_output* output) {
    const larder_code code = larder_emit(output, text.data(), text.size());
    return code == LARDER_OK ? 0 : 1;
  };
  const int misses = fail_each([&](larder_cache* cache, larder_error* error) {
    void* data = nullptr;
    std::size_t size = 0;
    const larder_code code =
        larder_get_or_compile(cache, &fresh, nullptr, 0, compile, nullptr, &data, &size, error);
    EXPECT_TRUE(code != LARDER_OK || std::memcmp(data, text.data(), text.size()) == 0);
    larder_free(data);
    return code;
  });
  const int failures = fail_each([](larder_cache* cache, larder_error* error) {
    const auto fails = [](void*, larder_output* output) {
      larder_emit_message(output, "the compiler says no, in more words than fit into a string");
      return 1;
    };
    void* data = nullptr;
    std::size_t size = 0;
    return larder_get_or_compile(cache, &fresh, nullptr, 0, fails, nullptr, &data, &size, error);
  });
  EXPECT_GE(misses, 5);
  EXPECT_GE(failures, 3);
}

TEST_P(CAllocation, Metrics) {
  fail_each([](larder_cache* cache, larder_error* error) {
    larder_metrics metrics = {};
    metrics.struct_size = sizeof metrics;
    return larder_read_metrics(cache, &metrics, error);
  });
}

TEST_P(CAllocation, Recipes) {
  const char* const items[] = {"-I", "an item that is too long for a short string"};
  const int failures = fail_each([&](larder_cache*, larder_error* error) {
    larder_recipe* recipe = nullptr;
    larder_code code = larder_recipe_new("example.org 2026-11 a test of memory v1", &recipe, error);
    if (code == LARDER_OK) {
      code = larder_recipe_field_text(recipe, "a name", text.data(), error);
    }
    if (code == LARDER_OK) code = larder_recipe_field_bytes(recipe, "bytes", "bytes", 5, error);
    if (code == LARDER_OK) code = larder_recipe_field_unsigned(recipe, "unsigned", 1, error);
    if (code == LARDER_OK) code = larder_recipe_field_signed(recipe, "signed", -1, error);
    if (code == LARDER_OK) code = larder_recipe_field_boolean(recipe, "boolean", 1, error);
    if (code == LARDER_OK) {
      code = larder_recipe_field_list(recipe, "list", items, std::size(items), error);
    }
    larder_fingerprint fingerprint = {};
    void* bytes = nullptr;
    std::size_t size = 0;
    if (code == LARDER_OK) {
      code = larder_recipe_finish(recipe, &fingerprint, &bytes, &size, error);
    }
    larder_free(bytes);
    larder_recipe_free(recipe);
    return code;
  });
  EXPECT_GE(failures, 10);
}

INSTANTIATE_TEST_SUITE_P(Places, CAllocation,
                         testing::Values(Place{"pack", "pack:", UINT64_MAX},
                                         Place{"file", "file:", UINT64_MAX},
                                         Place{"memory_over_pack", "pack:", 0},
                                         Place{"memory_over_file", "file:", 0}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace larder
