// Answers that are longer than anybody needs: what they say counts all the same.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>

#include "tests/remote/hostile_server.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

const std::string page(100'000, 'x');

std::string http(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

std::string url_of(const HostileServer& server, const std::string& scheme) {
  return scheme + "://127.0.0.1:" + std::to_string(server.port());
}

// A page for people that says there is nothing is an answer like a short one.
TEST(LongAnswers, APageThatSaysThereIsNothingIsAMiss) {
  const HostileServer server([](Peer& peer) {
    peer.read();
    peer.say(http("404 Not Found", page));
  });
  const auto store = opened(options_of(url_of(server, "http")));
  const auto found = store->get(numbered(1));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_FALSE(*found);
  EXPECT_EQ(store->remote_metrics().absent, 1u);
}

// Of a length that is a multiple of a thousand.
std::string in_chunks(const std::string& status, const std::string& body) {
  std::string answer = "HTTP/1.1 " + status + "\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 1000) {
    answer += "3e8\r\n" + body.substr(at, 1000) + "\r\n";
  }
  return answer + "0\r\n\r\n";
}

// The limit is for entries. A page may be longer than any, whether it says so beforehand or not.
TEST(LongAnswers, APageOverTheLimitOfEntriesIsWhatItsStatusSays) {
  for (const std::size_t bytes : {6'000u, 100'000u, 1'000'000u}) {
    const std::string long_page(bytes, 'x');
    for (const auto& make : {http, in_chunks}) {
      std::atomic<const char*> status = "404 Not Found";
      const HostileServer server([&](Peer& peer) {
        peer.read();
        peer.say(make(status.load(), long_page));
      });
      RemoteStoreOptions options = options_of(url_of(server, "http"));
      options.max_entry_bytes = 1000;
      const auto store = opened(options);
      EXPECT_EQ(text_of(*store, 1), "absent") << bytes;
      const std::vector<Fingerprint> two = {numbered(1), numbered(2)};
      EXPECT_TRUE(store->get_many(two).value()[1]) << bytes;
      EXPECT_EQ(store->remote_metrics().absent, 3u);
      status = "500 Internal Server Error";
      const auto failed = store->get(numbered(1));
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().code, Errc::io_error) << failed.error().message;
      status = "200 OK";
      EXPECT_EQ(store->get(numbered(1)).error().code, Errc::too_large) << bytes;
    }
  }
}

TEST(LongAnswers, APageThatThanksForAnUploadIsThanks) {
  const HostileServer server([](Peer& peer) {
    const bool is_put = peer.read().starts_with("PUT");
    peer.say(is_put ? http("201 Created", page) : http("404 Not Found", ""));
  });
  const auto store = opened(options_of(url_of(server, "http")));
  const auto stored = store->put(numbered(1), bytes_of("x"));
  EXPECT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(store->remote_metrics().uploads, 1u);
}

// Else it would be taken for the entry's size, which fails no put.
TEST(LongAnswers, AWordOfRedisIsShort) {
  for (const std::string& answer :
       {"$100000\r\n" + page + "\r\n", "+" + page + "\r\n", "-ERR " + page + "\r\n"}) {
    const HostileServer server([&](Peer& peer) {
      for (int i = 0; i < 4; ++i) {
        const std::string asked = peer.read();
        if (asked.empty()) return;
        peer.say(asked.contains("SET") ? answer : asked.contains("GET") ? "$-1\r\n" : ":0\r\n");
      }
    });
    const auto store = opened(options_of(url_of(server, "redis")));
    const auto stored = store->put(numbered(1), bytes_of("x"));
    ASSERT_FALSE(stored);
    EXPECT_EQ(stored.error().code, Errc::io_error) << stored.error().message;
    EXPECT_EQ(store->remote_metrics().upload_failures, 1u);
  }
}

}  // namespace
}  // namespace larder
