// HTTP and WebDAV, against a real nginx and against servers that misbehave.
#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <mutex>

#include "base/digest.h"
#include "store/remote/netrc.h"
#include "tests/remote/hostile_server.h"
#include "tests/remote/nginx_server.h"
#include "tests/remote/remote_calls.h"

namespace larder {
namespace {

using std::chrono::milliseconds;

std::string put_error(RemoteStore& store, std::uint32_t number, std::string_view payload) {
  const auto stored = store.put(numbered(number), bytes_of(payload));
  return stored ? "none" : std::string(errc_name(stored.error().code));
}

// Real nginx, which has the program in a folder that not every user's PATH has.
class Nginx : public testing::Test {
 protected:
  void SetUp() override {
    if (has_program("nginx")) server_ = std::make_unique<NginxServer>();
  }
  std::unique_ptr<NginxServer> server_;
};

TEST_F(Nginx, EverySizeComesBackWithAndWithoutMkcol) {
  if (!server_) return;
  for (const std::string& url :
       {server_->url("webdav", "dav"), server_->url("webdav", "dav/new"),
        server_->url("http", "put"), server_->url("http", "put/deep/er")}) {
    RemoteStoreOptions options = options_of(url);
    options.name_space = "team-a";
    const auto store = opened(options);
    for (const std::size_t size : {0u, 1u, 16'384u, 65'536u, 20u << 20}) {
      const auto number = static_cast<std::uint32_t>(size);
      const std::string payload = payload_of(size, 5);
      EXPECT_EQ(text_of(*store, number), "absent") << url;
      const auto stored = store->put(numbered(number), bytes_of(payload));
      EXPECT_TRUE(stored) << stored.error().message;
      EXPECT_TRUE(text_of(*store, number) == payload) << size << " bytes from " << url;
      EXPECT_EQ(store->remove(numbered(number)), true);
    }
  }
}

TEST_F(Nginx, AFileStoreBehindAWebServerIsARemoteTier) {
  if (!server_) return;
  const auto files = open_file_store({.directory = (server_->data() / "readonly").string()});
  ASSERT_TRUE(files);
  ASSERT_TRUE((*files)->put(numbered(1), bytes_of("from a file store")));
  const auto store = opened(options_of(server_->url("http", "readonly")));
  EXPECT_EQ(text_of(*store, 1), "from a file store");
  EXPECT_EQ(put_error(*store, 2, "x"), "permission_denied");
  EXPECT_EQ(text_of(*store, 1), "from a file store");
}

TEST_F(Nginx, ABitFlippedInTheServersFileIsAMiss) {
  if (!server_) return;
  const auto store = opened(options_of(server_->url("http", "put")));
  ASSERT_TRUE(store->put(numbered(1), bytes_of("payload")));
  const std::string hex = numbered(1).hex();
  std::fstream file(server_->data() / "put" / hex.substr(0, 2) / (hex + ".art"),
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(130);
  file.put('X');
  file.close();
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::corrupt);
  EXPECT_TRUE(store->put(numbered(1), bytes_of("payload")));
  EXPECT_EQ(text_of(*store, 1), "payload");
}

TEST_F(Nginx, RefusalsAreToldApart) {
  if (!server_) return;
  EXPECT_EQ(put_error(*opened(options_of(server_->url("http", "dav"))), 1, "x"), "io_error");
  EXPECT_EQ(put_error(*opened(options_of(server_->url("http", "small"))), 1, payload_of(2000, 1)),
            "too_large");
  EXPECT_EQ(put_error(*opened(options_of(server_->url("http", "full"))), 1, "x"), "no_space");
  RemoteStoreOptions busy = options_of(server_->url("http", "busy"));
  EXPECT_EQ(opened(busy)->get(numbered(1)).error().code, Errc::unreachable);
  RemoteStoreOptions nobody = options_of(server_->url("http", "private"));
  EXPECT_EQ(opened(nobody)->get(numbered(1)).error().code, Errc::permission_denied);
}

TEST_F(Nginx, WhoHasThePasswordComesIn) {
  if (!server_) return;
  const ServerDirectory secrets;
  const auto mode = std::filesystem::perms::owner_read;
  std::string url = server_->url("http", "private");
  url.insert(std::string("http://").size(), "reader@");
  RemoteStoreOptions options = options_of(url);
  options.attributes["password-file"] = secrets.write("wrong", "falsch", mode);
  EXPECT_EQ(opened(options)->get(numbered(1)).error().code, Errc::permission_denied);
  options.attributes["password-file"] = secrets.write("right", "geheim", mode);
  const auto store = opened(options);
  ASSERT_TRUE(store->put(numbered(1), bytes_of("x")));
  EXPECT_EQ(text_of(*store, 1), "x");
  EXPECT_EQ(store->describe().find("geheim"), std::string::npos);
}

TEST_F(Nginx, WhoStandsInANetrcComesIn) {
  if (!server_) return;
  const ServerDirectory secrets;
  const auto mode = std::filesystem::perms::owner_read;
  RemoteStoreOptions options = options_of(server_->url("http", "private"));
  const std::string text =
      "machine elsewhere login reader password falsch\nmachine 127.0.0.1\n"
      "  login reader\n  password geheim\n";
  options.attributes["netrc-file"] = secrets.write("netrc", text, mode);
  EXPECT_TRUE(opened(options)->put(numbered(1), bytes_of("x")));

  options.attributes["netrc-file"] =
      secrets.write("none", "machine elsewhere login a password b", mode);
  EXPECT_EQ(open_remote_store(options).error().code, Errc::invalid_argument);
  options.attributes["netrc-file"] =
      secrets.write("open", text, mode | std::filesystem::perms::group_read);
  const auto refused = open_remote_store(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_EQ(refused.error().message.find("geheim"), std::string::npos);
}

TEST(Netrc, TheFirstEntryThatFitsIsTaken) {
  const std::string text =
      "machine a login anna\n\nmachine a password p1 login berta account x\n"
      "macdef init\nmachine a login evil password evil\n\nmachine a login carla password p2\n"
      "default login d password p3";
  EXPECT_EQ(find_login(text, "a", "")->user, "berta");
  EXPECT_EQ(find_login(text, "a", "")->password, "p1");
  EXPECT_EQ(find_login(text, "a", "carla")->password, "p2");
  EXPECT_EQ(find_login(text, "b", "")->password, "p3");
  EXPECT_FALSE(find_login(text, "b", "anna"));
  EXPECT_FALSE(find_login("machine a login b password", "a", ""));
  EXPECT_FALSE(find_login("", "a", ""));
  const auto uncommented =
      find_login("# machine a login old password o\nmachine a login b password #", "a", "");
  ASSERT_TRUE(uncommented);
  EXPECT_EQ(uncommented->user, "b");
  EXPECT_EQ(uncommented->password, "#");
}

TEST_F(Nginx, ARedirectionIsFollowedWithinTheHostOnly) {
  if (!server_) return;
  ASSERT_TRUE(opened(options_of(server_->url("http", "put")))->put(numbered(1), bytes_of("x")));
  EXPECT_EQ(text_of(*opened(options_of(server_->url("http", "moved"))), 1), "x");
  const auto elsewhere = opened(options_of(server_->url("http", "elsewhere")))->get(numbered(1));
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, Errc::io_error);
}

// Only a tier's own setting says where it is.
TEST_F(Nginx, NoProxyOfTheEnvironmentIsAsked) {
  if (!server_) return;
  const std::string nobody = "http://127.0.0.1:" + std::to_string(free_port());
  for (const char* name : {"http_proxy", "all_proxy"}) ::setenv(name, nobody.c_str(), 1);
  const auto store = opened(options_of(server_->url("http", "put")));
  const auto stored = store->put(numbered(1), bytes_of("x"));
  EXPECT_TRUE(stored) << stored.error().message;
  for (const char* name : {"http_proxy", "all_proxy"}) ::unsetenv(name);
}

TEST(HttpRedirections, EndAfterAFew) {
  std::atomic<int> asked = 0;
  const HostileServer server([&](Peer& peer) {
    peer.read();
    ++asked;
    peer.say(
        "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  const auto store = opened(options_of("http://127.0.0.1:" + std::to_string(server.port())));
  EXPECT_EQ(store->get(numbered(1)).error().code, Errc::io_error);
  EXPECT_EQ(asked, 2 * 4) << "three redirections, and as many for an entry that nobody has";
}

TEST_F(Nginx, ManyAreFetchedTogetherAndToldApart) {
  if (!server_) return;
  RemoteStoreOptions options = options_of(server_->url("http", "put"));
  options.max_entry_bytes = 100'000;
  const auto file_of = [&](std::uint32_t number) {
    const std::string hex = numbered(number).hex();
    return server_->data() / "put" / hex.substr(0, 2) / (hex + ".art");
  };
  expect_many_to_be_told_apart(
      *opened(options), [&](std::uint32_t number) { std::ofstream(file_of(number)) << "garbage"; },
      [&](std::uint32_t number) { std::filesystem::resize_file(file_of(number), 300'000); });
}

TEST_F(Nginx, EachOfManyIsFollowedToWhereItWasMoved) {
  if (!server_) return;
  const auto store = opened(options_of(server_->url("http", "put")));
  const auto moved = opened(options_of(server_->url("http", "moved")));
  std::vector<Fingerprint> asked;
  for (std::uint32_t i = 0; i < 20; ++i) {
    asked.push_back(numbered(i));
    ASSERT_TRUE(store->put(numbered(i), bytes_of(std::to_string(i))));
  }
  const auto found = moved->get_many(asked).value();
  for (std::uint32_t i = 0; i < 20; ++i) EXPECT_EQ((**found[i]).text(), std::to_string(i));
}

std::vector<Fingerprint> first_numbers(std::uint32_t count) {
  std::vector<Fingerprint> fingerprints;
  for (std::uint32_t i = 0; i < count; ++i) fingerprints.push_back(numbered(i));
  return fingerprints;
}

// The server answers nobody before eight have asked.
TEST(HttpBatch, EightAreUnderWayAtATimeAndNoMore) {
  std::mutex mutex;
  std::condition_variable changed;
  int waiting = 0, most = 0;
  const auto serve = [&](Peer& peer) {
    while (!peer.read().empty()) {
      std::unique_lock lock(mutex);
      most = std::max(most, ++waiting);
      changed.notify_all();
      changed.wait_for(lock, milliseconds(5000), [&] { return most >= 8; });
      --waiting;
      lock.unlock();
      peer.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
  };
  const HostileServer server(serve, Serves::all_at_once);
  const auto store = opened(options_of("http://127.0.0.1:" + std::to_string(server.port())));
  const auto answers = store->get_many(first_numbers(40)).value();
  for (const Lookup& found : answers) {
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_FALSE(*found);
  }
  const std::scoped_lock lock(mutex);
  EXPECT_EQ(most, 8);
}

TEST(HttpBatch, ASilentServerIsAskedNothingMore) {
  const HostileServer server([](Peer& peer) { peer.hang(); }, Serves::all_at_once);
  RemoteStoreOptions options = options_of("http://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {milliseconds(200), milliseconds(50), milliseconds(10'000)};
  options.breaker.failures = 1;
  const auto store = opened(options);
  const auto answers = store->get_many(first_numbers(64)).value();
  for (const Lookup& found : answers) {
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::timed_out);
  }
  EXPECT_LE(server.connections(), 8 * 3) << "eight of them, in three attempts";
  EXPECT_EQ(store->remote_metrics().timeouts, 64u);
  EXPECT_EQ(store->remote_metrics().breaker_openings, 1u);
  EXPECT_TRUE(store->remote_metrics().balanced());
}

// Who only hears that there is no listing has not asked the server, and cannot tell how it is.
TEST(HttpListing, WhatIsNotSentEndsNoPause) {
  const HostileServer server([](Peer& peer) { peer.hang(); }, Serves::all_at_once);
  const ServerDirectory here;
  ASSERT_TRUE(open_file_store({.directory = here.path().string()}));
  RemoteStoreOptions options = options_of("http://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {milliseconds(200), milliseconds(50), milliseconds(200)};
  options.breaker.failures = 1;
  options.state_directory = here.path().string();
  EXPECT_EQ(opened(options)->get(numbered(1)).error().code, Errc::timed_out);
  const int connections = server.connections();
  RemoteStoreOptions pulling = options;
  pulling.for_transfers = true;
  const auto listed = opened(pulling)->visit([](const EntryInfo&) { return Visit::go_on; });
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code, Errc::unsupported);
  const auto found = opened(options)->get(numbered(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::unreachable);
  EXPECT_EQ(server.connections(), connections) << "all know that it is silent";
}

// What a server that misbehaves says to a GET, and what it is taken for.
struct Misbehaviour {
  const char* name;
  std::function<void(Peer&)> serve;
  Errc code;
};

class HostileHttp : public testing::TestWithParam<Misbehaviour> {};

TEST_P(HostileHttp, CostsAMissAndNoMore) {
  const HostileServer server(GetParam().serve);
  RemoteStoreOptions options = options_of("http://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {milliseconds(200), milliseconds(100), milliseconds(400)};
  options.max_entry_bytes = 1000;
  const auto store = opened(options);
  const auto found = store->get(numbered(1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, GetParam().code) << found.error().message;
  const RemoteMetrics told = store->remote_metrics();
  EXPECT_TRUE(told.balanced());
  // Its silence is noticed long before the call's own end, so that there is time to try again.
  const bool is_silent = std::string_view(GetParam().name).starts_with("Silent");
  EXPECT_GE(told.retries, is_silent ? 1u : 0u);
}

std::function<void(Peer&)> says(std::string text) {
  return [text = std::move(text)](Peer& peer) {
    peer.read();
    peer.say(text);
    peer.hang();
  };
}

std::function<void(Peer&)> says_and_goes_on(std::string first, std::string again,
                                            int pause_ms = 0) {
  return [=](Peer& peer) {
    peer.read();
    peer.say(first);
    while (peer.say(again)) std::this_thread::sleep_for(milliseconds(pause_ms));
  };
}

void cut(Peer& peer) {
  peer.read();
  peer.say("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, HostileHttp,
    testing::Values(
        Misbehaviour{"Hang", [](Peer& peer) { peer.hang(); }, Errc::timed_out},
        Misbehaviour{"Close", [](Peer&) {}, Errc::unreachable},
        Misbehaviour{"Cut", cut, Errc::unreachable},
        Misbehaviour{"SilentInTheMiddle", says("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc"),
                     Errc::timed_out},
        Misbehaviour{"Drip",
                     says_and_goes_on("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", "x", 20),
                     Errc::timed_out},
        Misbehaviour{"Larger", says("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"),
                     Errc::too_large},
        Misbehaviour{"EndlessChunks",
                     says_and_goes_on("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                      "4\r\nabcd\r\n"),
                     Errc::too_large},
        Misbehaviour{"EndlessUntilClose", says_and_goes_on("HTTP/1.1 200 OK\r\n\r\n", "abcd"),
                     Errc::too_large},
        Misbehaviour{"EndlessHeaders", says_and_goes_on("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
                     Errc::io_error},
        Misbehaviour{"EndlessInterim",
                     says_and_goes_on("", "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"), Errc::io_error},
        Misbehaviour{"EndlessError",
                     says_and_goes_on("HTTP/1.1 500 No\r\n\r\n", std::string(1000, 'x')),
                     Errc::io_error},
        Misbehaviour{"Redis", says("-ERR unknown command\r\n"), Errc::io_error},
        Misbehaviour{"Part", says("HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc"),
                     Errc::io_error},
        Misbehaviour{"Short", says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
                     Errc::corrupt},
        Misbehaviour{"Compressed",
                     says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
                          "abc"),
                     Errc::corrupt},
        Misbehaviour{"OtherHost",
                     says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: "
                          "0\r\n\r\n"),
                     Errc::io_error},
        Misbehaviour{"OtherScheme",
                     says("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: "
                          "0\r\n\r\n"),
                     Errc::io_error}),
    [](const testing::TestParamInfo<Misbehaviour>& tested) { return tested.param.name; });

// A server of the vyre layout: what it says of the bytes, and whether they are good.
struct VyreAnswer {
  const char* name;
  std::string fingerprint;
  const char* provenance;
  std::string device;
  bool is_damaged;
  std::optional<Errc> code;
};

class VyreTier : public testing::TestWithParam<VyreAnswer> {
 protected:
  static std::string answer() {
    std::string body = "kernel";
    const Digest digest = blake3(body);
    body.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    if (GetParam().is_damaged) body[2] = 'X';
    std::string text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                       "\r\nX-Vyre-Cache-Fingerprint: " + GetParam().fingerprint;
    text += std::string("\r\nX-VYRE-cache-source-provenance: ") + GetParam().provenance;
    if (!GetParam().device.empty()) {
      text += "\r\nx-vyre-cache-device-compatibility:" + GetParam().device;
    }
    return text + "\r\n\r\n" + body;
  }
};

TEST_P(VyreTier, IsBelievedWhenItSaysWhatWasDemanded) {
  std::mutex mutex;
  std::string asked;
  const HostileServer server([&](Peer& peer) {
    const std::string request = peer.read();
    const std::scoped_lock lock(mutex);
    asked = request;
    peer.say(answer());
  });
  RemoteStoreOptions options =
      options_of("vyre+http://127.0.0.1:" + std::to_string(server.port()) + "/base");
  options.attributes = {{"source-provenance", "git 1234"}, {"device-compatibility", "gfx1100"}};
  const auto store = opened(options);
  const auto found = store->get(numbered(1));
  if (GetParam().code) {
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, GetParam().code) << found.error().message;
  } else {
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->text(), "kernel");
  }
  const std::scoped_lock lock(mutex);
  EXPECT_TRUE(asked.starts_with("GET /base/" + numbered(1).hex() + ".bin HTTP")) << asked;
  EXPECT_EQ(put_error(*store, 1, "x"), "read_only");
  EXPECT_TRUE(store->remote_metrics().balanced());
}

const std::string asked_for = numbered(1).hex();
INSTANTIATE_TEST_SUITE_P(
    Answers, VyreTier,
    testing::Values(
        VyreAnswer{"Good", asked_for, "git 1234", " gfx1100 ", false, {}},
        VyreAnswer{"Damaged", asked_for, "git 1234", "gfx1100", true, Errc::corrupt},
        VyreAnswer{"OtherFingerprint", numbered(2).hex(), "git 1234", "gfx1100", false,
                   Errc::not_ours},
        VyreAnswer{"OtherSource", asked_for, "git 1235", "gfx1100", false, Errc::not_ours},
        VyreAnswer{"OtherDevice", asked_for, "git 1234", "gfx1101", false, Errc::not_ours},
        VyreAnswer{"NoDevice", asked_for, "git 1234", "", false, Errc::not_ours},
        VyreAnswer{"TwoDevices", asked_for, "git 1234",
                   "gfx1100\r\nx-vyre-cache-device-compatibility: gfx1101", false, Errc::not_ours},
        VyreAnswer{"TwoDevicesTheRightOneLast", asked_for, "git 1234",
                   "gfx1101\r\nx-vyre-cache-device-compatibility: gfx1100", false, Errc::not_ours}),
    [](const testing::TestParamInfo<VyreAnswer>& tested) { return tested.param.name; });

TEST(VyreTierOptions, WhatIsDemandedHasToBeSaid) {
  RemoteStoreOptions options = options_of("vyre+http://127.0.0.1:1");
  EXPECT_FALSE(open_remote_store(options));
  options.attributes = {{"source-provenance", "git 1234"}, {"device-compatibility", "gfx1100"}};
  EXPECT_TRUE(open_remote_store(options));
  const Keys::Secret secret = {1};
  options.keys = Keys::from_secrets({&secret, 1}).value();
  EXPECT_FALSE(open_remote_store(options)) << "there is no room for a key";
}

// The silence begins with the connection, however long that might have taken.
TEST(HttpSilence, DoesNotGrowByTheTimeThatConnectingMayTake) {
  HostileServer server([](Peer& peer) { peer.hang(); });
  RemoteStoreOptions options = options_of("http://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {std::chrono::minutes(10), milliseconds(100), std::chrono::hours(1)};
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(opened(options)->get(numbered(1)).error().code, Errc::timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::minutes(1));
}

TEST(HostileUpload, AServerThatReadsNothingIsLate) {
  const HostileServer server([](Peer& peer) { peer.hang(); });
  RemoteStoreOptions options = options_of("http://127.0.0.1:" + std::to_string(server.port()));
  options.timeouts = {milliseconds(200), milliseconds(100), milliseconds(300)};
  const auto store = opened(options);
  const auto stored = store->put(numbered(1), bytes_of(payload_of(20u << 20, 1)));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::timed_out);
}

}  // namespace
}  // namespace larder
