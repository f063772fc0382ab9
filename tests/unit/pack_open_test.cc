// What an open of a pack store does, and what it leaves alone: constant work after a clean end,
// nothing at all for reading, no more than its share of descriptors.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "format/pack_index.h"
#include "larder/testing/fault_file_system.h"
#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::FaultFileSystem;
using testing::Op;
using testing::Operation;

// Operations that change something on disk.
const std::set<Op> changes = {
    Op::write_at,          Op::reserve,     Op::trim,           Op::allocate,
    Op::start_writeback,   Op::sync_data,   Op::touch,          Op::open_or_create_file,
    Op::create_anonymous,  Op::create_file, Op::link,           Op::rename_over,
    Op::rename_no_replace, Op::remove_file, Op::make_directory, Op::sync_directory};

class PackOpen : public ::testing::Test {
 protected:
  void fill(std::uint32_t entries) {
    const auto store = directory_.open();
    for (std::uint32_t i = 0; i < entries; ++i) {
      ASSERT_TRUE(store->put(numbered(i), bytes_of(payload_of(i % 50, i))));
    }
    ASSERT_TRUE(store->flush());
  }

  // By a process that is killed then.
  void put_and_die(std::uint32_t number) {
    EXPECT_EQ(in_child([&] {
                const auto store = open_pack_store(directory_.options);
                return store && (*store)->put(numbered(number), bytes_of("x")) ? 0 : 1;
              }),
              0);
  }

  // What `use` asks of the file system.
  std::vector<Operation> operations_of(const std::function<void()>& use) {
    FaultFileSystem system(posix_file_system());
    std::vector<Operation> operations;
    system.observe([&](const Operation& operation) { operations.push_back(operation); });
    directory_.options.file_system = &system;
    use();
    directory_.options.file_system = nullptr;
    return operations;
  }

  std::vector<Op> operations_of_an_open() {
    std::vector<Op> operations;
    for (const Operation& operation : operations_of([&] { directory_.open().reset(); })) {
      operations.push_back(operation.op);
    }
    return operations;
  }

  static bool touches_segments(const std::vector<Operation>& operations) {
    return std::ranges::any_of(
        operations, [](const Operation& operation) { return operation.path.ends_with(".seg"); });
  }

  PackDirectory directory_;
};

TEST_F(PackOpen, AfterACleanEndNoSegmentIsRead) {
  fill(100);
  EXPECT_FALSE(touches_segments(operations_of([&] { directory_.open().reset(); })));
  EXPECT_FALSE(touches_segments(operations_of([&] { directory_.open().reset(); })));
  put_and_die(1000);
  EXPECT_TRUE(touches_segments(operations_of([&] { directory_.open().reset(); })));
  EXPECT_FALSE(touches_segments(operations_of([&] { directory_.open().reset(); })));
}

TEST_F(PackOpen, ItsWorkDoesNotGrowWithTheStore) {
  fill(10);
  const auto few = operations_of_an_open();
  fill(10'000);
  EXPECT_EQ(operations_of_an_open(), few);
}

// A session that did not flush leaves an end that is not clean.
TEST_F(PackOpen, WithoutAFlushTheEndIsNotClean) {
  directory_.open()->put(numbered(1), bytes_of("x")).value();
  EXPECT_TRUE(touches_segments(operations_of([&] { directory_.open().reset(); })));
}

// Its sequence would make the next put older than what that replaces.
TEST_F(PackOpen, AStateWithoutARightCheckIsNotBelieved) {
  fill(10);
  std::string state = read_bytes(directory_.root() / "state");
  const auto word = static_cast<std::size_t>(format::StateWord::sequence);
  const std::uint64_t first = 1;
  std::memcpy(state.data() + format::state_words_at + 8 * word, &first, sizeof first);
  write_bytes(directory_.root() / "state", state);
  directory_.open()->put(numbered(9), bytes_of("new")).value();
  directory_.forget_state();
  EXPECT_EQ(text_of(*directory_.open(), numbered(9)), "new");
}

class ReadOnly : public PackOpen {
 protected:
  // Uses all that a reader may, and checks that the disk did not notice.
  void expect_untouched(const std::string& what) {
    const auto before = directory_.snapshot();
    directory_.options.access = Access::read_only;
    const auto operations = operations_of([&] { use(what); });
    directory_.options.access = Access::read_write;
    for (const Operation& operation : operations) {
      EXPECT_FALSE(changes.contains(operation.op))
          << what << ": " << op_name(operation.op) << " " << operation.path;
    }
    EXPECT_EQ(directory_.snapshot(), before) << what;
  }

  void use(const std::string& what) {
    const auto store = directory_.open();
    ASSERT_TRUE(store) << what;
    for (const auto& [number, expected] : expected_) {
      EXPECT_EQ(text_of(*store, numbered(number)), expected) << what << ", entry " << number;
      EXPECT_TRUE(store->view(numbered(number)) || expected.starts_with("error")) << what;
    }
    const std::vector<Fingerprint> all = {numbered(0), numbered(1), numbered(2)};
    (void)store->get_many(all);
    (void)store->contains(numbered(1));
    (void)store->inspect(numbered(1));
    (void)store->statistics();
    EXPECT_TRUE(store->add_statistics({.lookups = 1}));
    EXPECT_TRUE(store->visit([](const EntryInfo&) { return Visit::go_on; }));
    EXPECT_TRUE(store->flush());
    const auto put = store->put(numbered(5), bytes_of("x"));
    EXPECT_TRUE(!put && put.error().code == Errc::read_only);
    const auto removed = store->remove(numbered(1));
    EXPECT_TRUE(!removed && removed.error().code == Errc::read_only);
    EXPECT_FALSE(store->clear());
    EXPECT_FALSE(store->prune({.max_bytes = 0}));
  }

  void SetUp() override {
    const auto store = directory_.open();
    for (std::uint32_t i = 0; i < 3; ++i) {
      expected_[i] = payload_of(100 * i, i);
      ASSERT_TRUE(store->put(numbered(i), bytes_of(expected_[i])));
    }
    expected_[3] = payload_of(300'000, 3);
    ASSERT_TRUE(store->put(numbered(3), bytes_of(expected_[3])));
    ASSERT_TRUE(store->flush());
    expected_[4] = "absent";
  }

  std::map<std::uint32_t, std::string> expected_;
};

TEST_F(ReadOnly, WithAGoodIndex) { expect_untouched("a good index"); }

TEST_F(ReadOnly, WithoutAnIndex) {
  directory_.forget_index();
  expect_untouched("no index");
  directory_.forget_state();
  expect_untouched("no state either");
}

TEST_F(ReadOnly, AfterAnUncleanEnd) {
  put_and_die(9);
  expected_[9] = "x";
  expect_untouched("unclean");
}

TEST_F(ReadOnly, BesideAWriter) {
  const auto writer = directory_.open();
  ASSERT_TRUE(writer->put(numbered(9), bytes_of("new")));
  expected_[9] = "new";
  expect_untouched("beside a writer");
  // And sees what he puts later.
  PackStoreOptions reading = directory_.options;
  reading.access = Access::read_only;
  const auto reader = open_pack_store(reading).value();
  ASSERT_TRUE(writer->put(numbered(10), bytes_of("newer")));
  EXPECT_EQ(text_of(*reader, numbered(10)), "newer");
}

// It has made an index of its own; the next writer makes one for all.
TEST_F(ReadOnly, AfterAnUncleanEndItSeesWhatIsPutLater) {
  for (const auto& lose : {+[](PackDirectory&) {}, +[](PackDirectory& d) { d.forget_index(); },
                           +[](PackDirectory& d) { d.forget_state(); },
                           +[](PackDirectory& d) { flip_bit(d.root() / "state", 8 * 16); }}) {
    put_and_die(9);
    lose(directory_);
    PackStoreOptions reading = directory_.options;
    reading.access = Access::read_only;
    const auto reader = open_pack_store(reading).value();
    EXPECT_EQ(text_of(*reader, numbered(9)), "x");
    const auto writer = directory_.open();
    ASSERT_TRUE(writer->put(numbered(10), bytes_of("newer")));
    EXPECT_EQ(text_of(*reader, numbered(10)), "newer");
    EXPECT_EQ(writer->remove(numbered(9)), true);
    EXPECT_EQ(text_of(*reader, numbered(9)), "absent");
    EXPECT_EQ(writer->remove(numbered(10)), true);
  }
}

TEST_F(ReadOnly, OfAStoreWithoutSegmentsItSeesWhatIsPutLater) {
  fs::remove_all(directory_.root() / "segments");
  PackStoreOptions reading = directory_.options;
  reading.access = Access::read_only;
  const auto reader = open_pack_store(reading).value();
  EXPECT_EQ(text_of(*reader, numbered(1)), "absent");
  ASSERT_TRUE(directory_.open()->put(numbered(1), bytes_of("newer")));
  EXPECT_EQ(text_of(*reader, numbered(1)), "newer");
}

// One that lacks descriptors does not go its own way beside a writer.
TEST_F(ReadOnly, WithoutDescriptorsItIsNotOpened) {
  const auto writer = directory_.open();
  ASSERT_TRUE(writer->put(numbered(9), bytes_of("old")));
  FaultFileSystem system(posix_file_system());
  PackStoreOptions reading = directory_.options;
  reading.access = Access::read_only;
  reading.file_system = &system;
  for (const int os_error : {EMFILE, ENFILE}) {
    system.inject({.only = Op::open_file, .path_contains = "index.", .os_error = os_error});
    EXPECT_FALSE(open_pack_store(reading)) << os_error;
  }
  const auto reader = open_pack_store(reading).value();
  ASSERT_TRUE(writer->put(numbered(9), bytes_of("new")));
  EXPECT_EQ(text_of(*reader, numbered(9)), "new");
}

// Others go on with the index that it could not read once, and no new one tells it so.
TEST_F(ReadOnly, WhoseReadOfTheIndexFailedOnceItSeesWhatIsPutLater) {
  const auto writer = directory_.open();
  ASSERT_TRUE(writer->put(numbered(9), bytes_of("old")));
  FaultFileSystem system(posix_file_system());
  system.inject({.only = Op::open_file, .path_contains = "index.", .os_error = EIO});
  PackStoreOptions reading = directory_.options;
  reading.access = Access::read_only;
  reading.file_system = &system;
  const auto reader = open_pack_store(reading).value();
  ASSERT_EQ(system.injected().size(), 1u);
  EXPECT_EQ(text_of(*reader, numbered(9)), "old");
  ASSERT_TRUE(writer->put(numbered(9), bytes_of("new")));
  EXPECT_EQ(text_of(*reader, numbered(9)), "new");
  EXPECT_EQ(writer->remove(numbered(9)), true);
  EXPECT_EQ(text_of(*reader, numbered(9)), "absent");
}

TEST_F(ReadOnly, WithADamagedStateItReadsTheSegmentsOnce) {
  flip_bit(directory_.root() / "state", 8 * 16);
  FaultFileSystem system(posix_file_system());
  PackStoreOptions reading = directory_.options;
  reading.access = Access::read_only;
  reading.file_system = &system;
  const auto reader = open_pack_store(reading).value();
  const auto before = system.operations();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(text_of(*reader, numbered(1)), expected_[1]);
  EXPECT_LE(system.operations() - before, 400u);
}

TEST_F(ReadOnly, OfDamagedEntries) {
  flip_bit(directory_.segment(0), 8 * (records_of(directory_.segment(0))[1].offset + 200));
  expected_[1] = "error: corrupt";
  expect_untouched("damaged");
  directory_.forget_index();
  expected_[1] = "absent";
  expect_untouched("damaged, no index");
}

TEST_F(ReadOnly, OfAStoreWithoutSegments) {
  fs::remove_all(directory_.root() / "segments");
  for (auto& [number, expected] : expected_) expected = "absent";
  expect_untouched("no segments");
}

TEST(ReadOnlyOpen, OfWhatIsNotThereMakesNothing) {
  PackDirectory directory;
  directory.options.access = Access::read_only;
  const auto store = open_pack_store(directory.options);
  if (store) {
    EXPECT_EQ(text_of(**store, numbered(1)), "absent");
  }
  EXPECT_FALSE(fs::exists(directory.root()));
}

TEST_F(PackOpen, ANewerFormatIsRefusedUntouched) {
  fill(3);
  std::string marker = read_bytes(directory_.root() / "LARDER");
  marker.replace(marker.find("version 1"), 9, "version 2");
  write_bytes(directory_.root() / "LARDER", marker);
  const auto before = directory_.snapshot();
  for (const Access access : {Access::read_write, Access::read_only}) {
    directory_.options.access = access;
    const auto operations = operations_of([&] {
      const auto store = open_pack_store(directory_.options);
      ASSERT_FALSE(store);
      EXPECT_EQ(store.error().code, Errc::unsupported_version);
    });
    for (const Operation& operation : operations) {
      EXPECT_FALSE(changes.contains(operation.op)) << op_name(operation.op);
    }
  }
  EXPECT_EQ(directory_.snapshot(), before);
}

// The kernel's own file system stands for all that are not on the list.
TEST_F(PackOpen, AnUnknownFileSystemIsDeclined) {
  directory_.options.directory = "/proc/larder";
  const auto operations = operations_of([&] {
    const auto store = open_pack_store(directory_.options);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::unsupported);
    const std::string& message = store.error().message;
    EXPECT_TRUE(message.contains("name it file:/proc/larder")) << message;
    EXPECT_TRUE(message.ends_with("on ext4, xfs, btrfs, f2fs, overlay or tmpfs")) << message;
  });
  for (const Operation& operation : operations) {
    EXPECT_FALSE(changes.contains(operation.op)) << op_name(operation.op);
  }
}

class Descriptors : public PackOpen {
 protected:
  static constexpr std::uint32_t segments = 300;

  // Each segment has one entry, and no room: what is behind it is a hole.
  void SetUp() override {
    for (std::uint32_t i = 0; i < segments; ++i) {
      {
        const auto store = directory_.open();
        ASSERT_TRUE(store->put(numbered(i), bytes_of(payload_of(100, i))) && store->flush());
      }
      fs::resize_file(directory_.segment(i), 1u << 20);
    }
    ASSERT_EQ(directory_.segments().size(), segments);
  }

  static std::size_t open_now() {
    const auto each = fs::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(each), end(each))) - 1;
  }

  // How many more than before were open at any time.
  int most_open() {
    const std::size_t before = open_now();
    std::size_t most = before;
    const auto store = open_pack_store(directory_.options);
    if (!store) return -1;
    for (std::uint32_t turn = 0; turn < 2; ++turn) {
      for (std::uint32_t i = 0; i < segments; ++i) {
        if (text_of(**store, numbered(i)) != payload_of(100, i)) return -2;
        const auto view = (*store)->view(numbered(i));
        if (!view || !*view) return -3;
        const std::uint32_t large = 1000 + turn * segments + i;
        if (i % 3 == 0 && !(*store)->put(numbered(large), bytes_of(payload_of(270'000, large)))) {
          return -4;
        }
        most = std::max(most, open_now());
      }
    }
    return static_cast<int>(most - before);
  }
};

TEST_F(Descriptors, AtMostAnEighthOfTheLimit) {
  directory_.options.budget.max_bytes = 1ull << 30;
  rlimit limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlim_t usual = limit.rlim_cur;
  for (const rlim_t allowed : {rlim_t{512}, usual}) {
    limit.rlim_cur = std::min(allowed, usual);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    const int most = most_open();
    EXPECT_GT(most, 0);
    EXPECT_LE(most, static_cast<int>(std::min<rlim_t>(128, limit.rlim_cur / 8)));
  }
}

}  // namespace
}  // namespace larder
