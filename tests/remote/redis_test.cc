// The Redis transport, against a real redis-server and against one that misbehaves.
#include <gtest/gtest.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include <algorithm>

#include "format/entry.h"
#include "larder/cache.h"
#include "larder/keys.h"
#include "remote/redis_transport.h"
#include "tests/remote/hostile_server.h"
#include "tests/remote/redis_server.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

Errc put_error(RemoteStore& store, std::uint32_t number, std::string_view payload) {
  const auto stored = store.put(numbered(number), bytes_of(payload));
  EXPECT_FALSE(stored);
  return stored ? Errc::absent : stored.error().code;
}

// What a test says to the server past the store.
std::string ask(const RedisServer& server, const char* command) {
  redisContext* context = redisConnectUnix(server.socket().c_str());
  auto* reply = static_cast<redisReply*>(redisCommand(context, command));
  std::string said = reply != nullptr && reply->str != nullptr ? reply->str : "";
  freeReplyObject(reply);
  redisFree(context);
  return said;
}

TEST(Redis, EverySizeComesBackOverTcpAndSocket) {
  if (!has_program("redis-server")) return;
  const RedisServer server;
  for (const std::string& url : {server.tcp_url(), server.socket_url(), server.tcp_url() + "/3"}) {
    const auto store = opened(options_of(url));
    for (const std::size_t size : {0u, 1u, 16'384u, 65'536u, 20u << 20}) {
      const auto number = static_cast<std::uint32_t>(size);
      const std::string payload = payload_of(size, 5);
      EXPECT_EQ(text_of(*store, number), "absent") << url;
      const auto stored = store->put(numbered(number), bytes_of(payload));
      EXPECT_TRUE(stored) << stored.error().message;
      EXPECT_TRUE(text_of(*store, number) == payload) << size << " bytes from " << url;
    }
    EXPECT_TRUE(store->clear());
  }
}

TEST(Redis, TenThousandKeysAreListedAndOtherPeoplesAreNot) {
  if (!has_program("redis-server")) return;
  const RedisServer server;
  ask(server, "SET somebody:else 1");
  RemoteStoreOptions options = options_of(server.socket_url());
  options.name_space = "team-a";
  const auto store = opened(options);
  for (std::uint32_t i = 0; i < 10'000; ++i) ASSERT_TRUE(store->put(numbered(i), bytes_of("x")));
  options.name_space = "team-b";
  EXPECT_EQ(text_of(*opened(options), 1), "absent");
  int seen = 0;
  EXPECT_TRUE(store->visit([&](const EntryInfo& entry) {
    seen += entry.payload_bytes == 1 ? 1 : 0;
    return Visit::go_on;
  }));
  EXPECT_EQ(seen, 10'000);
  EXPECT_EQ(store->clear()->evicted_entries, 10'000u);
  EXPECT_EQ(ask(server, "GET somebody:else"), "1");
}

TEST(Redis, ManyAreFetchedInOneGoAndToldApart) {
  if (!has_program("redis-server")) return;
  const RedisServer server;
  RemoteStoreOptions options = options_of(server.tcp_url());
  options.max_entry_bytes = 100'000;
  const auto name_of = [](std::uint32_t number) {
    const std::string hex = numbered(number).hex();
    return "larder:" + hex.substr(0, 2) + "/" + hex + ".art";
  };
  expect_many_to_be_told_apart(
      *opened(options),
      [&](std::uint32_t number) { ask(server, ("SET " + name_of(number) + " garbage").c_str()); },
      [&](std::uint32_t number) {
        ask(server, ("SETRANGE " + name_of(number) + " 200000 x").c_str());
      });
}

TEST(Redis, ALateAnswerIsNotTakenForTheNextOne) {
  if (!has_program("redis-server")) return;
  RedisServer server;
  RemoteStoreOptions options = options_of(server.tcp_url());
  options.timeouts = {milliseconds(500), milliseconds(100), milliseconds(150)};
  const auto store = opened(options);
  ASSERT_TRUE(store->put(numbered(1), bytes_of("one")));
  ASSERT_TRUE(store->put(numbered(2), bytes_of("two")));
  server.process().freeze();
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::timed_out);
  server.process().thaw();
  EXPECT_EQ(text_of(*store, 2), "two");
  EXPECT_EQ(text_of(*store, 1), "one");
  const RemoteMetrics told = store->remote_metrics();
  EXPECT_EQ(told.timeouts, 1u);
  EXPECT_EQ(told.corrupt, 0u);
  EXPECT_TRUE(told.balanced());
}

TEST(Redis, AKeptConnectionThatTheServerClosedIsMadeAnew) {
  if (!has_program("redis-server")) return;
  const RedisServer server;
  const auto store = opened(options_of(server.tcp_url()));
  ASSERT_TRUE(store->put(numbered(1), bytes_of("one")));
  ask(server, "CLIENT KILL TYPE normal");
  EXPECT_EQ(text_of(*store, 1), "one");
  ask(server, "CLIENT KILL TYPE normal");
  EXPECT_TRUE(store->put(numbered(2), bytes_of(payload_of(100'000, 1))));
}

TEST(Redis, PasswordsAndUsersAreChecked) {
  if (!has_program("redis-server")) return;
  const RedisServer server({"--requirepass", "geheim"});
  const ServerDirectory secrets;
  const auto mode = std::filesystem::perms::owner_read;
  RemoteStoreOptions options = options_of(server.tcp_url());
  EXPECT_EQ(put_error(*opened(options), 1, "x"), Errc::permission_denied);
  options.attributes["password-file"] = secrets.write("wrong", "falsch\n", mode);
  EXPECT_EQ(put_error(*opened(options), 1, "x"), Errc::permission_denied);
  options.attributes["password-file"] = secrets.write("right", "geheim\n", mode);
  EXPECT_TRUE(opened(options)->put(numbered(1), bytes_of("x")));
}

TEST(Redis, AUserWhoMayOnlyReadReads) {
  if (!has_program("redis-server")) return;
  const RedisServer server({"--user", "reader", "on", ">geheim", "~*", "+get", "+strlen"});
  EXPECT_TRUE(opened(options_of(server.tcp_url()))->put(numbered(1), bytes_of("x")));
  const ServerDirectory secrets;
  RemoteStoreOptions options =
      options_of("redis://reader@" + server.tcp_url().substr(std::string("redis://").size()));
  options.attributes["password-file"] =
      secrets.write("password", "geheim", std::filesystem::perms::owner_read);
  const auto store = opened(options);
  EXPECT_EQ(put_error(*store, 2, "y"), Errc::permission_denied);
  EXPECT_EQ(text_of(*store, 1), "x");
  EXPECT_EQ(store->describe(), server.tcp_url());
}

TEST(Redis, AFullServerIsNoSpace) {
  if (!has_program("redis-server")) return;
  const RedisServer server({"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"});
  const auto store = opened(options_of(server.tcp_url()));
  ASSERT_TRUE(store->put(numbered(1), bytes_of("x")));
  Errc code = Errc::absent;
  for (std::uint32_t i = 2; i < 10 && code == Errc::absent; ++i) {
    const auto stored = store->put(numbered(i), bytes_of(payload_of(1u << 20, 1)));
    if (!stored) code = stored.error().code;
  }
  EXPECT_EQ(code, Errc::no_space);
  EXPECT_EQ(text_of(*store, 1), "x");
}

TEST(Redis, AForeignValueIsNotRead) {
  if (!has_program("redis-server")) return;
  const RedisServer server;
  const auto store = opened(options_of(server.tcp_url()));
  const std::string key = "larder:01/" + numbered(1).hex() + ".art";
  ask(server, ("LPUSH " + key + " x").c_str());
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::not_ours);
  EXPECT_EQ(store->remote_metrics().skipped, 1u);
}

TEST(Redis, NobodyThereIsUnreachable) {
  const auto store = opened(options_of("redis://127.0.0.1:" + std::to_string(free_port())));
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::unreachable);
  const auto gone = opened(options_of("redis+unix:///nowhere/socket"));
  EXPECT_EQ(gone->get(numbered(1)).error().code, Errc::unreachable);
}

TEST(Redis, WhatNobodyAskedForIsNotTakenForTheNextAnswer) {
  const HostileServer server([](Peer& peer) {
    peer.read();
    peer.say("$3\r\nabc\r\n$-1\r\n$-1\r\n");
    peer.hang();
  });
  RemoteStoreOptions options = options_of("redis://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {milliseconds(200), milliseconds(100), milliseconds(100)};
  const auto store = opened(options);
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::corrupt);
  EXPECT_FALSE(store->get(numbered(2))) << "absent, says an answer to nobody's question";
  const std::vector<Fingerprint> one = {numbered(1)};
  EXPECT_FALSE(opened(options)->get_many(one).value().front());
}

// Of a server that was started anew, or gives up idle connections, all that were kept are closed.
TEST(Redis, KeptConnectionsThatTheServerHasClosedCostNothing) {
  std::atomic<bool> closes = false;
  const HostileServer server(
      [&](Peer& peer) {
        while (!peer.read().empty()) {
          std::this_thread::sleep_for(milliseconds(20));
          peer.say("$-1\r\n");
          if (closes) return;
        }
      },
      Serves::all_at_once);
  const auto store = opened(options_of("redis://127.0.0.1:" + std::to_string(server.port())));
  closes = true;  // each after its first answer
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t i = 0; i < 8; ++i) {
      threads.emplace_back([&store, i] { EXPECT_EQ(text_of(*store, i), "absent"); });
    }
  }
  ASSERT_GE(server.connections(), 4);
  std::this_thread::sleep_for(milliseconds(50));
  closes = false;
  EXPECT_EQ(text_of(*store, 1), "absent");
  EXPECT_EQ(store->remote_metrics().retries, 0u);
}

// Four bytes of a list would become an object of seventy: the answer to one question is no list.
TEST(Redis, AListWhereOneThingWasAskedForIsRefusedUnread) {
  HostileServer server([](Peer& peer) {
    peer.read();
    peer.say("*1000000\r\n");
    peer.hang();
  });
  const auto store = opened(options_of("redis://127.0.0.1:" + std::to_string(server.port())));
  const auto found = store->get(numbered(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::io_error);
  EXPECT_NE(found.error().message.find("list"), std::string::npos) << found.error().message;
}

// TCP knows no answers, only bytes: they come in whatever pieces it likes.
TEST(Redis, AnswersAreTheSameInWhateverPiecesTheyCome) {
  const std::string payload = payload_of(100'000, 3);
  const auto entry =
      format::encode_entry(FileLayout::larder, numbered(1), bytes_of(payload), {}, {});
  std::string object;
  for (const auto piece : entry.pieces()) {
    object.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  const std::string answer = "$" + std::to_string(object.size()) + "\r\n" + object + "\r\n";
  for (const std::size_t piece_bytes : {1u, 7u, 4'096u, 65'536u, 70'001u}) {
    HostileServer server([&](Peer& peer) {
      // Pieces of one byte only where it matters: at the seams.
      for (std::string all; !peer.read().empty(); all.clear()) {
        for (int i = 0; i < 3; ++i) all += i == 1 ? "$-1\r\n" : answer;
        for (std::size_t at = 0; at < all.size();) {
          const std::size_t in_answer = at % answer.size();
          const bool is_seam = in_answer < 20 || answer.size() - in_answer < 20;
          const std::size_t bytes = is_seam || piece_bytes > 7 ? piece_bytes : 3'000;
          if (!peer.say(std::string_view(all).substr(at, bytes))) return;
          at += bytes;
        }
      }
    });
    const auto store = opened(options_of("redis://127.0.0.1:" + std::to_string(server.port())));
    const std::vector<Fingerprint> asked(3, numbered(1));
    for (int round = 0; round < 2; ++round) {
      const auto found = store->get_many(asked).value();
      for (const std::size_t i : {0u, 2u}) {
        ASSERT_TRUE(found[i] && *found[i]) << piece_bytes;
        EXPECT_TRUE((**found[i]).text() == payload) << piece_bytes;
      }
      ASSERT_TRUE(found[1]);
      EXPECT_FALSE(*found[1]);
    }
    EXPECT_EQ(server.connections(), 1);
  }
}

TEST(Redis, KeysThatNobodyAskedForAreNotListed) {
  const HostileServer server([](Peer& peer) {
    peer.read();
    peer.say("*2\r\n$1\r\n0\r\n*1\r\n$8\r\nlarder:x\r\n");  // of no namespace
    peer.read();
    peer.say(":7\r\n");
    peer.hang();
  });
  RemoteStoreOptions options = options_of("redis://127.0.0.1:" + std::to_string(server.port()));
  options.name_space = "team-a";
  const auto visited = opened(options)->visit([](const EntryInfo&) { return Visit::go_on; });
  EXPECT_TRUE(visited) << visited.error().message;
}

// As an application does it: machines with the same key share what they compile, others do not.
TEST(Redis, OpenGivesTheKeyToEveryTier) {
  if (!has_program("redis-server")) return;
  const RedisServer server;
  const ServerDirectory directory;
  for (const char* key : {"ours", "theirs"}) {
    ASSERT_TRUE(make_key_file(directory.path() / key));
  }
  ::setenv("LARDER_REMOTE", (server.tcp_url() + " write=sync").c_str(), 1);
  const auto compiles_on = [&](const std::string& machine, std::optional<std::string> key) {
    OpenOptions options;
    options.location = "file:" + (directory.path() / machine).string();
    if (key) options.key_file = directory.path() / *key;
    auto cache = open(options);
    EXPECT_TRUE(cache) << cache.error().message;
    EXPECT_TRUE(cache->get_or_compile(numbered(1), [] { return Artifact::copy_of("kernel"); }));
    return cache->metrics().compiles;
  };
  EXPECT_EQ(compiles_on("a", "ours"), 1u);
  EXPECT_EQ(compiles_on("b", "ours"), 0u);
  EXPECT_EQ(compiles_on("c", "theirs"), 1u);
  EXPECT_EQ(compiles_on("d", std::nullopt), 1u);
  ::unsetenv("LARDER_REMOTE");
}

// The limit holds for every answer on a connection, not for the first one alone; and for one whose
// length comes in two pieces.
TEST(Redis, WhatIsTooLargeIsCutOffOnAUsedConnectionToo) {
  const HostileServer server([](Peer& peer) {
    peer.read();
    peer.say("$-1\r\n");
    peer.read();
    peer.say("$60");
    std::this_thread::sleep_for(milliseconds(20));
    peer.say("00\r\n" + std::string(6000, 'x') + "\r\n");
    peer.hang();
  });
  RemoteStoreOptions options = options_of("redis://127.0.0.1:" + std::to_string(server.port()));
  options.max_entry_bytes = 1000;
  const auto store = opened(options);
  EXPECT_EQ(text_of(*store, 1), "absent");
  EXPECT_EQ(store->get(numbered(2)).error().code, Errc::too_large);
}

// What a server that misbehaves says to a GET, and what it is taken for.
struct Misbehaviour {
  const char* name;
  std::function<void(Peer&)> serve;
  Errc code;
};

class HostileRedis : public testing::TestWithParam<Misbehaviour> {};

TEST_P(HostileRedis, CostsAMissAndNoMore) {
  const HostileServer server(GetParam().serve);
  const ServerDirectory secrets;
  RemoteStoreOptions options = options_of("redis://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {milliseconds(200), milliseconds(100), milliseconds(400)};
  options.max_entry_bytes = 1000;
  const auto store = opened(options);
  const auto found = store->get(numbered(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, GetParam().code) << found.error().message;
  EXPECT_EQ(found.error().message.find("GEHEIM"), std::string::npos) << "a word of the server's";
  EXPECT_TRUE(store->remote_metrics().balanced());

  options.attributes["password-file"] =
      secrets.write("password", "geheim", std::filesystem::perms::owner_read);
  const auto refused = opened(options)->get(numbered(1));
  EXPECT_FALSE(refused);
  EXPECT_EQ(refused.error().message.find("geheim"), std::string::npos) << "echoed by the server";
}

std::function<void(Peer&)> says(std::string text) {
  return [text = std::move(text)](Peer& peer) {
    const std::string asked = peer.read();
    peer.say(text);
    peer.hang();
  };
}

void endless(Peer& peer) {
  peer.read();
  peer.say("+");
  while (peer.say(std::string(64 * 1024, 'x'))) {
  }
}

void endless_bulk(Peer& peer) {
  peer.read();
  peer.say("$500\r\n");
  while (peer.say(std::string(64 * 1024, 'x'))) {
  }
}

// None of its parts is too large.
void many_keys(Peer& peer) {
  peer.read();
  peer.say("*16000\r\n");
  const std::string part = "$900\r\n" + std::string(900, 'x') + "\r\n";
  for (int i = 0; i < 16'000 && peer.say(part); ++i) {
  }
  peer.hang();
}

void drip(Peer& peer) {
  peer.read();
  peer.say("$1000\r\n");
  while (peer.say("x")) std::this_thread::sleep_for(milliseconds(20));
}

void cut(Peer& peer) {
  peer.read();
  peer.say("$1000\r\nabc");
}

void echo(Peer& peer) {
  std::string asked = peer.read();
  std::ranges::replace(asked, '\r', ' ');
  std::ranges::replace(asked, '\n', ' ');
  peer.say("-ERR unknown command, with args beginning with: " + asked + "\r\n");
  peer.hang();
}

// Each list is of a size that may be, and the answer of few bytes.
void lists_in_a_list(Peer& peer) {
  std::string list = "*200000\r\n";
  for (int i = 0; i < 200'000; ++i) list += ":1\r\n";
  peer.read();
  peer.say("*3\r\n" + list + list);
  peer.hang();
}

class HostileListing : public testing::TestWithParam<Misbehaviour> {};

TEST_P(HostileListing, EndsWithAnError) {
  const HostileServer server(GetParam().serve);
  RemoteStoreOptions options = options_of("redis://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts.data = milliseconds(500);
  const auto visited = opened(options)->visit([](const EntryInfo&) { return Visit::go_on; });
  ASSERT_FALSE(visited);
  EXPECT_EQ(visited.error().code, GetParam().code) << visited.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileListing,
    testing::Values(Misbehaviour{"ManyKeys", many_keys, Errc::too_large},
                    Misbehaviour{"Array", says("*1000000000\r\n"), Errc::io_error},
                    Misbehaviour{"Nested", says("*1\r\n*1000000000\r\n"), Errc::io_error},
                    Misbehaviour{"ListsInAList", lists_in_a_list, Errc::io_error}),
    [](const testing::TestParamInfo<Misbehaviour>& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileRedis,
    testing::Values(Misbehaviour{"Hang", [](Peer& peer) { peer.hang(); }, Errc::timed_out},
                    Misbehaviour{"Close", [](Peer&) {}, Errc::unreachable},
                    Misbehaviour{"Cut", cut, Errc::unreachable},
                    Misbehaviour{"Drip", drip, Errc::timed_out},
                    Misbehaviour{"Http", says("HTTP/1.1 400 Bad\r\n\r\n"), Errc::io_error},
                    Misbehaviour{"Endless", endless, Errc::io_error},
                    Misbehaviour{"Larger", says("$999999999\r\nabc"), Errc::too_large},
                    Misbehaviour{"EndlessBulk", endless_bulk, Errc::io_error},
                    Misbehaviour{"Array", says("*1000000000\r\n"), Errc::io_error},
                    Misbehaviour{"Nested", says("*1\r\n*1000000000\r\n"), Errc::io_error},
                    Misbehaviour{"Secret", says("-GEHEIM is wrong\r\n"), Errc::io_error},
                    Misbehaviour{"Number", says(":7\r\n"), Errc::io_error},
                    Misbehaviour{"Short", says("$3\r\nabc\r\n"), Errc::corrupt},
                    Misbehaviour{"Echo", echo, Errc::io_error}),
    [](const testing::TestParamInfo<Misbehaviour>& tested) { return tested.param.name; });

}  // namespace
}  // namespace larder
