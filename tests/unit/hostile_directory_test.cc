// Somebody has put things into the store's directory that no store makes: links, pipes, devices,
// giants, at every name that a store uses. Each call answers soon, gives no wrong byte, leaves the
// good entry next to them alone, and changes nothing outside of the directory.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <chrono>
#include <iostream>
#include <tuple>

#include "tests/unit/file_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr uid_t nobody = 65534;
constexpr auto soon = std::chrono::seconds(5);  // a loaded machine included; a hang is for ever

struct Place {
  std::string name;
  fs::path (*path)(const fs::path& root, FileLayout layout);
};

const std::vector<Place> places = {
    {"Entry", [](const fs::path& root,
                 FileLayout layout) { return root / format::entry_path(layout, key(1)); }},
    {"Temporary", [](const fs::path& root,
                     FileLayout) { return root / format::temporary_name(std::string(32, 'a')); }},
    {"Lock", [](const fs::path& root, FileLayout) { return root / format::lock_name; }},
    {"Marker", [](const fs::path& root, FileLayout) { return root / format::marker_name; }},
    {"Folder", [](const fs::path& root, FileLayout) { return root / "01"; }},
};

void make_socket(const fs::path& path) {
  // Socket addresses are short: by way of a relative name.
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const fs::path before = fs::current_path();
  fs::current_path(path.parent_path());
  const std::string name = path.filename().string().substr(0, sizeof address.sun_path - 1);
  name.copy(address.sun_path, name.size());
  EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  fs::current_path(before);
  ::close(socket);
}

void make_device(const fs::path& path, unsigned minor) {
  EXPECT_EQ(::mknod(path.c_str(), S_IFCHR | 0666, ::makedev(1, minor)), 0);
}

void make_file(const fs::path& path, std::string_view text, mode_t mode) {
  write_whole(path, text);
  EXPECT_EQ(::chmod(path.c_str(), mode), 0);
}

struct Object {
  std::string name;
  void (*make)(const fs::path& path, const fs::path& outside);
};

std::vector<Object> objects() {
  std::vector<Object> all = {
      {"LinkToFile", [](const fs::path& path,
                        const fs::path& outside) { fs::create_symlink(outside / "file", path); }},
      {"LinkToDirectory",
       [](const fs::path& path, const fs::path& outside) {
         fs::create_symlink(outside / "folder", path);
       }},
      {"LinkToNothing", [](const fs::path& path,
                           const fs::path& outside) { fs::create_symlink(outside / "new", path); }},
      {"LinkToItself",
       [](const fs::path& path, const fs::path&) { fs::create_symlink(path, path); }},
      {"RelativeLinkUp",
       [](const fs::path& path, const fs::path&) { fs::create_symlink("../outside/file", path); }},
      {"MagicLink",
       [](const fs::path& path, const fs::path&) { fs::create_symlink("/proc/self/fd/1", path); }},
      {"LinkToEndless",
       [](const fs::path& path, const fs::path&) { fs::create_symlink("/dev/zero", path); }},
      {"HardLink", [](const fs::path& path,
                      const fs::path& outside) { fs::create_hard_link(outside / "file", path); }},
      {"HardLinkToEmptyFile",
       [](const fs::path& path, const fs::path& outside) {
         fs::create_hard_link(outside / "empty", path);
       }},
      {"HardLinkToEntryOfAnother",
       [](const fs::path& path, const fs::path& outside) {
         fs::create_hard_link(outside / "entry", path);
       }},
      {"Pipe",
       [](const fs::path& path, const fs::path&) { EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0); }},
      {"Socket", [](const fs::path& path, const fs::path&) { make_socket(path); }},
      {"Directory", [](const fs::path& path, const fs::path&) { fs::create_directory(path); }},
      {"DirectoryWithFile",
       [](const fs::path& path, const fs::path&) {
         fs::create_directory(path);
         write_whole(path / "foreign", "kept");
       }},
      {"Unreadable", [](const fs::path& path, const fs::path&) { make_file(path, "x", 0); }},
      {"WritableByAll", [](const fs::path& path, const fs::path&) { make_file(path, "x", 0666); }},
      {"SetUserId", [](const fs::path& path, const fs::path&) { make_file(path, "x", 04755); }},
      {"Empty", [](const fs::path& path, const fs::path&) { make_file(path, "", 0600); }},
      {"JustTooShort",
       [](const fs::path& path, const fs::path&) { make_file(path, std::string(31, 'x'), 0600); }},
      {"Short",
       [](const fs::path& path, const fs::path&) { make_file(path, std::string(37, 'x'), 0600); }},
      {"Zeros", [](const fs::path& path,
                   const fs::path&) { make_file(path, std::string(5000, '\0'), 0600); }},
      {"Giant",
       [](const fs::path& path, const fs::path&) {
         make_file(path, "", 0600);
         EXPECT_EQ(::truncate(path.c_str(), off_t{1} << 40), 0);
       }},
  };
  if (::geteuid() != 0) return all;  // the rest only root can make
  all.push_back(
      {"EmptyDevice", [](const fs::path& path, const fs::path&) { make_device(path, 3); }});
  all.push_back(
      {"EndlessDevice", [](const fs::path& path, const fs::path&) { make_device(path, 5); }});
  all.push_back(
      {"FullDevice", [](const fs::path& path, const fs::path&) { make_device(path, 7); }});
  all.push_back({"OfAnotherUser", [](const fs::path& path, const fs::path&) {
                   make_file(path, "x", 0644);
                   EXPECT_EQ(::chown(path.c_str(), nobody, nobody), 0);
                 }});
  return all;
}

// Names, contents, modes, owners and times of everything under `root`.
std::string snapshot(const fs::path& root) {
  std::string all;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat status = {};
    EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0);
    all += entry.path().string() + " " + std::to_string(status.st_mode) + " " +
           std::to_string(status.st_uid) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
           std::to_string(status.st_mtim.tv_nsec) + " " +
           (S_ISREG(status.st_mode) ? read_whole(entry.path()) : "") + "\n";
  }
  return all;
}

class HostileDirectory : public FileStoreFixture {
 protected:
  void SetUp() override {
    ::alarm(240);  // a hang would otherwise look like a slow machine
    outside_ = directory_ / "outside";
    fs::create_directories(outside_ / "folder");
    write_whole(outside_ / "folder" / "canary", "in a folder");
    write_whole(outside_ / "file", "canary");
    write_whole(outside_ / "empty", "");
    // An entry that would verify, of another store.
    FileStoreOptions other = options_;
    other.directory = (directory_ / "other").string();
    const auto store = open_file_store(other).value();
    ASSERT_TRUE(store->put(key(1), bytes_of("one")));
    fs::rename(fs::path(other.directory) / format::entry_path(GetParam(), key(1)),
               outside_ / "entry");
  }
  void TearDown() override { ::alarm(0); }

  template <class Call>
  static void answers_soon(std::string_view what, const Call& call) {
    const auto began = std::chrono::steady_clock::now();
    call();
    EXPECT_LT(std::chrono::steady_clock::now() - began, soon) << what;
  }

  // All that a store can be asked; whatever it says, it says it.
  void ask_everything(Store& store) {
    answers_soon("get", [&] {
      const std::string found = content(store.get(key(1)));
      EXPECT_TRUE(found == "one" || found == "absent" || found.starts_with("error: ")) << found;
    });
    answers_soon("inspect", [&] { (void)store.inspect(key(1)); });
    answers_soon("contains", [&] { (void)store.contains(key(1)); });
    answers_soon("visit",
                 [&] { (void)store.visit([](const EntryInfo&) { return Visit::go_on; }); });
    answers_soon("put", [&] {
      const auto done = store.put(key(1), bytes_of("one"));
      EXPECT_TRUE(!done || content(store.get(key(1))) == "one");
    });
    answers_soon("put of another", [&] { (void)store.put(key(3), bytes_of("three")); });
    answers_soon("flush", [&] { (void)store.flush(); });
    answers_soon("lease", [&] { (void)store.try_lease(key(1)); });
    answers_soon("statistics", [&] {
      (void)store.add_statistics({.lookups = 1, .absent = 1});
      (void)store.statistics();
      (void)store.reset_statistics();
    });
    EXPECT_EQ(content(store.get(key(2))), "two") << "the good entry beside it";
    answers_soon("prune", [&] { (void)store.prune({.max_entries = 1}); });
    answers_soon("remove", [&] { (void)store.remove(key(1)); });
    answers_soon("clear", [&] { (void)store.clear(); });
    EXPECT_TRUE(store.metrics().balanced());
  }

  fs::path outside_;
};
LARDER_BOTH_LAYOUTS(HostileDirectory);

TEST_P(HostileDirectory, EveryCallAnswersAndNothingOutsideChanges) {
  for (const Place& place : places) {
    for (const Object& object : objects()) {
      SCOPED_TRACE(object.name + " at " + place.name);
      options_.directory = (directory_ / (place.name + object.name)).string();
      ASSERT_TRUE(open()->put(key(2), bytes_of("two")));
      const fs::path path = place.path(root(), GetParam());
      make_folder_of(key(1));
      fs::remove_all(path);
      object.make(path, outside_);
      const std::string before = snapshot(outside_);
      answers_soon("open", [&] {
        const auto store = open_file_store(options_);
        if (store) ask_everything(**store);
      });
      EXPECT_EQ(snapshot(outside_), before);
      if (object.name == "DirectoryWithFile") {
        EXPECT_EQ(read_whole(path / "foreign"), "kept");
      }
      ASSERT_FALSE(::testing::Test::HasFatalFailure());
    }
  }
}

TEST_P(HostileDirectory, ForeignNamesAreNeverEntriesAndNeverDeleted) {
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  const fs::path folder = path_of(key(1)).parent_path();
  const std::string hex = std::string(62, 'a');
  const std::string extension = GetParam() == FileLayout::larder ? ".art" : ".bin";
  const std::vector<std::string> names = {
      "01" + std::string(62, 'A') + extension,  // upper case
      "01" + hex,
      "01" + hex + extension + "x",
      "01" + hex + "." + extension,
      "01" + hex.substr(1) + extension,
      "01" + hex.substr(1) + "g" + extension,
      ".nfs0000000000000001",
      "new\nline" + extension,
      std::string(255, 'b'),
      ".tmp-" + std::string(32, 'c'),
      "notes.txt",
  };
  for (const std::string& name : names) write_whole(folder / name, "foreign");
  std::size_t seen = 0;
  ASSERT_TRUE(store->visit([&](const EntryInfo&) {
    ++seen;
    return Visit::go_on;
  }));
  EXPECT_EQ(seen, 1u);
  ASSERT_TRUE(open());
  EXPECT_EQ(store->clear().value().evicted_entries, 1u);
  for (const std::string& name : names) {
    EXPECT_EQ(read_whole(folder / name), "foreign") << name;
  }
}

// Runs `body` as an ordinary user, in a child: root may write everywhere. Returns what it returned.
template <class Body>
int as_ordinary_user(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setresuid(nobody, nobody, nobody) != 0) ::_exit(100);
    ::_exit(body());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class ForeignUser : public FileStoreFixture {
 protected:
  void SetUp() override {
    ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
    fs::create_directory(directory_ / "mine");
    if (::geteuid() == 0) {
      ASSERT_EQ(::chown((directory_ / "mine").c_str(), nobody, nobody), 0);
    }
  }
};
LARDER_BOTH_LAYOUTS(ForeignUser);

TEST_P(ForeignUser, ADirectoryThatMayNotBeWrittenRefusesPutsByName) {
  options_.directory = (directory_ / "mine" / "store").string();
  EXPECT_EQ(as_ordinary_user([&] {
              const auto store = open();
              if (!store || !store->put(key(1), bytes_of("one"))) return 1;
              if (::chmod(path_of(key(1)).parent_path().c_str(), 0500) != 0) return 2;
              if (::chmod(root().c_str(), 0500) != 0) return 3;
              const auto put = store->put(key(1), bytes_of("two"));
              if (put || put.error().code != Errc::permission_denied) return 4;
              if (put.error().message.find(root().string()) == std::string::npos) return 5;
              if (content(store->get(key(1))) != "one") return 6;
              if (::chmod(root().c_str(), 0) != 0) return 7;
              const auto closed = open_file_store(options_);
              if (closed || closed.error().code != Errc::permission_denied) return 8;
              if (::chmod(root().c_str(), 0700) != 0) return 9;
              return ::chmod(path_of(key(1)).parent_path().c_str(), 0700) == 0 ? 0 : 10;
            }),
            0);
}

TEST_P(ForeignUser, AStoreOfAnotherUserIsRefused) {
  if (::geteuid() == 0) {
    // Root trusts root and himself; somebody else's directory is not his to trust.
    options_.directory = (directory_ / "mine").string();
    const auto refused = open_file_store(options_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unsafe_directory);
    EXPECT_TRUE(fs::is_empty(root()));
    return;
  }
  // As an ordinary user the only directories of somebody else at hand are the system's.
  options_.directory = "/usr/larder-test";
  EXPECT_EQ(outcome(open_file_store(options_)), "permission_denied");
}

// However good its bytes are.
TEST_P(ForeignUser, AnEntryOfAnotherUserIsNeitherServedNorReplaced) {
  if (::geteuid() != 0) {
    std::cout << "SKIPPED an entry of another user: only root can make one" << std::endl;
    return;
  }
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_EQ(::chown(path_of(key(1)).c_str(), nobody, nobody), 0);
  EXPECT_EQ(content(store->get(key(1))), "error: not_ours");
  EXPECT_EQ(outcome(store->inspect(key(1))), "not_ours");
  EXPECT_EQ(outcome(store->put(key(1), bytes_of("two"))), "not_ours");
  EXPECT_TRUE(fs::exists(path_of(key(1))));
}

TEST_P(ForeignUser, AParentThatEverybodyMayWriteIsRefusedUnlessSticky) {
  ASSERT_TRUE(open());
  ASSERT_EQ(::chmod(directory_.c_str(), 0777), 0);
  EXPECT_EQ(outcome(open_file_store(options_)), "unsafe_directory");
  ASSERT_EQ(::chmod(directory_.c_str(), 01777), 0);
  EXPECT_EQ(outcome(open_file_store(options_)), "ok");
}

}  // namespace
}  // namespace larder
