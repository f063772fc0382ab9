// The C header in a C++ program, and the edges that a C program cannot reach: exceptions.
#include "larder/larder_c.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "larder/metrics.h"

namespace larder {
namespace {

TEST(CHeader, MetricsHaveTheFieldsOfMetricsInTheirOrder) {
  larder_metrics metrics{};
  const auto offset = [&](const std::uint64_t& member) {
    return (reinterpret_cast<const char*>(&member) -
            reinterpret_cast<const char*>(&metrics.lookups)) /
           static_cast<std::ptrdiff_t>(sizeof(std::uint64_t));
  };
  const auto& fields = metric_fields();
  EXPECT_EQ(fields.at(offset(metrics.lookups)).name, "lookups");
  EXPECT_EQ(fields.at(offset(metrics.hit_bytes)).name, "hit_bytes");
  EXPECT_EQ(fields.at(offset(metrics.puts)).name, "puts");
  EXPECT_EQ(fields.at(offset(metrics.rejected_io)).name, "rejected_io");
  EXPECT_EQ(fields.at(offset(metrics.evicted_bytes)).name, "evicted_bytes");
  EXPECT_EQ(fields.at(offset(metrics.flush_errors)).name, "flush_errors");
  EXPECT_EQ(fields.at(offset(metrics.promotions)).name, "promotions");
  EXPECT_EQ(fields.at(offset(metrics.entries)).name, "entries");
}

larder_cache* disabled_cache() {
  larder_options options{};
  options.struct_size = sizeof options;
  options.mode = LARDER_MODE_DISABLED;
  larder_cache* cache = nullptr;
  EXPECT_EQ(larder_open(&options, &cache, nullptr), LARDER_OK);
  return cache;
}

TEST(CHeader, ExceptionsOfACompileBecomeCodes) {
  larder_cache* cache = disabled_cache();
  const larder_fingerprint key{};
  void* data = nullptr;
  std::size_t size = 0;
  larder_error error;
  const auto code_of = [&](larder_compile compile) {
    return larder_get_or_compile(cache, &key, nullptr, 0, compile, nullptr, &data, &size, &error);
  };
  EXPECT_EQ(code_of([](void*, larder_output*) -> int { throw std::bad_alloc(); }),
            LARDER_OUT_OF_MEMORY);
  EXPECT_EQ(code_of([](void*, larder_output*) -> int { throw std::runtime_error("mine"); }),
            LARDER_IO_ERROR);
  EXPECT_STREQ(error.message, "mine");
  EXPECT_EQ(code_of([](void*, larder_output*) -> int { throw 1; }), LARDER_IO_ERROR);
  EXPECT_EQ(code_of([](void*, larder_output*) -> int { return 4; }), LARDER_COMPILE_FAILED);
  EXPECT_STREQ(error.message, "the compile function returned 4");
  larder_close(cache);
}

TEST(CHeader, LongMessagesAreCut) {
  larder_cache* cache = disabled_cache();
  const larder_fingerprint key{};
  void* data = nullptr;
  std::size_t size = 0;
  larder_error error;
  const auto fails = [](void*, larder_output* output) {
    EXPECT_EQ(larder_emit_message(output, std::string(2000, 'm').c_str()), LARDER_OK);
    return 1;
  };
  EXPECT_EQ(larder_get_or_compile(cache, &key, nullptr, 0, fails, nullptr, &data, &size, &error),
            LARDER_COMPILE_FAILED);
  EXPECT_EQ(std::string(error.message), std::string(511, 'm'));
  larder_close(cache);
}

}  // namespace
}  // namespace larder
