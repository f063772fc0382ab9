// What the options of a remote store may say, and that no secret is repeated.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "larder/remote.h"
#include "tests/remote/server.h"

namespace larder {
namespace {

TEST(RemoteOptionsTest, WhatIsWrongIsSaidWithoutTheSecret) {
  for (const char* url : {"",
                          "redis",
                          "redis://",
                          "redis://h:0",
                          "redis://h:99999",
                          "redis://h/x",
                          "ftp://h",
                          "redis://u:geheim@h",
                          "redis://h o",
                          "redis+unix://h/x",
                          "redis://u@localhost",
                          "redis://example.org",
                          "redis://localhost,localhost:1",
                          "redis-cluster://localhost/2",
                          "redis-cluster://localhost,",
                          "http://localhost/a/../b",
                          "http://localhost/a/%2e%2E",
                          "http://localhost/.",
                          "redis://127.0.0.1.5",
                          "redis://127.1",
                          "redis://127.0.0.256",
                          "redis+unix:///a%00b",
                          "redis://a%4@localhost",
                          "redis-cluster://localhost,example.org"}) {
    RemoteStoreOptions options;
    options.url = url;
    const auto opened = open_remote_store(options);
    ASSERT_FALSE(opened) << url;
    EXPECT_EQ(opened.error().code, Errc::invalid_argument) << url;
    EXPECT_EQ(opened.error().message.find("geheim"), std::string::npos);
  }
}

TEST(RemoteOptionsTest, ASecretThatOthersMayReadIsRefused) {
  using std::filesystem::perms;
  const ServerDirectory directory;
  const auto open_with = [&](perms mode) {
    RemoteStoreOptions options;
    options.url = "redis://localhost";
    const auto file = directory.write("password", "geheim\n", mode);
    options.attributes["password-file"] = file.string();
    return open_remote_store(options);
  };
  EXPECT_TRUE(open_with(perms::owner_read));
  const auto refused = open_with(perms::owner_read | perms::group_read);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_EQ(refused.error().message.find("geheim"), std::string::npos);
}

TEST(RemoteOptionsTest, ShardsStandForTheHost) {
  const auto open = [](const std::string& url, std::vector<RemoteShard> shards) {
    RemoteStoreOptions options;
    options.url = url;
    options.shards = std::move(shards);
    return open_remote_store(options);
  };
  EXPECT_TRUE(open("redis://*/2", {{"localhost:1", 1}, {"127.0.0.1:2", 0.5}}));
  EXPECT_EQ((*open("redis://*/2", {{"localhost:1", 1}}))->describe(), "redis://*/2");
  EXPECT_FALSE(open("redis://*", {}));
  EXPECT_FALSE(open("redis://localhost", {{"localhost:1", 1}}));
  EXPECT_FALSE(open("redis://*", {{"localhost:1", 1}, {"localhost:1", 2}})) << "twice";
  EXPECT_FALSE(open("redis://*", {{"localhost:1", 0}})) << "no weight";
  EXPECT_FALSE(open("redis://*", {{"localhost:1", 1}, {"example.org", 1}})) << "plaintext";
}

TEST(RemoteOptionsTest, ASocketsPathThatWouldBeCutShortIsRefused) {
  RemoteStoreOptions options;
  options.url = "redis+unix:///" + std::string(106, 'x');
  EXPECT_TRUE(open_remote_store(options));
  options.url += "x";
  EXPECT_EQ(open_remote_store(options).error().code, Errc::invalid_argument);
}

// It becomes part of a header, and a request that is not signed would have the secret in it.
TEST(RemoteOptionsTest, ARegionIsOneOrTheTierIsRefused) {
  ::setenv("AWS_ACCESS_KEY_ID", "id", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "geheim", 1);
  RemoteStoreOptions options;
  options.url = "s3://bucket";
  options.attributes["endpoint"] = "http://127.0.0.1:1";
  EXPECT_TRUE(open_remote_store(options));
  options.attributes["region"] = "eu-central-1";
  EXPECT_TRUE(open_remote_store(options));
  for (const char* region : {"", "a b", "a\r\nX-Evil: 1", "a/b"}) {
    options.attributes["region"] = region;
    const auto refused = open_remote_store(options);
    ASSERT_FALSE(refused) << region;
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  }
}

TEST(RemoteOptionsTest, TimesThatNoClockHoldsAreRefused) {
  using std::chrono::milliseconds;
  RemoteStoreOptions good;
  good.url = "redis://localhost";
  ASSERT_TRUE(open_remote_store(good));
  for (milliseconds RemoteTimeouts::* time :
       {&RemoteTimeouts::connect, &RemoteTimeouts::data, &RemoteTimeouts::request}) {
    RemoteStoreOptions options = good;
    options.timeouts.*time = milliseconds::max();
    EXPECT_EQ(open_remote_store(options).error().code, Errc::invalid_argument);
  }
  good.breaker.pause = milliseconds::max();
  EXPECT_EQ(open_remote_store(good).error().code, Errc::invalid_argument);
}

TEST(RemoteOptionsTest, AnUnknownAttributeIsAnError) {
  RemoteStoreOptions options;
  options.url = "redis://localhost";
  options.attributes["pasword-file"] = "/x";
  const auto opened = open_remote_store(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace larder
