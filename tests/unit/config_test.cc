// Where settings come from, and which place wins (larder/config.h).
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "larder/config.h"
#include "larder/file_system.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

// The machine's files, but /etc/larder.conf and the user are the test's.
class TestFileSystem : public FileSystem {
 public:
  std::optional<std::string> machine_file;
  UserInfo who = posix_file_system().user();

  Result<std::unique_ptr<Directory>> open_directory(std::string_view path) override {
    return posix_file_system().open_directory(path);
  }
  Result<std::string> resolve(std::string_view path) override {
    return posix_file_system().resolve(path);
  }
  Result<std::string> read_file(std::string_view path, std::size_t max_bytes) override {
    if (path != "/etc/larder.conf") return posix_file_system().read_file(path, max_bytes);
    if (machine_file) return *machine_file;
    return std::unexpected(Error{.code = Errc::absent, .message = "absent"});
  }
  UserInfo user() override { return who; }
  Result<std::string> random_name() override { return posix_file_system().random_name(); }
  std::int64_t now_s() override { return posix_file_system().now_s(); }
};

class ConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (fs::temp_directory_path() / "larder-config-").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    ::setenv("HOME", (root_ / "home").c_str(), 1);
    for (const char* name :
         {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LARDER_DIR", "LARDER_MAX_SIZE", "LARDER_DISABLE",
          "LARDER_READONLY", "LARDER_MUST_HIT", "LARDER_REFRESH", "LARDER_LOG", "LARDER_REMOTE",
          "LARDER_NAMESPACE", "LARDER_KEY_FILE"}) {
      ::unsetenv(name);
    }
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string store() const { return root_ / "store"; }
  std::string user_file() const { return root_ / "home/.config/larder/larder.conf"; }
  std::string store_file() const { return root_ / "store/larder.conf"; }

  static void write(const fs::path& path, std::string_view text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }

  Result<Config> load(std::map<std::string, std::string> arguments = {}) {
    return load_config({.arguments = std::move(arguments), .file_system = &files_});
  }

  void expect_bad(std::string_view named, std::map<std::string, std::string> arguments = {}) {
    const auto config = load(std::move(arguments));
    ASSERT_FALSE(config) << named;
    EXPECT_EQ(config.error().code, Errc::bad_config);
    EXPECT_NE(config.error().message.find(named), std::string::npos) << config.error().message;
    EXPECT_EQ(config.error().message.find('\n'), std::string::npos);
  }

  static Setting setting(const Config& config, std::string_view key) {
    const auto at = std::ranges::find(config.settings, key, &Setting::key);
    return at == config.settings.end() ? Setting{} : *at;
  }

  fs::path root_;
  TestFileSystem files_;
};

TEST_F(ConfigTest, Defaults) {
  const auto config = load();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->location.kind, StoreKind::automatic);
  EXPECT_EQ(config->location.directory, root_ / "home/.cache/larder");
  EXPECT_EQ(config->max_size_bytes, 5ull << 30);
  EXPECT_FALSE(config->disabled || config->read_only || config->must_hit || config->refresh);
  EXPECT_EQ(config->log, "");
  EXPECT_EQ(config->settings.size(), 9u);
  for (const Setting& each : config->settings) EXPECT_EQ(each.origin, "default") << each.key;
}

TEST_F(ConfigTest, AVyreStoreHasNoSizeLimitUnlessGivenOne) {
  ::setenv("LARDER_DIR", "vyre:", 1);
  auto config = load();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->location.directory, root_ / "home/.cache/vyre/pipelines");
  EXPECT_EQ(config->max_size_bytes, std::nullopt);
  EXPECT_EQ(setting(*config, "max_size").value, "none");
  ::setenv("LARDER_MAX_SIZE", "1M", 1);
  config = load();
  ASSERT_TRUE(config);
  EXPECT_EQ(config->max_size_bytes, 1ull << 20);
}

// Each place outranks the ones below it, and says that it was it.
TEST_F(ConfigTest, PrecedenceAndOrigins) {
  const auto expect = [&](std::uint64_t size, const std::string& origin,
                          std::map<std::string, std::string> arguments = {}) {
    arguments["dir"] = store();
    const auto config = load(std::move(arguments));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->max_size_bytes, size) << origin;
    EXPECT_EQ(setting(*config, "max_size").origin, origin);
    EXPECT_EQ(setting(*config, "dir").origin, "argument --store");
  };
  files_.machine_file = "# of the machine\n\n  max_size = 1\n";
  expect(1, "/etc/larder.conf:3");
  write(user_file(), "max_size=2\n");
  expect(2, user_file() + ":1");
  write(store_file(), "\nmax_size = 3");
  expect(3, store_file() + ":2");
  ::setenv("LARDER_MAX_SIZE", "4", 1);
  expect(4, "environment LARDER_MAX_SIZE");
  expect(5, "argument --max-size", {{"max_size", "5"}});
}

TEST_F(ConfigTest, TheUsersFileIsLookedForInXdgConfigHomeFirst) {
  write(user_file(), "max_size = 1");
  write(root_ / "config/larder/larder.conf", "max_size = 2");
  ::setenv("XDG_CONFIG_HOME", (root_ / "config").c_str(), 1);
  const auto config = load();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->max_size_bytes, 2u);
}

TEST_F(ConfigTest, Booleans) {
  for (const char* yes : {"1", "true", "yes", "on", "TRUE", "Yes"}) {
    ::setenv("LARDER_MUST_HIT", yes, 1);
    const auto config = load();
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(config->must_hit) << yes;
  }
  for (const char* no : {"0", "false", "no", "off", "False", "OFF"}) {
    ::setenv("LARDER_MUST_HIT", no, 1);
    const auto config = load();
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_FALSE(config->must_hit) << no;
  }
  write(user_file(), "disable = yes\nreadonly=\nrefresh=on\nlog = /tmp/log # 1\n");
  const auto config = load();
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->disabled && config->read_only && config->refresh);
  EXPECT_EQ(config->log, "/tmp/log # 1");
}

TEST_F(ConfigTest, AnEmptyVariableCountsAsUnset) {
  const auto unset = load();
  ASSERT_TRUE(unset) << unset.error().message;
  const char* names[] = {"LARDER_DIR",     "LARDER_MAX_SIZE", "LARDER_DISABLE",   "LARDER_READONLY",
                         "LARDER_REFRESH", "LARDER_MUST_HIT", "LARDER_NAMESPACE", "LARDER_LOG"};
  for (const char* name : names) ::setenv(name, "", 1);
  const auto config = load();
  for (const char* name : names) ::unsetenv(name);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->location.directory, unset->location.directory);
  EXPECT_EQ(config->max_size_bytes, unset->max_size_bytes);
  EXPECT_FALSE(config->disabled || config->read_only || config->must_hit || config->refresh);
}

TEST_F(ConfigTest, ABadVariableIsNamed) {
  for (const auto& [name, value] :
       {std::pair("LARDER_MAX_SIZE", "lots"), std::pair("LARDER_MAX_SIZE", "0"),
        std::pair("LARDER_DIR", "redis://x"), std::pair("LARDER_DISABLE", "maybe"),
        std::pair("LARDER_READONLY", "2"), std::pair("LARDER_MUST_HIT", "tru"),
        std::pair("LARDER_REFRESH", " "), std::pair("LARDER_REMOTE", "redis:x"),
        std::pair("LARDER_NAMESPACE", "x")}) {
    ::setenv(name, value, 1);
    expect_bad(name);
    ::unsetenv(name);
  }
  expect_bad("--max-size", {{"max_size", "1.5G"}});
  expect_bad("--store", {{"dir", "ftp:x"}});
}

TEST_F(ConfigTest, ABadLineIsNamedWithFileAndNumber) {
  for (const char* line :
       {"max_sise = 5G", "max_size 5G", "max_size = x", "remote = redis://u:p@x",
        "disable = perhaps", "dir = relative/place", "key_file = relative/key", "key_file ="}) {
    write(user_file(), std::string("# one\n") + line + "\n");
    expect_bad(user_file() + ":2");
  }
}

TEST_F(ConfigTest, AStoreCannotSayWhereTheStoreIs) {
  for (const char* line : {"dir = /elsewhere\n", "remote = redis://elsewhere\n"}) {
    write(store_file(), line);
    expect_bad(store_file() + ":1", {{"dir", store()}});
  }
}

// Whoever may write into the store is whom the key protects from.
TEST_F(ConfigTest, AStoreCannotChooseOrDropTheKey) {
  ::setenv("LARDER_KEY_FILE", "/mine", 1);
  for (const char* line : {"key_file = /theirs\n", "key_file =\n"}) {
    write(store_file(), line);
    expect_bad(store_file() + ":1", {{"dir", store()}});
  }
  ::unsetenv("LARDER_KEY_FILE");
}

TEST_F(ConfigTest, TheKeyFileComesFromTheFirstPlaceThatNamesOne) {
  EXPECT_EQ(load()->key_file, "");
  write(user_file(), "key_file = /users\n");
  EXPECT_EQ(load()->key_file, "/users");
  ::setenv("LARDER_KEY_FILE", "relative", 1);
  EXPECT_EQ(load()->key_file, "relative");
  EXPECT_EQ(load({{"key_file", "/argument"}})->key_file, "/argument");
  expect_bad("--key-file", {{"key_file", ""}});
  ::unsetenv("LARDER_KEY_FILE");
}

TEST_F(ConfigTest, AStoresFileThatOthersMayWriteIsRefused) {
  write(store_file(), "readonly = 1\n");
  ASSERT_EQ(::chmod(store_file().c_str(), 0620), 0);
  expect_bad(store_file(), {{"dir", store()}});
  ASSERT_EQ(::chmod(store_file().c_str(), 0602), 0);
  expect_bad(store_file(), {{"dir", store()}});
  ASSERT_EQ(::chmod(store_file().c_str(), 0644), 0);
  EXPECT_TRUE(load({{"dir", store()}}));
}

TEST_F(ConfigTest, AStoreCannotNameAFileOutsideItself) {
  write(store_file(), "max_size = 1G\nlog = /elsewhere/log\n");
  expect_bad(store_file() + ":2", {{"dir", store()}});
}

TEST_F(ConfigTest, AStoresFileOfAnotherUserIsRefused) {
  write(store_file(), "readonly = 1\n");
  // Root may give the file away; nobody else can, and becomes another user instead.
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(store_file().c_str(), 65534, 65534), 0);
  } else {
    files_.who.effective += 1;
  }
  expect_bad(store_file(), {{"dir", store()}});
}

// The file belongs to whoever runs the test, and the process to somebody else: what decides is
// whether the file is root's.
TEST_F(ConfigTest, AStoresFileOfRootIsObeyedByEverybody) {
  write(store_file(), "readonly = 1\n");
  files_.who.effective = ::geteuid() + 1;
  const auto config = load({{"dir", store()}});
  EXPECT_EQ(config && config->read_only, ::geteuid() == 0);
  EXPECT_EQ(!config && config.error().code == Errc::bad_config, ::geteuid() != 0);
}

TEST_F(ConfigTest, AStoresFileIsNotReadWhereTheCacheIsDisabled) {
  write(store_file(), "nonsense\n");
  ::setenv("LARDER_DISABLE", "1", 1);
  const auto config = load({{"dir", store()}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->disabled);
  // A place that the store's file outranks does not keep it from being read.
  ::unsetenv("LARDER_DISABLE");
  write(user_file(), "disable = 1\n");
  expect_bad(store_file(), {{"dir", store()}});
}

TEST_F(ConfigTest, FilesCanBeLeftAlone) {
  write(store_file(), "nonsense\n");
  write(user_file(), "nonsense\n");
  files_.machine_file = "nonsense\n";
  ::setenv("LARDER_MAX_SIZE", "7", 1);
  const auto config = load_config(
      {.arguments = {{"dir", store()}}, .file_system = &files_, .files = ConfigFiles::ignore});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->max_size_bytes, 7u);
}

TEST_F(ConfigTest, AStoresFileThatIsALinkOrNoFileIsRefused) {
  write(root_ / "elsewhere.conf", "readonly = 1\n");
  fs::create_directories(store());
  fs::create_symlink(root_ / "elsewhere.conf", store_file());
  expect_bad(store_file(), {{"dir", store()}});
  fs::remove(store_file());
  ASSERT_EQ(::mkfifo(store_file().c_str(), 0600), 0);
  expect_bad(store_file(), {{"dir", store()}});
}

TEST_F(ConfigTest, AnElevatedProcessDoesNotBelieveTheEnvironment) {
  files_.who.elevated = true;
  ::setenv("LARDER_READONLY", "1", 1);
  write(user_file(), "refresh = 1");
  auto config = load({{"dir", store()}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_FALSE(config->read_only);
  EXPECT_FALSE(config->refresh);
  config = load();
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::no_home);
}

TEST_F(ConfigTest, WithoutAHomeANamedStoreStillWorks) {
  ::unsetenv("HOME");
  EXPECT_TRUE(load({{"dir", store()}}));
  const auto config = load();
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::no_home);
}

TEST_F(ConfigTest, AnArgumentThatIsNoSettingIsRefused) {
  expect_bad("--colour", {{"colour", "1"}});
}

}  // namespace
}  // namespace larder
