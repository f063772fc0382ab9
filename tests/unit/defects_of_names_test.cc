// One test for each way in which the design that Larder follows could be led astray by what stands
// in the directory: names, links, modes, leftovers, damage. The numbers are ours: D7 to D14, D18 to
// D20.
#include <fcntl.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <set>
#include <thread>

#include "tests/unit/file_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using testing::Effect;
using testing::Op;
using testing::Operation;
using testing::Repeat;

class NameDefects : public FileStoreFixture {
 protected:
  // Files on their way have names only where there are no files without: the fallback is forced.
  void without_anonymous_files() {
    faults_.inject(
        {.only = Op::create_anonymous, .repeat = Repeat::for_ever, .os_error = EOPNOTSUPP});
  }

  fs::path canary() const {
    const fs::path path = directory_ / "canary";
    write_whole(path, "canary");
    return path;
  }
};
LARDER_BOTH_LAYOUTS(NameDefects);

TEST_P(NameDefects, D7_D10_NothingButARegularFileIsRead) {
  const auto store = open();
  make_folder_of(key(1));
  const fs::path path = path_of(key(1));
  const fs::path victim = canary();

  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(content(store->get(key(1))), "error: not_ours");
  EXPECT_EQ(outcome(store->put(key(1), bytes_of("one"))), "not_ours");
  fs::remove(path);

  fs::create_symlink(victim, path);
  EXPECT_EQ(content(store->get(key(1))), "error: not_ours");
  EXPECT_EQ(outcome(store->put(key(1), bytes_of("one"))), "not_ours");
  EXPECT_TRUE(fs::is_symlink(path));
  EXPECT_EQ(read_whole(victim), "canary");
  EXPECT_EQ(store->metrics().skipped, 2u);
  EXPECT_EQ(store->metrics().rejected_not_ours, 2u);
}

TEST_P(NameDefects, D10_ALinkPlantedBetweenLookAndOpenIsNotFollowed) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->put(key(2), bytes_of("two")));
  const fs::path path = path_of(key(1));
  const fs::path other = path_of(key(2));
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::open_file || fs::is_symlink(path)) return;
    fs::remove(path);
    fs::create_symlink(other, path);
  });
  EXPECT_EQ(content(store->get(key(1))), "error: not_ours");
}

TEST_P(NameDefects, D10_AnEntryReplacedAfterItWasFoundDamagedStays) {
  const auto store = open_with_faults();
  const auto other = open_file_store({.directory = options_.directory, .layout = GetParam()});
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  flip_last_bit(key(1));
  std::atomic<bool> done = false;
  faults_.observe([&](const Operation& operation) {
    // Between the look under the lock, or before it, and the removal.
    if (operation.op != Op::try_lock || done.exchange(true)) return;
    fs::remove(path_of(key(1)));
    EXPECT_TRUE((*other)->put(key(1), bytes_of("good")));
  });
  EXPECT_EQ(content(store->get(key(1))), "error: corrupt");
  ASSERT_TRUE(done);
  EXPECT_EQ(content(store->get(key(1))), "good");
}

TEST_P(NameDefects, D10_AnEntryReplacedAfterAPutHasSeenItIsSeenAgain) {
  const auto store = open_with_faults();
  const auto other = open_file_store({.directory = options_.directory, .layout = GetParam()});
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  std::atomic<bool> done = false;
  faults_.observe([&](const Operation& operation) {
    // After the look, before the lock under which the name is given to another file.
    if (operation.op != Op::try_lock || done.exchange(true)) return;
    EXPECT_TRUE((*other)->put(key(1), bytes_of("two")));
  });
  ASSERT_TRUE(store->put(key(1), bytes_of("two")));
  ASSERT_TRUE(done);
  EXPECT_EQ(store->metrics().puts_unchanged, 1u) << "what another process made was replaced";
  EXPECT_EQ(content(store->get(key(1))), "two");
}

TEST_P(NameDefects, D8_TemporaryNamesAreRandomAndNeverReused) {
  const auto store = open_with_faults();
  without_anonymous_files();
  std::set<std::string> names;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::create_file) names.insert(operation.path);
  });
  for (std::uint8_t i = 0; i < 10; ++i) ASSERT_TRUE(store->put(key(i), bytes_of("payload")));
  EXPECT_EQ(names.size(), 10u);
  EXPECT_TRUE(leftovers().empty());
}

TEST_P(NameDefects, D8_AFileUnderTheTemporaryNameIsNotTouched) {
  const auto store = open_with_faults();
  without_anonymous_files();
  fs::path taken;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::create_file || !taken.empty()) return;
    taken = operation.path;
    write_whole(taken, "somebody else's");
  });
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  EXPECT_EQ(read_whole(taken), "somebody else's");
  EXPECT_EQ(content(store->get(key(1))), "one");
}

TEST_P(NameDefects, D9_ALinkUnderTheTemporaryNameIsNotFollowed) {
  const auto store = open_with_faults();
  without_anonymous_files();
  const fs::path victim = canary();
  bool planted = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::create_file || planted) return;
    fs::create_symlink(victim, operation.path);
    planted = true;
  });
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(planted);
  EXPECT_EQ(read_whole(victim), "canary");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(path_of(key(1)))));
  EXPECT_EQ(content(store->get(key(1))), "one");
}

TEST_P(NameDefects, D11_OneCapForPutAndGet) {
  options_.max_payload_bytes = 1000;
  const auto store = open();
  const std::string most(1000, 'x');
  ASSERT_TRUE(store->put(key(1), bytes_of(most)));
  EXPECT_EQ(content(store->get(key(1))), most);
  EXPECT_EQ(outcome(store->put(key(2), bytes_of(most + "x"))), "too_large");
  EXPECT_EQ(store->metrics().rejected_too_large, 1u);

  options_.max_payload_bytes = 0;
  ASSERT_TRUE(open()->put(key(2), bytes_of(most + "x")));
  EXPECT_EQ(content(store->get(key(1))), most);
  EXPECT_EQ(content(store->get(key(2))), "error: too_large");
}

TEST_P(NameDefects, D11_TheCapItselfWorks) {
  if (GetParam() == FileLayout::larder) return;  // a GiB is another test's business
  const auto store = open();
  std::string payload(max_payload_bytes_vyre, 'x');
  ASSERT_TRUE(store->put(key(1), bytes_of(payload)));
  EXPECT_TRUE(content(store->get(key(1))) == payload);
  payload.push_back('x');
  EXPECT_EQ(outcome(store->put(key(2), bytes_of(payload))), "too_large");
}

TEST_P(NameDefects, D12_TheEntryIsBoundToItsFingerprint) {
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->put(key(2), bytes_of("two")));
  const std::string one = read_whole(path_of(key(1)));
  write_whole(path_of(key(1)), read_whole(path_of(key(2))));
  write_whole(path_of(key(2)), one);
  if (GetParam() == FileLayout::vyre) {
    // The nature of that layout, and the reason for the other one; its documentation says so.
    EXPECT_EQ(content(store->get(key(1))), "two");
    return;
  }
  EXPECT_EQ(content(store->get(key(1))), "error: corrupt");
  EXPECT_EQ(content(store->get(key(2))), "error: corrupt");
  EXPECT_EQ(store->metrics().corrupt, 2u);
}

TEST_P(NameDefects, D13_LeftoversAreSweptByTheNextOpenAndALiveWritersFileIsKept) {
  const auto store = open();
  const fs::path dead = root() / format::temporary_name(std::string(32, 'a'));
  const fs::path live = root() / format::temporary_name(std::string(32, 'b'));
  const fs::path foreign = root() / ".tmp-of-somebody";
  for (const fs::path& path : {dead, live, foreign}) write_whole(path, "half");
  const auto directory = posix_file_system().open_directory(options_.directory).value();
  const auto writer = directory->open_file(live.filename().string(), OpenMode::read_write).value();
  ASSERT_TRUE(writer->try_lock(LockMode::exclusive, 0, 0).value());

  options_.access = Access::read_only;
  ASSERT_TRUE(open());
  EXPECT_TRUE(fs::exists(dead)) << "who may not write does not sweep";
  options_.access = Access::read_write;
  ASSERT_TRUE(open());
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(live));
  EXPECT_TRUE(fs::exists(foreign));
}

TEST_P(NameDefects, D13_ALeftoverThatCannotBeRemovedIsLogged) {
  ASSERT_TRUE(open());
  const fs::path dead = root() / format::temporary_name(std::string(32, 'a'));
  write_whole(dead, "half");
  std::vector<std::string> lines;
  options_.log = [&](LogLevel level, std::string_view line) {
    if (level == LogLevel::warning) lines.emplace_back(line);
  };
  faults_.inject({.only = Op::remove_file, .os_error = EACCES});
  ASSERT_TRUE(open_with_faults()) << "it harms nobody";
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find(dead.string()), std::string::npos) << lines[0];
}

TEST_P(NameDefects, D14_ModesArePrivateWhateverTheUmask) {
  for (const mode_t mask : {0000, 0777}) {
    options_.directory = (directory_ / ("store-" + std::to_string(mask))).string();
    const mode_t before = ::umask(mask);
    {
      const auto store = open();
      EXPECT_TRUE(store && store->put(key(1), bytes_of("one")));
      EXPECT_TRUE(store && store->flush());
    }
    ::umask(before);
    EXPECT_EQ(mode_of(root()), 0700u) << "umask " << mask;
    for (const auto& entry : fs::recursive_directory_iterator(root())) {
      const unsigned expected = entry.is_directory() ? 0700u : 0600u;
      EXPECT_EQ(mode_of(entry.path()), expected) << entry.path() << " umask " << mask;
    }
  }
}

TEST_P(NameDefects, D14_ALinkedRootIsResolvedOnce) {
  fs::create_directory(directory_ / "first");
  fs::create_directory(directory_ / "second");
  fs::permissions(directory_ / "first", fs::perms::owner_all);
  fs::create_symlink("first", directory_ / "store");
  const auto store = open();
  ASSERT_TRUE(store);
  fs::remove(directory_ / "store");
  fs::create_symlink("second", directory_ / "store");
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  EXPECT_EQ(content(store->get(key(1))), "one");
  EXPECT_TRUE(fs::is_empty(directory_ / "second"));
  EXPECT_EQ(outcome(store->flush()), "not_durable") << "the path no longer leads to the entry";
}

TEST_P(NameDefects, D14_ARootThatOthersMayWriteIsRefused) {
  ASSERT_TRUE(open());
  ASSERT_EQ(::chmod(root().c_str(), 0722), 0);
  const auto refused = open_file_store(options_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsafe_directory);
  EXPECT_NE(refused.error().message.find("chmod"), std::string::npos) << refused.error().message;
}

TEST_P(NameDefects, D18_DamagedAndEmptyEntriesAreRemovedAndReplaced) {
  const auto store = open();
  for (const std::string_view damage : {"", "x", "0123456789012345678901234567890",
                                        "not an entry "
                                        "of either layout, but long enough to be one"}) {
    ASSERT_TRUE(store->put(key(1), bytes_of("one")));
    write_whole(path_of(key(1)), damage);
    EXPECT_EQ(content(store->get(key(1))), "error: corrupt");
    EXPECT_FALSE(fs::exists(path_of(key(1)))) << "removed by the get that proved the damage";

    ASSERT_TRUE(store->put(key(1), bytes_of("one")));
    write_whole(path_of(key(1)), damage);
    ASSERT_TRUE(store->put(key(1), bytes_of("two"))) << "replaced without a get";
    EXPECT_EQ(content(store->get(key(1))), "two");
    EXPECT_TRUE(store->remove(key(1)).value());
  }
  EXPECT_TRUE(store->flush());
}

TEST_P(NameDefects, D19_AFailingSystemIsNotAnAbsentEntry) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  for (const int os_error : {EIO, EMFILE, ENFILE, ESTALE, ENOMEM, EACCES}) {
    for (const Op op : {Op::open_file, Op::file_info, Op::read_at}) {
      faults_.inject({.only = op, .repeat = Repeat::for_ever, .os_error = os_error});
      const auto found = store->get(key(1));
      faults_.clear_faults();
      ASSERT_FALSE(found) << op_name(op);
      EXPECT_EQ(found.error().os_error, os_error) << op_name(op);
      EXPECT_EQ(content(store->get(key(1))), "one") << "removed for no fault of its own";
    }
  }
  const Metrics metrics = store->metrics();
  EXPECT_EQ(metrics.io_errors, 18u);
  EXPECT_EQ(metrics.absent, 0u);
  EXPECT_TRUE(metrics.balanced());
}

TEST_P(NameDefects, D19_AHandleGoneStaleIsOpenedAnew) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  faults_.inject({.only = Op::open_file, .os_error = ESTALE});
  EXPECT_EQ(content(store->get(key(1))), "one");
}

// Runs `body` in a child and returns what it returned.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_P(NameDefects, D20_AForkedChildStartsAnew) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  const int result = in_child([&] {
    if (store->durability().pending != 0) return 1;
    if (store->metrics().puts != 0) return 2;
    faults_.inject({.only = Op::sync_data, .repeat = Repeat::for_ever});
    if (!store->flush()) return 3;  // nothing of its own: nothing is synced
    faults_.clear_faults();
    if (content(store->get(key(1))) != "one") return 4;
    if (!store->put(key(2), bytes_of("two")) || store->durability().pending != 1) return 5;
    if (!store->flush() || store->metrics().puts != 1) return 6;
    return 0;
  });
  EXPECT_EQ(result, 0);
  EXPECT_EQ(store->durability().pending, 1u) << "the child has not flushed the parent's";
  EXPECT_EQ(store->metrics().puts, 1u);
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(content(store->get(key(2))), "two");
}

TEST_P(NameDefects, D20_AForkInTheMiddleOfAFlushDoesNotHangTheChild) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  int result = -1;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::sync_data || result != -1) return;
    result = 0;
    result = in_child([&] {
      ::alarm(20);
      return store->put(key(2), bytes_of("two")) && store->flush() ? 0 : 1;
    });
  });
  EXPECT_TRUE(store->flush());
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace larder
