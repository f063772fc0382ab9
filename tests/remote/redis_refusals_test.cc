// What a Redis server says in place of taking a connection, and how long it is asked for that.
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "tests/remote/hostile_server.h"
#include "tests/remote/remote_calls.h"
#include "tests/remote/server.h"

namespace larder {
namespace {

struct Refusal {
  const char* says;
  const char* to;  // the first question: GET, SELECT, AUTH of a password alone, or of a user's
  Errc code;
  const char* tells;
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.says << ", to " << refusal.to;
}

class RefusedByRedis : public testing::TestWithParam<Refusal> {
 protected:
  RemoteStoreOptions options_for(const HostileServer& server) const {
    const std::string to = GetParam().to;
    RemoteStoreOptions options =
        options_of(std::string("redis://") + (to == "AUTH user" ? "user@" : "") +
                   "127.0.0.1:" + std::to_string(server.port()) + (to == "SELECT" ? "/7" : ""));
    if (to.starts_with("AUTH")) {
      options.attributes["password-file"] =
          directory_.write("password", "geheim", std::filesystem::perms::owner_read);
    }
    options.breaker.failures = 1;
    return options;
  }

 private:
  const ServerDirectory directory_;
};

TEST_P(RefusedByRedis, IsToldByItsKindAndAskedNoMoreForAWhile) {
  const HostileServer server([](Peer& peer) {
    while (!peer.read().empty()) peer.say("-" + std::string(GetParam().says) + "\r\n");
  });
  const auto store = opened(options_for(server));
  const auto found = store->get(numbered(1));
  ASSERT_FALSE(found);
  const std::string& said = found.error().message;
  EXPECT_EQ(found.error().code, GetParam().code) << said;
  EXPECT_TRUE(said.contains(GetParam().tells)) << said;
  EXPECT_FALSE(said.contains("words of its own")) << said;
  EXPECT_EQ(store->remote_metrics().breaker_openings, 1u);
  const int connections = server.connections();
  EXPECT_FALSE(store->get(numbered(1)));
  EXPECT_EQ(server.connections(), connections);
}

constexpr const char* full = "raise its maxclients";
constexpr const char* unknown = "refused a command (ERR)";
constexpr const char* no_database = "no such database";

INSTANTIATE_TEST_SUITE_P(
    Words, RefusedByRedis,
    testing::Values(
        Refusal{"ERR max number of clients reached", "GET", Errc::unreachable, full},
        Refusal{"ERR max number of clients reached", "SELECT", Errc::unreachable, full},
        Refusal{"ERR max number of clients reached", "AUTH", Errc::unreachable, full},
        Refusal{"ERR max number of clients + cluster connections reached", "AUTH user",
                Errc::unreachable, full},
        Refusal{"ERR words of its own", "SELECT", Errc::io_error, unknown},
        Refusal{"ERR words of its own", "AUTH", Errc::io_error, unknown},
        Refusal{"ERR DB index is out of range", "SELECT", Errc::permission_denied, no_database},
        Refusal{"ERR invalid DB index", "SELECT", Errc::permission_denied, no_database},
        Refusal{"ERR value is out of range, words of its own", "SELECT", Errc::permission_denied,
                no_database},
        Refusal{"ERR SELECT is not allowed in cluster mode", "SELECT", Errc::permission_denied,
                "redis-cluster://"},
        Refusal{"ERR AUTH <password> called without words of its own", "AUTH",
                Errc::permission_denied, "has no password"},
        Refusal{"ERR Client sent AUTH, but no password is set", "AUTH", Errc::permission_denied,
                "has no password"},
        Refusal{"ERR invalid password", "AUTH", Errc::permission_denied, "know this password"},
        Refusal{"ERR wrong number of arguments for 'auth' command", "AUTH user",
                Errc::permission_denied, "knows no users"}));

}  // namespace
}  // namespace larder
