// Sizes and durations as people write them (larder/config.h).
#include <gtest/gtest.h>

#include "larder/config.h"

namespace larder {
namespace {

constexpr std::uint64_t gib = 1ull << 30;
constexpr std::uint64_t day_ms = 24ull * 3'600'000;

TEST(Units, ABareNumberIsBytes) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("4096"), 4096u);
}

TEST(Units, SingleLettersAndTheBinaryFormAreBinary) {
  for (const char* text : {"5G", "5g", "5GiB", "5 GiB", "5gib"}) {
    EXPECT_EQ(parse_size(text), 5 * gib) << text;
  }
  EXPECT_EQ(parse_size("1K"), 1024u);
  EXPECT_EQ(parse_size("300 MiB"), 300ull << 20);
  EXPECT_EQ(parse_size("2T"), 2048 * gib);
}

TEST(Units, TheDecimalFormIsDecimal) {
  EXPECT_EQ(parse_size("2KB"), 2'000u);
  EXPECT_EQ(parse_size("3mb"), 3'000'000u);
  EXPECT_EQ(parse_size("1 TB"), 1'000'000'000'000u);
}

TEST(Units, WhatIsNoSizeIsRefusedWithAdvice) {
  for (const char* text :
       {"", " 5G", "5G ", "-1", "+1", "1.5G", "G", "5 X", "5GG", "0x10", "5\tG"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, Errc::invalid_argument);
    EXPECT_NE(size.error().message.find("5G"), std::string::npos) << size.error().message;
  }
}

TEST(Units, SizesThatDoNotFitAreRefused) {
  EXPECT_EQ(parse_size("18446744073709551615"), 18446744073709551615ull);
  EXPECT_EQ(parse_size("16777215T"), 16777215ull << 40);
  for (const char* text : {"18446744073709551616", "16777216T", "99999999999999999999999G"}) {
    ASSERT_FALSE(parse_size(text)) << text;
    EXPECT_NE(parse_size(text).error().message.find("too large"), std::string::npos);
  }
}

TEST(Units, DurationsAreInMilliseconds) {
  EXPECT_EQ(parse_duration_ms("250ms"), 250u);
  EXPECT_EQ(parse_duration_ms("30s"), 30'000u);
  EXPECT_EQ(parse_duration_ms("5m"), 300'000u);
  EXPECT_EQ(parse_duration_ms("12h"), day_ms / 2);
  EXPECT_EQ(parse_duration_ms("7 d"), 7 * day_ms);
  EXPECT_EQ(parse_duration_ms("2w"), 14 * day_ms);
}

TEST(Units, ADurationNeedsItsUnit) {
  for (const char* text : {"", "30", "5M", "d", "-1d", "1y", "1h30m"}) {
    const auto duration = parse_duration_ms(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().code, Errc::invalid_argument);
    EXPECT_NE(duration.error().message.find("7d"), std::string::npos) << duration.error().message;
  }
  EXPECT_FALSE(parse_duration_ms("99999999999999999w"));
}

}  // namespace
}  // namespace larder
