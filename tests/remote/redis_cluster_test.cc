// The transport to a Redis Cluster, against a real one of three servers.
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>

#include <algorithm>

#include "remote/redis_commands.h"
#include "remote/redis_slots.h"
#include "tests/remote/hostile_server.h"
#include "tests/remote/redis_cluster.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

std::string key_of(std::uint32_t number) {
  const std::string hex = numbered(number).hex();
  return remote::redis_key(hex.substr(0, 2) + "/" + hex + ".art");
}

std::size_t owner_of(std::uint32_t number) {
  return RedisCluster::first_owner_of(remote::redis_slot_of(key_of(number)));
}

// The first of many.
std::string text_of(RemoteStore& store, const std::vector<Fingerprint>& many) {
  const auto found = store.get_many(many).value();
  if (!found[0]) return "error: " + found[0].error().message;
  return *found[0] ? std::string((**found[0]).text()) : "absent";
}

std::uint32_t first_on(std::size_t node) {
  std::uint32_t number = 0;
  while (owner_of(number) != node) ++number;
  return number;
}

// A cluster takes two seconds to begin. One is for the tests that leave it whole.
class Cluster : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (has_program("redis-server")) cluster_ = std::make_unique<RedisCluster>();
  }
  static void TearDownTestSuite() { cluster_.reset(); }
  static std::unique_ptr<RedisCluster> cluster_;
};
std::unique_ptr<RedisCluster> Cluster::cluster_;

class LostServers : public Cluster {};

// The second one of three servers is gone, and so is the knowledge of what it has.
void expect_the_others_to_be_listed(RemoteStore& store, const std::vector<Fingerprint>& all) {
  std::vector<Fingerprint> seen;
  const std::uint64_t retries = store.remote_metrics().retries;
  const auto visited = store.visit([&](const EntryInfo& entry) {
    seen.push_back(entry.fingerprint);
    return Visit::go_on;
  });
  ASSERT_FALSE(visited);
  EXPECT_EQ(visited.error().code, Errc::unreachable) << visited.error().message;
  EXPECT_EQ(store.remote_metrics().retries, retries) << "the others are listed once";
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(std::ranges::count(seen, all[i]), owner_of(i) == 1 ? 0 : 1) << i;
  }
  EXPECT_FALSE(store.prune({.max_entries = 1}, DryRun::no)) << "by a part of what there is";
}

// Of one slot on each server.
std::optional<remote::RedisSlotMap> slot_map_of(int servers) {
  std::string wire = "*" + std::to_string(servers) + "\r\n";
  for (int i = 0; i < servers; ++i) {
    const std::string slot = ":" + std::to_string(i) + "\r\n";
    wire += "*3\r\n" + slot + slot + "*2\r\n$1\r\nh\r\n:" + std::to_string(i + 1) + "\r\n";
  }
  redisReader* const reader = redisReaderCreate();
  void* reply = nullptr;
  EXPECT_EQ(redisReaderFeed(reader, wire.data(), wire.size()), REDIS_OK);
  EXPECT_EQ(redisReaderGetReply(reader, &reply), REDIS_OK);
  const auto map = remote::parse_slot_map(*static_cast<redisReply*>(reply));
  freeReplyObject(reply);
  redisReaderFree(reader);
  return map;
}

TEST(RedisSlots, OfMoreServersThanAClusterMayHaveAreNoMap) {
  const auto most = slot_map_of(1024);
  ASSERT_TRUE(most);
  EXPECT_EQ(most->nodes.size(), 1024u);
  EXPECT_EQ(most->owners[1023], 1023u);
  EXPECT_EQ(most->owners[1024], remote::RedisSlotMap::nobody);
  EXPECT_FALSE(slot_map_of(1025));
}

TEST_F(Cluster, EntriesAreOnEveryServerAndComeBack) {
  if (!cluster_) return;
  const auto store = opened(options_of(cluster_->url()));
  std::vector<Fingerprint> asked;
  std::array<int, RedisCluster::nodes> on = {};
  for (std::uint32_t i = 0; i < 500; ++i) {
    asked.push_back(numbered(i));
    ++on[owner_of(i)];
    if (i % 5 == 0) continue;
    const auto stored = store->put(numbered(i), bytes_of(std::to_string(i)));
    ASSERT_TRUE(stored) << stored.error().message;
    EXPECT_EQ(cluster_->ask(owner_of(i), {"EXISTS", key_of(i)}), "");
  }
  for (const int count : on) EXPECT_GT(count, 100);
  const auto found = store->get_many(asked).value();
  for (std::uint32_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(found[i]) << found[i].error().message;
    EXPECT_EQ(found[i]->has_value(), i % 5 != 0) << i;
    EXPECT_TRUE(!*found[i] || (**found[i]).text() == std::to_string(i));
  }
  for (const std::size_t size : {0u, 1u, 65'536u, 20u << 20}) {
    const std::string payload = payload_of(size, 5);
    ASSERT_TRUE(store->put(numbered(1000), bytes_of(payload)));
    EXPECT_TRUE(text_of(*store, 1000) == payload) << size;
  }
  EXPECT_EQ(store->remove(numbered(1000)), true);
  EXPECT_EQ(store->remove(numbered(1000)), false);
  std::size_t seen = 0;
  EXPECT_TRUE(store->visit([&](const EntryInfo&) {
    ++seen;
    return Visit::go_on;
  }));
  EXPECT_EQ(seen, 400u);
  EXPECT_TRUE(store->remote_metrics().balanced());
  EXPECT_EQ(store->remote_metrics().retries, 0u);
}

// While the slot moves one key is at its new server already, and another one is still to follow.
TEST_F(Cluster, ASlotThatMovesIsFollowed) {
  if (!cluster_) return;
  const auto store = opened(options_of(cluster_->url()));
  const std::uint32_t number = first_on(0);
  const std::string slot = std::to_string(remote::redis_slot_of(key_of(number)));
  ASSERT_TRUE(store->put(numbered(number), bytes_of("x")));
  ASSERT_EQ(cluster_->ask(1, {"CLUSTER", "SETSLOT", slot, "IMPORTING", cluster_->id(0)}), "OK");
  ASSERT_EQ(cluster_->ask(0, {"CLUSTER", "SETSLOT", slot, "MIGRATING", cluster_->id(1)}), "OK");
  EXPECT_EQ(text_of(*store, number), "x") << "it is still at its old server";
  ASSERT_EQ(cluster_->ask(0, {"MIGRATE", "127.0.0.1", std::to_string(cluster_->port(1)),
                              key_of(number), "0", "5000"}),
            "OK");
  EXPECT_EQ(text_of(*store, number), "x") << "ASK";
  const std::vector<Fingerprint> many = {numbered(number), numbered(first_on(2))};
  EXPECT_EQ(text_of(*store, many), "x") << "ASK, among many";
  EXPECT_TRUE(store->put(numbered(number), bytes_of("y")));
  EXPECT_EQ(text_of(*store, number), "y");
  for (const std::size_t node : {1u, 0u}) {
    ASSERT_EQ(cluster_->ask(node, {"CLUSTER", "SETSLOT", slot, "NODE", cluster_->id(1)}), "OK");
  }
  EXPECT_EQ(text_of(*store, many), "y") << "MOVED, among many";
  EXPECT_EQ(text_of(*store, number), "y");
  EXPECT_EQ(text_of(*opened(options_of(cluster_->url())), number), "y") << "by a new map";
  EXPECT_EQ(store->remote_metrics().breaker_openings, 0u);
}

TEST_F(LostServers, AServerThatHangsHoldsUpItsOwnEntriesAlone) {
  if (!cluster_) return;
  RemoteStoreOptions options = options_of(cluster_->url());
  options.timeouts = {milliseconds(2000), milliseconds(500), milliseconds(1000)};
  options.breaker.failures = 1;
  const auto store = opened(options);
  ASSERT_TRUE(store->put(numbered(first_on(0)), bytes_of("x")));
  cluster_->process(1).freeze();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(store->get(numbered(first_on(1))).error().code, Errc::timed_out);
    EXPECT_EQ(text_of(*store, first_on(0)), "x");
  }
  EXPECT_EQ(store->remote_metrics().breaker_openings, 0u);
  cluster_->process(1).thaw();
}

// Two that hang would use up the time of the third one, were they waited for in turn.
TEST_F(LostServers, OfManyTheAnswersThatComeAreRead) {
  if (!cluster_) return;
  RemoteStoreOptions options = options_of(cluster_->url());
  options.timeouts = {milliseconds(2000), milliseconds(500), milliseconds(1000)};
  const auto store = opened(options);
  std::vector<Fingerprint> asked;
  for (const std::size_t node : {1u, 2u, 0u}) {
    asked.push_back(numbered(first_on(node)));
    ASSERT_TRUE(store->put(asked.back(), bytes_of("x")));
  }
  for (const std::size_t node : {1u, 2u}) cluster_->process(node).freeze();
  const auto found = store->get_many(asked).value();
  EXPECT_FALSE(found[0]);
  EXPECT_FALSE(found[1]);
  ASSERT_TRUE(found[2]) << found[2].error().message;
  EXPECT_EQ((**found[2]).text(), "x");
  EXPECT_EQ(text_of(*store, first_on(0)), "x") << "it is not left alone";
  for (const std::size_t node : {1u, 2u}) cluster_->process(node).thaw();
}

TEST_F(LostServers, AServerThatIsDownCostsItsOwnEntries) {
  if (!cluster_) return;
  RemoteStoreOptions options = options_of(cluster_->url());
  options.breaker.failures = 1;
  const auto store = opened(options);
  std::vector<Fingerprint> all;
  for (std::uint32_t i = 0; i < 60; ++i) {
    all.push_back(numbered(i));
    ASSERT_TRUE(store->put(numbered(i), bytes_of("x")));
  }
  cluster_->process(1).end();
  for (int round = 0; round < 2; ++round) {
    const auto found = store->get_many(all).value();
    for (std::uint32_t i = 0; i < 60; ++i) {
      const auto alone = store->get(numbered(i));
      EXPECT_EQ(alone.has_value(), owner_of(i) != 1) << i;
      EXPECT_EQ(found[i].has_value(), owner_of(i) != 1) << i;
      EXPECT_TRUE(alone || alone.error().code == Errc::unreachable);
    }
  }
  EXPECT_EQ(store->remote_metrics().breaker_openings, 0u) << "others answer";
  expect_the_others_to_be_listed(*store, all);
  EXPECT_EQ(text_of(*opened(options), first_on(0)), "x") << "whoever is asked for the map";
  cluster_->process(0).end();
  cluster_->process(2).end();
  for (std::uint32_t i = 0; i < 60; ++i) EXPECT_FALSE(store->get(numbered(i)));
  EXPECT_EQ(store->remote_metrics().breaker_openings, 1u);
  EXPECT_TRUE(store->remote_metrics().balanced());
}

TEST(RedisSlots, AreThoseOfTheServer) {
  EXPECT_EQ(remote::redis_slot_of("123456789"), 0x31c3);
  EXPECT_EQ(remote::redis_slot_of("foo"), 12182);
  EXPECT_EQ(remote::redis_slot_of(""), 0);
}

TEST(RedisSlots, ARedirectionIsReadWhole) {
  const auto moved = remote::parse_redirection("MOVED 3999 127.0.0.1:6381");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->kind, remote::RedisRedirection::Kind::moved);
  EXPECT_EQ(moved->slot, 3999);
  EXPECT_EQ(moved->address.host, "127.0.0.1");
  EXPECT_EQ(moved->address.port, 6381);
  EXPECT_EQ(remote::parse_redirection("ASK 1 ::1:7")->address.host, "::1");
  EXPECT_EQ(remote::parse_redirection("MOVED 1 :7")->address.host, "");
  for (const char* text : {"", "MOVED", "MOVED 1", "MOVED x a:1", "MOVED 16384 a:1", "MOVED 1 a",
                           "MOVED 1 a:", "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 a/b:1",
                           "ERR 1 a:1", "MOVED -1 a:1"}) {
    EXPECT_FALSE(remote::parse_redirection(text)) << text;
  }
}

// What a server that misbehaves says to whatever it is asked.
struct Misbehaviour {
  const char* name;
  std::string says;
  Errc code;
};

class HostileCluster : public testing::TestWithParam<Misbehaviour> {};

TEST_P(HostileCluster, CostsAMissAndNoMore) {
  std::atomic<std::uint16_t> port = 0;
  const HostileServer server(
      [&](Peer& peer) {
        while (!peer.read().empty()) {
          std::string text = GetParam().says;
          const std::size_t at = text.find("PORT");
          if (at != std::string::npos) text.replace(at, 4, std::to_string(port));
          peer.say(text);
        }
      },
      Serves::all_at_once);
  port = server.port();
  RemoteStoreOptions options =
      options_of("redis-cluster://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {milliseconds(200), milliseconds(100), milliseconds(400)};
  const auto store = opened(options);
  const auto found = store->get(numbered(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, GetParam().code) << found.error().message;
  EXPECT_TRUE(store->remote_metrics().balanced());
}

// "*1 [0, 16383, [host, port]]"
std::string map_of(const std::string& host, const std::string& port) {
  return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$" + std::to_string(host.size()) + "\r\n" + host +
         "\r\n:" + port + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileCluster,
    testing::Values(Misbehaviour{"NoCluster", "-ERR This instance has cluster support disabled\r\n",
                                 Errc::io_error},
                    Misbehaviour{"NoSlots", "*0\r\n", Errc::io_error},
                    Misbehaviour{"Number", ":7\r\n", Errc::io_error},
                    Misbehaviour{"SlotTooHigh",
                                 "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
                                 Errc::io_error},
                    Misbehaviour{"SlotBelowZero",
                                 "*1\r\n*3\r\n:-1\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n",
                                 Errc::io_error},
                    Misbehaviour{"BackwardRange", "*1\r\n*3\r\n:9\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n",
                                 Errc::io_error},
                    Misbehaviour{"NoAddress", "*1\r\n*2\r\n:0\r\n:5\r\n", Errc::io_error},
                    Misbehaviour{"Nested", "*1\r\n*1000000000\r\n", Errc::io_error},
                    Misbehaviour{"Elsewhere", map_of("192.0.2.1", "6379"), Errc::permission_denied},
                    Misbehaviour{"Down", "-CLUSTERDOWN The cluster is down\r\n", Errc::io_error}),
    [](const testing::TestParamInfo<Misbehaviour>& tested) { return tested.param.name; });

TEST(HostileRedirection, ACircleIsLeft) {
  std::atomic<int> asked = 0;
  std::atomic<std::uint16_t> port = 0;
  const HostileServer server(
      [&](Peer& peer) {
        for (std::string words = peer.read(); !words.empty(); words = peer.read()) {
          const std::string here = std::to_string(port);
          if (words.contains("CLUSTER")) {
            peer.say(map_of("127.0.0.1", here));
          } else {
            ++asked;
            peer.say("-MOVED 1 127.0.0.1:" + here + "\r\n");
          }
        }
      },
      Serves::all_at_once);
  port = server.port();
  const auto store =
      opened(options_of("redis-cluster://127.0.0.1:" + std::to_string(server.port())));
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::unsupported);
  EXPECT_LE(asked, 5);
}

// Of two servers that share the slots: one that answers, and one that says that it is starting.
class HalfStartedCluster : public testing::Test {
 protected:
  void talk(Peer& peer, bool is_ready) {
    for (std::string words = peer.read(); !words.empty(); words = peer.read()) {
      if (words.contains("CLUSTER")) {
        peer.say("*2\r\n" + share(0, 8191, ready_.port()) + share(8192, 16383, starting_.port()));
      } else if (!is_ready) {
        peer.say("-LOADING Redis is loading the dataset in memory\r\n");
      } else if (words.contains("SCAN")) {
        ++listings_;
        const std::string key = "larder:01/" + numbered(1).hex() + ".art";
        peer.say("*2\r\n$1\r\n0\r\n*1\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n");
      } else {
        peer.say(words.contains("STRLEN") ? ":500\r\n" : "$-1\r\n");
      }
    }
  }

  static std::string share(int first, int last, std::uint16_t port) {
    return "*3\r\n:" + std::to_string(first) + "\r\n:" + std::to_string(last) +
           "\r\n*2\r\n$9\r\n127.0.0.1\r\n:" + std::to_string(port) + "\r\n";
  }

  std::shared_ptr<RemoteStore> store() {
    RemoteStoreOptions options =
        options_of("redis-cluster://127.0.0.1:" + std::to_string(ready_.port()));
    options.breaker.failures = 1;
    return opened(options);
  }

  std::atomic<int> listings_ = 0;
  HostileServer ready_{[this](Peer& peer) { talk(peer, true); }, Serves::all_at_once};
  HostileServer starting_{[this](Peer& peer) { talk(peer, false); }, Serves::all_at_once};
};

TEST_F(HalfStartedCluster, WhatTheOtherServerListsIsTold) {
  std::vector<Fingerprint> told;
  const auto visited = store()->visit([&](const EntryInfo& entry) {
    told.push_back(entry.fingerprint);
    return Visit::go_on;
  });
  EXPECT_FALSE(visited);
  EXPECT_EQ(told, std::vector{numbered(1)});
  EXPECT_EQ(listings_, 1);
}

TEST_F(HalfStartedCluster, TheOtherServersEntriesAreAskedFor) {
  const auto asking = store();
  int answered = 0;
  for (std::uint32_t i = 0; i < 40; ++i) answered += asking->get(numbered(i)) ? 1 : 0;
  EXPECT_GT(answered, 5);
  EXPECT_LT(answered, 35);
}

}  // namespace
}  // namespace larder
