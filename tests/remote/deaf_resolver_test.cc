// A resolver that does not end: the name servers of a machine are silent, or far away.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>

#include "os/socket_open.h"
#include "store/remote/attempts.h"
#include "tests/remote/hostile_server.h"
#include "tests/remote/remote_calls.h"

namespace {

// Whether look-ups of names that end in ".deaf" wait; how many do.
class DeafNames {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    // Whoever waits for the resolver fails at the end of this, and does not hang for ever.
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !deaf_; });
    --waiting_;
    changed_.notify_all();
  }
  void hear() {
    std::unique_lock lock(mutex_);
    deaf_ = false;
    changed_.notify_all();
    changed_.wait(lock, [this] { return waiting_ == 0; });
    deaf_ = true;
  }
  int waiting() {
    const std::scoped_lock lock(mutex_);
    return waiting_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool deaf_ = true;
  int waiting_ = 0;
};

DeafNames& names() {
  static DeafNames all;
  return all;
}

}  // namespace

// In place of the C library's, for every library of this program.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* wanted,
                           addrinfo** found) {
  using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  const bool is_number = wanted != nullptr && (wanted->ai_flags & AI_NUMERICHOST) != 0;
  if (host == nullptr || is_number || !std::string_view(host).ends_with(".deaf")) {
    return real(host, service, wanted, found);
  }
  names().wait();
  return real("127.0.0.1", service, wanted, found);
}

namespace larder {
namespace {

using std::chrono::milliseconds;

class DeafResolver : public testing::TestWithParam<const char*> {};

TEST_P(DeafResolver, IsNotWaitedForLongerThanAConnection) {
  RemoteStoreOptions options = options_of(GetParam());
  options.plaintext = true;
  options.timeouts = {milliseconds(50), milliseconds(1000), milliseconds(2000)};
  {
    const auto store = opened(options);
    const auto found = store->get(numbered(1));
    ASSERT_FALSE(found);
    EXPECT_TRUE(may_pass(found.error().code)) << found.error().message;
    EXPECT_GT(names().waiting(), 0) << "nobody asked it";
  }
  EXPECT_GT(names().waiting(), 0) << "the store's end waited for it";
  names().hear();
}

INSTANTIATE_TEST_SUITE_P(Transports, DeafResolver,
                         testing::Values("redis://cache.deaf:1", "redis-cluster://cache.deaf:1",
                                         "http://cache.deaf:1/x", "webdav://cache.deaf:1/x"));

// Loaded, asked once, and unloaded; whether it is there still.
bool stays_after_look_up(const char* url) {
  void* plugin = ::dlopen(LARDER_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) return false;
  const auto look_up_once = reinterpret_cast<int (*)(const char*)>(::dlsym(plugin, "look_up_once"));
  EXPECT_NE(look_up_once, nullptr);
  EXPECT_NE(look_up_once(url), 0);
  EXPECT_EQ(::dlclose(plugin), 0);
  return ::dlopen(LARDER_PLUGIN, RTLD_NOW | RTLD_NOLOAD) != nullptr;
}

// By whoever opens a tier: a thread that saw to it later would wait for the loader's lock, and who
// unloads the library for that thread.
TEST(Plugin, StaysFromItsFirstTierOn) { EXPECT_TRUE(stays_after_look_up("redis://127.0.0.1:1")); }

// Its resolver's thread runs code of the library's.
TEST(Plugin, CanBeUnloadedWhileItsResolverIsWaitedFor) {
  EXPECT_TRUE(stays_after_look_up("redis://cache.deaf:1"));
  EXPECT_GT(names().waiting(), 0);
  names().hear();
}

TEST(OpenConnection, TriesEveryAddressOfAName) {
  // Both addresses of this name; a server on the second one alone.
  const HostileServer server([](Peer& peer) { peer.say("x"); });
  const auto limit =
      os::WaitLimit{.deadline = std::chrono::steady_clock::now() + milliseconds(5000)};
  const auto connected = os::open_connection("localhost", server.port(), limit);
  ASSERT_TRUE(connected) << connected.error().message;
  EXPECT_TRUE(*connected);
}

TEST(OpenConnection, TellsANameWithoutAddressFromAServerThatIsDown) {
  const auto limit =
      os::WaitLimit{.deadline = std::chrono::steady_clock::now() + milliseconds(5000)};
  EXPECT_EQ(os::open_connection("no such name", 1, limit).error().code, Errc::absent);
  EXPECT_EQ(os::open_connection("127.0.0.1", 1, limit).error().os_error, ECONNREFUSED);
}

TEST(OpenConnection, EndsOnceItIsAskedToStop) {
  std::stop_source stop;
  stop.request_stop();
  const auto limit =
      os::WaitLimit{.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1),
                    .stop = stop.get_token()};
  const auto connected = os::open_connection("cache.deaf", 1, limit);
  ASSERT_TRUE(connected);
  EXPECT_FALSE(*connected);
  names().hear();
}

}  // namespace
}  // namespace larder
