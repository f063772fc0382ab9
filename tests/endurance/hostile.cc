#include "tests/endurance/hostile.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/endurance/pack_directory.h"

namespace larder::hostile {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint32_t attacked = 1;
constexpr std::uint32_t neighbour = 2;

// Where everything is ten times as slow, so is an answer.
constexpr milliseconds patience = milliseconds(is_sanitized ? 30'000 : 10'000);

std::string quoted(std::string_view text) { return '"' + std::string(text.substr(0, 40)) + '"'; }

}  // namespace

std::string_view name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::larder: return "larder";
    case Kind::vyre: return "vyre";
    case Kind::pack: break;
  }
  return "pack";
}

Result<std::shared_ptr<Store>> open_store_of(Kind kind, const fs::path& root) {
  if (kind == Kind::pack) {
    return open_pack_store({.directory = root.string(), .budget = {.max_bytes = 64ull << 20}});
  }
  return open_file_store({.directory = root.string(),
                          .layout = kind == Kind::vyre ? FileLayout::vyre : FileLayout::larder});
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool skip(std::string_view what, std::string_view why) {
  if (std::getenv("LARDER_REQUIRED") != nullptr) ADD_FAILURE() << what << ": " << why;
  std::printf("SKIPPED: %s: %s\n", std::string(what).c_str(), std::string(why).c_str());
  return true;
}

void give_to(uid_t user, const fs::path& path) {
  if (::geteuid() != 0) return;
  EXPECT_EQ(::lchown(path.c_str(), user, user), 0) << path;
}

void run_as(uid_t user, const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_other = user != ::geteuid();
    if (is_other && (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 ||
                     ::setresuid(user, user, user) != 0)) {
      ::_exit(1);
    }
    body();
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

void mount_over(const fs::path& from, const fs::path& at) {
  EXPECT_EQ(::mount(from.c_str(), at.c_str(), nullptr, MS_BIND, nullptr), 0)
      << at << ": " << std::strerror(errno);
}

// Template.

Template::Template(Kind kind, uid_t user) : kind_(kind), user_(user) {
  const fs::path memory = "/dev/shm";
  const bool is_there = ::access(memory.c_str(), W_OK) == 0;
  std::string pattern =
      ((is_there ? memory : fs::temp_directory_path()) / "larder-").string() + std::string(6, 'X');
  parent_ = ::mkdtemp(pattern.data());
  EXPECT_EQ(::chmod(parent_.c_str(), 0755), 0);
  fs::create_directory(parent_ / "theirs");
  give_to(user, parent_ / "theirs");
  run_as(user, [&] {
    const auto store = open_store_of(kind, parent_ / "theirs" / "sound").value();
    EXPECT_TRUE(store->put(numbered(attacked), bytes_of("one")));
    EXPECT_TRUE(store->put(numbered(neighbour), bytes_of("two")));
    EXPECT_TRUE(store->put(numbered(3), bytes_of(payload_of(300'000, 3))));
    EXPECT_TRUE(store->add_statistics({.lookups = 1, .absent = 1}));
    EXPECT_TRUE(store->flush());
  });
  make_outside();
}

Template::~Template() {
  std::error_code ignored;
  fs::remove_all(parent_, ignored);
}

void Template::make_outside() const {
  fs::create_directories(outside() / "folder");
  write_file(outside() / "folder" / "canary", "in a folder");
  write_file(outside() / "file", "canary");
  write_file(outside() / "empty", "");
  fs::create_directory(outside() / "hollow");
  fs::permissions(outside() / "hollow", fs::perms::owner_all);
  EXPECT_EQ(::mkfifo((outside() / "pipe").c_str(), 0600), 0);
  // What would verify, if somebody followed a link to it.
  const fs::path other = parent_ / "other";
  {
    const auto store = open_store_of(Kind::larder, other).value();
    EXPECT_TRUE(store->put(numbered(attacked), bytes_of("followed")));
  }
  for (const auto& found : fs::recursive_directory_iterator(other)) {
    if (found.path().extension() == ".art") fs::copy_file(found.path(), outside() / "entry");
  }
  for (const auto& found : fs::recursive_directory_iterator(outside()))
    give_to(user_, found.path());
}

fs::path Template::copy() const {
  const fs::path to = parent_ / "theirs" / "store";
  std::error_code ignored;
  fs::remove_all(to, ignored);
  fs::copy(parent_ / "theirs" / "sound", to, fs::copy_options::recursive);
  give_to(user_, to);
  for (const auto& found : fs::recursive_directory_iterator(to)) give_to(user_, found.path());
  return to;
}

// Canary.

Canary::Canary(const fs::path& root)
    : root_(root), before_(describe()), events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  constexpr std::uint32_t all = IN_OPEN | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE |
                                IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF;
  EXPECT_GE(::inotify_add_watch(events_, root.c_str(), all), 0);
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    EXPECT_GE(::inotify_add_watch(events_, entry.path().c_str(), all), 0);
  }
  (void)events();  // of looking
}

Canary::~Canary() { ::close(events_); }

std::string Canary::describe() const {
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    struct stat status = {};
    if (::lstat(entry.path().c_str(), &status) != 0) continue;
    all += entry.path().string() + " " + std::to_string(status.st_mode) + " " +
           std::to_string(status.st_uid) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
           std::to_string(status.st_mtim.tv_nsec) + " " +
           (S_ISREG(status.st_mode) ? read_file(entry.path()) : "") + "\n";
  }
  return all;
}

// All that happened since the last call, as one mask.
std::uint32_t Canary::events() const {
  std::uint32_t all = 0;
  alignas(inotify_event) std::array<char, 65536> buffer;
  for (ssize_t count = 0; (count = ::read(events_, buffer.data(), buffer.size())) > 0;) {
    for (ssize_t at = 0; at < count;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      all |= event->mask;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  return all;
}

// A second name is inside: opening that is no offence, writing through it is.
std::string Canary::disturbance(Reach reach) {
  constexpr std::uint32_t changes = IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVE | IN_MOVE_SELF;
  const std::uint32_t forbidden =
      reach == Reach::linked ? changes : changes | IN_OPEN | IN_CLOSE_WRITE;
  const std::uint32_t seen = events() & forbidden;
  std::string now = describe();
  (void)events();  // of looking
  std::string what;
  if (seen != 0) what = "events outside, of inotify's mask " + std::to_string(seen);
  if (now != before_) what += "; outside was\n" + before_ + "and is\n" + now;
  before_ = std::move(now);
  return what;
}

// Watchdog.

void Watchdog::fail(const std::string& what) {
  if ((*shared_)->has_failed.exchange(true)) return;
  const std::string text = std::string((*shared_)->call.load()) + ": " + what;
  text.copy((*shared_)->text.data(), (*shared_)->text.size() - 1);
}

template <class Call>
void Watchdog::call(const char* name, const Call& call) {
  const auto now = [] {
    return std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()).count();
  };
  const std::int64_t began = now();
  (*shared_)->call = name;
  call();
  const std::int64_t took = now() - began;
  if (took <= (*shared_)->slowest_ms) return;
  (*shared_)->slowest_ms = took;
  (*shared_)->slowest = name;
}

// Runs in the child. Whatever a call says, it says it; but no wrong byte.
void Watchdog::ask_store(Store& store, const Asked& asked) {
  const auto expect_right = [&](const Result<std::optional<Artifact>>& found,
                                std::string_view expected) {
    if (found && *found && (*found)->text() != expected) fail("found " + quoted((*found)->text()));
  };
  const auto must_be_there = [&](std::uint32_t number, std::string_view expected) {
    if (number != neighbour && !asked.puts_must_stay) return;
    const auto found = store.get(numbered(number));
    if (found && *found && (*found)->text() == expected) return;
    fail(found ? "entry " + std::to_string(number) + " is not there"
               : "entry " + std::to_string(number) + ": " + found.error().message);
  };
  call("get", [&] { expect_right(store.get(numbered(attacked)), "one"); });
  call("get of a neighbour", [&] {
    if (asked.neighbour_must_be_there) must_be_there(neighbour, "two");
    expect_right(store.get(numbered(neighbour)), "two");
  });
  call("inspect", [&] { (void)store.inspect(numbered(attacked)); });
  call("contains", [&] { (void)store.contains(numbered(attacked)); });
  call("visit", [&] { (void)store.visit([](const EntryInfo&) { return Visit::go_on; }); });
  call("put", [&] {
    if (store.put(numbered(attacked), bytes_of("one"))) must_be_there(attacked, "one");
  });
  call("put of another value", [&] {
    if (store.put(numbered(attacked), bytes_of("another"))) must_be_there(attacked, "another");
  });
  call("put of another", [&] {
    if (store.put(numbered(4), bytes_of("four"))) must_be_there(4, "four");
  });
  call("put of a large one",
       [&] { (void)store.put(numbered(5), bytes_of(payload_of(300'000, 5))); });
  call("flush", [&] { (void)store.flush(); });
  call("lease", [&] { (void)store.try_lease(numbered(attacked)); });
  call("statistics", [&] {
    (void)store.add_statistics({.lookups = 1, .absent = 1});
    (void)store.statistics();
  });
  call("get of a neighbour, at last", [&] {
    if (asked.neighbour_must_be_there) must_be_there(neighbour, "two");
  });
  call("evict", [&] { (void)store.prune({.max_entries = 1}); });
  if (auto* const pack = dynamic_cast<PackStore*>(&store)) {
    call("maintain", [&] { (void)pack->maintain(); });
  }
  call("remove", [&] { (void)store.remove(numbered(attacked)); });
  call("clear", [&] { (void)store.clear(); });
  if (!store.metrics().balanced()) fail("metrics do not balance");
}

// The second open sweeps.
int Watchdog::ask(const Asked& asked) {
  const bool is_other = asked.user != ::geteuid();
  if (is_other &&
      (::setgroups(0, nullptr) != 0 || ::setresgid(asked.user, asked.user, asked.user) != 0 ||
       ::setresuid(asked.user, asked.user, asked.user) != 0)) {
    fail("cannot become the other user");
    return 0;
  }
  for (const char* const what : {"open", "open and sweep"}) {
    std::shared_ptr<Store> store;
    std::string why;
    call(what, [&] {
      auto opened = open_store_of(asked.kind, asked.root);
      if (!opened) {
        why = opened.error().message;
      } else {
        store = *std::move(opened);
      }
    });
    if (store && asked.open_must_fail) fail("was not refused");
    if (!store && asked.neighbour_must_be_there) fail("was refused: " + why);
    if (!store) continue;
    if (asked.when_open) asked.when_open();
    ask_store(*store, asked);
    call("close", [&] { store.reset(); });
    if (asked.neighbour_must_be_there) break;  // it has been cleared
  }
  return 0;
}

Outcome Watchdog::watch(const Asked& asked) {
  shared_ = std::make_unique<SharedMemory<Shared>>();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(ask(asked));
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  pollfd ended = {.fd = process, .events = POLLIN, .revents = 0};
  const bool in_time = ::poll(&ended, 1, static_cast<int>(2 * patience.count())) == 1;
  if (!in_time) (void)::kill(child, SIGKILL);
  int status = 0;
  (void)::waitpid(child, &status, 0);
  ::close(process);
  Outcome outcome{.slowest = milliseconds((*shared_)->slowest_ms.load()),
                  .slowest_call = (*shared_)->slowest.load()};
  if (!in_time) outcome.failure = std::string((*shared_)->call.load()) + ": no answer";
  if (in_time && status != 0) {
    outcome.failure = std::string((*shared_)->call.load()) + ": died of " + std::to_string(status);
  }
  if (in_time && (*shared_)->has_failed) outcome.failure = (*shared_)->text.data();
  return outcome;
}

}  // namespace larder::hostile
