// open(): what is put together, where it lies, and what the environment may say.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "larder/cache.h"
#include "larder/testing/fault_file_system.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

const Fingerprint key = {{5}};
constexpr const char* variables[] = {"LARDER_DIR",      "LARDER_MAX_SIZE", "LARDER_DISABLE",
                                     "LARDER_READONLY", "LARDER_MUST_HIT", "LARDER_REFRESH",
                                     "LARDER_LOG",      "XDG_CACHE_HOME",  "XDG_CONFIG_HOME"};

class Open : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "larder_open_").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    for (const char* variable : variables) ::unsetenv(variable);
    set("XDG_CACHE_HOME", (directory_ / "cache").string());
    set("XDG_CONFIG_HOME", (directory_ / "config").string());
  }
  void TearDown() override {
    for (const char* variable : variables) ::unsetenv(variable);
    fs::remove_all(directory_);
  }

  static void set(const char* variable, const std::string& value) {
    ::setenv(variable, value.c_str(), 1);
  }

  // Opens and wants the one artifact of these tests.
  static Result<Artifact> want(const OpenOptions& options, int* runs = nullptr) {
    auto cache = open(options);
    if (!cache) return std::unexpected(cache.error());
    return cache->get_or_compile(key, [&] {
      if (runs != nullptr) ++*runs;
      return Artifact::copy_of("binary");
    });
  }

  bool touched() const { return fs::exists(directory_ / "cache"); }
  fs::path directory() const { return directory_; }

 private:
  fs::path directory_;
};

TEST_F(Open, KeepsInTheUsersCacheDirectory) {
  int runs = 0;
  ASSERT_TRUE(want({}, &runs).has_value());
  ASSERT_TRUE(want({}, &runs).has_value());
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(fs::is_directory(directory() / "cache" / "larder"));
}

TEST_F(Open, MemoryInFrontIsNotCountedTwice) {
  auto cache = open();
  ASSERT_TRUE(cache.has_value()) << cache.error().message;
  const auto compile = [] { return Artifact::copy_of("binary"); };
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(cache->get_or_compile(key, compile).has_value());
  const Metrics metrics = cache->metrics();
  EXPECT_EQ(metrics.puts, 1u);
  EXPECT_EQ(metrics.entries, 1u);
  EXPECT_EQ(metrics.hits, 2u);
  EXPECT_TRUE(metrics.balanced());
}

TEST_F(Open, AHitFromDiskIsPromotedIntoMemory) {
  ASSERT_TRUE(want({}).has_value());
  auto cache = open();
  ASSERT_TRUE(cache.has_value());
  EXPECT_TRUE(cache->get(key)->has_value());
  EXPECT_EQ(cache->metrics().promotions, 1u);
  EXPECT_EQ(cache->metrics().puts, 0u);
  auto bare = open({.memory_bytes = 0});
  ASSERT_TRUE(bare.has_value());
  EXPECT_TRUE(bare->get(key)->has_value());
  EXPECT_EQ(bare->metrics().promotions, 0u);
}

TEST_F(Open, StatisticsOutliveTheCache) {
  ASSERT_TRUE(want({}).has_value());
  ASSERT_TRUE(want({}).has_value());
  auto store = open_store({.location = {.directory = (directory() / "cache/larder").string()}});
  ASSERT_TRUE(store.has_value()) << store.error().message;
  const auto statistics = (*store)->statistics();
  ASSERT_TRUE(statistics.has_value()) << statistics.error().message;
  EXPECT_EQ(statistics->lookups, 2u);
  EXPECT_EQ(statistics->hits, 1u);
  EXPECT_EQ(statistics->compiles, 1u);
  EXPECT_EQ(statistics->puts, 1u);
}

TEST_F(Open, DisabledTouchesNoDirectory) {
  set("LARDER_DISABLE", "1");
  int runs = 0;
  ASSERT_TRUE(want({}, &runs).has_value());
  ASSERT_TRUE(want({}, &runs).has_value());
  EXPECT_EQ(runs, 2);
  EXPECT_FALSE(touched());
  ::unsetenv("LARDER_DISABLE");
  ASSERT_TRUE(want({.mode = Mode::disabled}, &runs).has_value());
  EXPECT_FALSE(touched());
}

TEST_F(Open, DisabledNeedsNoHome) {
  ::unsetenv("XDG_CACHE_HOME");
  const char* home = ::getenv("HOME");
  const std::string kept_home = home == nullptr ? "" : home;
  ::unsetenv("HOME");
  EXPECT_EQ(want({}).error().code, Errc::no_home);
  set("LARDER_DISABLE", "1");
  EXPECT_TRUE(want({}).has_value());
  set("HOME", kept_home);
}

TEST_F(Open, ReadOnlyAndMustHitMakeNothing) {
  EXPECT_TRUE(want({.mode = Mode::read_only}).has_value());
  EXPECT_FALSE(touched());
  set("LARDER_MUST_HIT", "1");
  const auto missed = want({});
  ASSERT_FALSE(missed.has_value());
  EXPECT_EQ(missed.error().code, Errc::must_hit);
  EXPECT_FALSE(touched());
}

TEST_F(Open, TheEnvironmentChoosesTheMode) {
  const auto mode_of = [](const char* variable) {
    set(variable, "1");
    const auto cache = open();
    ::unsetenv(variable);
    EXPECT_TRUE(cache.has_value());
    return cache ? cache->mode() : Mode::read_write;
  };
  EXPECT_EQ(mode_of("LARDER_READONLY"), Mode::read_only);
  EXPECT_EQ(mode_of("LARDER_MUST_HIT"), Mode::must_hit);
  EXPECT_EQ(mode_of("LARDER_REFRESH"), Mode::refresh);
  EXPECT_EQ(mode_of("LARDER_DISABLE"), Mode::disabled);
  set("LARDER_READONLY", "1");
  set("LARDER_REFRESH", "1");
  EXPECT_EQ(open()->mode(), Mode::read_only);
  EXPECT_EQ(open({.mode = Mode::read_write})->mode(), Mode::read_write);
}

TEST_F(Open, LocationsAreTakenAsTheProgramTakesThem) {
  const std::string vyre = (directory() / "vyre").string();
  ASSERT_TRUE(want({.location = "vyre:" + vyre}).has_value());
  EXPECT_TRUE(fs::exists(vyre + "/" + key.hex() + ".bin"));
  const std::string file = (directory() / "file").string();
  ASSERT_TRUE(want({.location = "file:" + file}).has_value());
  EXPECT_TRUE(fs::exists(file + "/05"));
  const std::string named = (directory() / "named").string();
  ASSERT_TRUE(want({.location = named}).has_value());
  EXPECT_TRUE(fs::exists(named + "/segments"));
  set("LARDER_DIR", "pack:" + named);
  int runs = 0;
  EXPECT_TRUE(want({}, &runs).has_value());
  EXPECT_EQ(runs, 0);
  EXPECT_FALSE(touched());
}

TEST_F(Open, TheMarkerDecidesWhereTheLocationDoesNot) {
  for (const std::string kind : {"pack", "file"}) {
    const std::string path = (directory() / kind).string();
    ASSERT_TRUE(want({.location = kind + ":" + path}).has_value());
    const auto store = open_store({.location = {.directory = path}});
    ASSERT_TRUE(store.has_value()) << store.error().message;
    EXPECT_EQ((*store)->describe(), kind + ":" + path);
    EXPECT_TRUE((*store)->get(key)->has_value());
  }
}

TEST_F(Open, AnEmptyOrUnfinishedDirectoryBecomesAPack) {
  const fs::path path = directory() / "empty";
  fs::create_directory(path);
  fs::permissions(path, fs::perms::owner_all);
  const std::ofstream marker(path / "LARDER");  // its bytes were lost
  const auto store = open_store({.location = {.directory = path}});
  ASSERT_TRUE(store.has_value()) << store.error().message;
  EXPECT_EQ((*store)->describe(), "pack:" + path.string());
}

TEST_F(Open, WhereAPackCannotBeAFileStoreIsTaken) {
  testing::FaultFileSystem faults(posix_file_system());
  faults.inject({.only = testing::Op::file_system_type,
                 .repeat = testing::Repeat::for_ever,
                 .os_error = EOPNOTSUPP});
  const std::string path = (directory() / "store").string();
  std::string told;
  const Logger log = [&told](LogLevel, std::string_view line) { told = line; };
  const auto store =
      open_store({.location = {.directory = path}, .log = log, .file_system = &faults});
  ASSERT_TRUE(store.has_value()) << store.error().message;
  EXPECT_EQ((*store)->describe(), "file:" + path);
  EXPECT_TRUE(told.starts_with("a file store is taken: ")) << told;
  const auto again = open_store({.location = {.directory = path}});
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ((*again)->describe(), "file:" + path) << "the marker decides from now on";

  const auto asked_for = open_store(
      {.location = {StoreKind::pack, (directory() / "pack").string()}, .file_system = &faults});
  ASSERT_FALSE(asked_for.has_value());
  EXPECT_EQ(asked_for.error().code, Errc::unsupported);
  EXPECT_FALSE(fs::exists(directory() / "pack"));
}

TEST_F(Open, APackThatCannotBeUsedHereIsNotTakenForAnythingElse) {
  const std::string path = (directory() / "store").string();
  ASSERT_TRUE(want({.location = "pack:" + path}).has_value());
  testing::FaultFileSystem faults(posix_file_system());
  faults.inject({.only = testing::Op::file_system_type,
                 .repeat = testing::Repeat::for_ever,
                 .os_error = EOPNOTSUPP});
  const auto store = open_store({.location = {.directory = path}, .file_system = &faults});
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, Errc::unsupported);
}

TEST_F(Open, AFileStoreThatAnotherProcessMakesAtTheSameTimeIsTaken) {
  const std::string path = (directory() / "store").string();
  testing::FaultFileSystem faults(posix_file_system());
  bool made = false;
  faults.observe([&](const testing::Operation& operation) {
    if (operation.op != testing::Op::link || made) return;
    made = true;
    ASSERT_TRUE(open_store({.location = {StoreKind::file, path}}).has_value());
  });
  const auto store = open_store({.location = {.directory = path}, .file_system = &faults});
  ASSERT_TRUE(made);
  ASSERT_TRUE(store.has_value()) << store.error().message;
  EXPECT_EQ((*store)->describe(), "file:" + path);
}

TEST_F(Open, RefusesWhatIsNotOurs) {
  const fs::path foreign = directory() / "foreign";
  fs::create_directory(foreign);
  fs::permissions(foreign, fs::perms::owner_all);
  std::ofstream(foreign / "thesis.txt") << "years of work";
  const auto refused = open({.location = foreign.string()});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Errc::not_a_store);
  EXPECT_TRUE(fs::exists(foreign / "thesis.txt"));
}

TEST_F(Open, BadSettingsAreNamed) {
  set("LARDER_MAX_SIZE", "much");
  const auto size = open();
  ASSERT_FALSE(size.has_value());
  EXPECT_EQ(size.error().code, Errc::bad_config);
  EXPECT_NE(size.error().message.find("LARDER_MAX_SIZE"), std::string::npos);
  set("LARDER_MAX_SIZE", "1G");
  set("LARDER_LOG", (directory() / "no/such/folder/log").string());
  const auto log = open();
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, Errc::bad_config);
}

TEST_F(Open, WarningsGoToTheConfiguredLog) {
  const std::string log = (directory() / "log").string();
  set("LARDER_LOG", log);
  set("LARDER_DIR", "file:");
  ASSERT_TRUE(want({}).has_value());
  const fs::path entry = directory() / "cache/larder/05" / (key.hex() + ".art");
  ASSERT_TRUE(fs::exists(entry));
  fs::resize_file(entry, fs::file_size(entry) - 1);
  int runs = 0;
  ASSERT_TRUE(want({}, &runs).has_value());
  EXPECT_EQ(runs, 1);
  std::ifstream file(log);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_TRUE(line.starts_with("larder: warning: ")) << line;
}

}  // namespace
}  // namespace larder
