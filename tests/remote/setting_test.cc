// The grammar of LARDER_REMOTE.
#include <gtest/gtest.h>

#include "larder/remote.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

TEST(RemoteSetting, EveryPropertyIsRead) {
  const auto settings = parse_remotes(
      "redis://reader@cache.example:7000/2 read-only required plaintext connect-timeout=50ms\n"
      "  remember-absent=5s min-cost=20ms"
      "  data-timeout=1s request-timeout=2m max-entry-size=8MiB breaker=5/30s namespace=team-a\t"
      "@password-file=/etc/larder%20secret\n"
      "https://*/base shards=a:1(2.5),b write=sync webdav://[::1]:81/x write=off");
  ASSERT_TRUE(settings) << settings.error().message;
  ASSERT_EQ(settings->size(), 3u);
  const RemoteSetting& first = settings->front();
  EXPECT_EQ(first.store.url, "redis://reader@cache.example:7000/2");
  EXPECT_EQ(first.store.access, Access::read_only);
  EXPECT_EQ(first.required, Required::yes);
  EXPECT_TRUE(first.store.plaintext);
  EXPECT_EQ(first.store.timeouts.connect, milliseconds(50));
  EXPECT_EQ(first.store.timeouts.data, milliseconds(1000));
  EXPECT_EQ(first.store.timeouts.request, milliseconds(120'000));
  EXPECT_EQ(first.min_cost, milliseconds(20));
  EXPECT_EQ(first.store.remember_absent, milliseconds(5000));
  EXPECT_EQ(first.store.max_entry_bytes, 8u << 20);
  EXPECT_EQ(first.store.breaker.failures, 5u);
  EXPECT_EQ(first.store.breaker.pause, milliseconds(30'000));
  EXPECT_EQ(first.store.name_space, "team-a");
  EXPECT_EQ(first.store.attributes.at("password-file"), "/etc/larder secret");
  ASSERT_EQ((*settings)[1].store.shards.size(), 2u);
  EXPECT_EQ((*settings)[1].store.shards[0].host, "a:1");
  EXPECT_EQ((*settings)[1].store.shards[0].weight, 2.5);
  EXPECT_EQ((*settings)[1].store.shards[1].host, "b");
  EXPECT_EQ((*settings)[1].store.shards[1].weight, 1);
  EXPECT_EQ((*settings)[1].write, RemoteWrite::sync);
  EXPECT_EQ((*settings)[1].required, Required::no);
  EXPECT_EQ((*settings)[2].write, RemoteWrite::off);
}

TEST(RemoteSetting, DefaultsAreThoseOfTheOptions) {
  const auto settings = parse_remotes("redis://localhost");
  ASSERT_TRUE(settings);
  const RemoteStoreOptions defaults;
  EXPECT_EQ(settings->front().store.timeouts.request, defaults.timeouts.request);
  EXPECT_EQ(settings->front().write, RemoteWrite::async);
  EXPECT_EQ(settings->front().shown, "redis://localhost");
}

TEST(RemoteSetting, WhatIsWrongIsAnErrorThatNamesTheTier) {
  for (const char* word : {"readonly",
                           "read-only=1",
                           "write",
                           "write=later",
                           "breaker=5",
                           "breaker=0/1s",
                           "breaker=x/1s",
                           "breaker=5/0s",
                           "breaker=5/",
                           "connect-timeout=5",
                           "data-timeout=0s",
                           "request-timeout=25h",
                           "max-entry-size=lots",
                           "shards=",
                           "shards=a,",
                           "shards=a(b)",
                           "shards=a(1",
                           "=x",
                           "@",
                           "@colour=red",
                           "@region=%zz",
                           "@region=%4"}) {
    const auto settings = parse_remotes("redis://localhost:1 " + std::string(word));
    ASSERT_FALSE(settings) << word;
    EXPECT_EQ(settings.error().code, Errc::invalid_argument) << word;
    EXPECT_TRUE(settings.error().message.starts_with("redis://localhost:1: ")) << word;
  }
  for (const char* text : {"", " \n", "read-only", "@password-file=/x", "localhost:6379"}) {
    EXPECT_FALSE(parse_remotes(text)) << text;
  }
}

TEST(RemoteSetting, WhereAWrongWordStandsIsSaid) {
  for (const auto& [text, start] : {
           std::pair{"redis://localhost write=off geheim", "word 3: neither a URL"},
           std::pair{"redis://a write=off redis://b:x", "word 3: the port"},
           std::pair{"redis://a,redis://b", "word 1: two URLs in one word"},
           std::pair{"redis://[name]", "word 1: there is no host"},
       }) {
    const auto refused = parse_remotes(text);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().message.contains(start)) << refused.error().message;
  }
}

TEST(RemoteSetting, WhatNamesNothingIsNotShown) {
  const auto settings = parse_remotes(
      "http://localhost @bearer-token-env=geheim webdav://localhost @password-file=geheim "
      "redis://localhost @password-file=/a");
  ASSERT_TRUE(settings);
  EXPECT_EQ((*settings)[0].shown, "http://localhost @bearer-token-env=(not-set)");
  EXPECT_EQ((*settings)[1].shown, "webdav://localhost @password-file=(no-absolute-path)");
  EXPECT_EQ((*settings)[2].shown, "redis://localhost @password-file=/a");
  for (const RemoteSetting& setting : std::span(*settings).first(2)) {
    const auto opened = open_remotes({setting});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().message.find("geheim"), std::string::npos) << opened.error().message;
  }
}

TEST(RemoteSetting, NoSecretIsShownOrRepeated) {
  for (const char* text :
       {"redis://anna:geheim@localhost", "redis://localhost @password=geheim",
        "redis://localhost @password=geheim%x", "redis://localhost @password-file=/a geheim",
        "redis://localhost geheim", "redis://localhost write=geheim",
        "redis://localhost data-timeout=geheim", "redis://localhost max-entry-size=geheim",
        "redis://* shards=anna:geheim@localhost,127.0.0.1",
        "redis://* shards=anna:geheim%40localhost", "redis://localhost @geheim",
        "redis://localhost @password%3Dgeheim",
        "s3://bucket @endpoint=https://anna:geheim%40localhost",
        "s3://bucket @endpoint=https://geheim%40localhost",
        "s3://bucket @endpoint=https://localhost?key=geheim",
        "s3://bucket @endpoint=https://anna:geheim@localhost"}) {
    const auto refused = parse_remotes(text);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message.find("geheim"), std::string::npos);
  }
}

}  // namespace
}  // namespace larder
