// What --store and LARDER_DIR may name, and where stores lie when nothing is named.
#include <gtest/gtest.h>

#include <cstdlib>

#include "larder/config.h"

namespace larder {
namespace {

struct Case {
  const char* text;
  StoreKind kind;
  const char* directory;
};

TEST(Location, SchemesAndDirectories) {
  for (const Case& c : {
           Case{"/var/cache/x", StoreKind::automatic, "/var/cache/x"},
           Case{"x", StoreKind::automatic, "x"},
           Case{"pack:/x", StoreKind::pack, "/x"},
           Case{"pack:", StoreKind::pack, ""},
           Case{"file:/x", StoreKind::file, "/x"},
           Case{"file:x:y", StoreKind::file, "x:y"},
           Case{"file:", StoreKind::file, ""},
           Case{"vyre:", StoreKind::vyre, ""},
           Case{"vyre:a/b", StoreKind::vyre, "a/b"},
           Case{"./word:x", StoreKind::automatic, "./word:x"},
           Case{"a/word:x", StoreKind::automatic, "a/word:x"},
           Case{"/file:x", StoreKind::automatic, "/file:x"},
           Case{":x", StoreKind::automatic, ":x"},
           Case{"two words:x", StoreKind::automatic, "two words:x"},
       }) {
    const auto location = parse_location(c.text);
    ASSERT_TRUE(location) << c.text;
    EXPECT_EQ(location->kind, c.kind) << c.text;
    EXPECT_EQ(location->directory, c.directory) << c.text;
  }
}

TEST(Location, AnUnknownSchemeIsRefusedWithTheWayOut) {
  for (const char* text : {"word:x", "redis://host", "FILE:x"}) {
    const auto location = parse_location(text);
    ASSERT_FALSE(location) << text;
    EXPECT_EQ(location.error().code, Errc::invalid_argument);
    EXPECT_NE(location.error().message.find(std::string("./") + text), std::string::npos);
    EXPECT_NE(location.error().message.find("pack:, file: or vyre:"), std::string::npos);
  }
  EXPECT_FALSE(parse_location(""));
}

TEST(Location, TextIsReadBackAsTheSame) {
  for (const Location& location :
       {Location{StoreKind::automatic, "/x"}, Location{StoreKind::automatic, "word:x"},
        Location{StoreKind::pack, "/x"}, Location{StoreKind::file, "word:x"},
        Location{StoreKind::vyre, "/y"}}) {
    const auto again = parse_location(location.text());
    ASSERT_TRUE(again) << location.text();
    EXPECT_EQ(again->kind, location.kind);
    EXPECT_TRUE(again->directory.ends_with(location.directory));
  }
}

class DefaultDirectory : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("XDG_CACHE_HOME");
    ::unsetenv("HOME");
  }
};

TEST_F(DefaultDirectory, TheCacheDirectoryComesBeforeHome) {
  ::setenv("HOME", "/home/u", 1);
  EXPECT_EQ(default_directory(StoreKind::automatic), "/home/u/.cache/larder");
  EXPECT_EQ(default_directory(StoreKind::vyre), "/home/u/.cache/vyre/pipelines");
  ::setenv("XDG_CACHE_HOME", "/caches", 1);
  EXPECT_EQ(default_directory(StoreKind::pack), "/caches/larder");
  EXPECT_EQ(default_directory(StoreKind::file), "/caches/larder");
  EXPECT_EQ(default_directory(StoreKind::vyre), "/caches/vyre/pipelines");
}

TEST_F(DefaultDirectory, AnEmptyOrRelativeVariableCountsAsUnset) {
  ::setenv("HOME", "/home/u", 1);
  for (const char* value : {"", "caches", "./caches"}) {
    ::setenv("XDG_CACHE_HOME", value, 1);
    EXPECT_EQ(default_directory(StoreKind::automatic), "/home/u/.cache/larder") << value;
  }
}

TEST_F(DefaultDirectory, WithoutAHomeBothVariablesAreNamed) {
  ::setenv("HOME", "", 1);
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  const auto directory = default_directory(StoreKind::automatic);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().code, Errc::no_home);
  EXPECT_NE(directory.error().message.find("XDG_CACHE_HOME"), std::string::npos);
  EXPECT_NE(directory.error().message.find("HOME is set"), std::string::npos);
}

}  // namespace
}  // namespace larder
