// What a pack store makes of an end that was not clean: writers that were killed, openers that were
// killed, power that went between a header and its payload.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <set>

#include "base/digest.h"
#include "format/pack_index.h"
#include "larder/testing/fault_file_system.h"
#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

using testing::Effect;
using testing::FaultFileSystem;
using testing::Op;
using testing::Operation;
using testing::Repeat;

class PackRecovery : public ::testing::Test {
 protected:
  void put_and_close(std::uint32_t number, std::string_view payload) {
    const auto store = directory_.open();
    ASSERT_TRUE(store->put(numbered(number), bytes_of(payload)));
    ASSERT_TRUE(store->flush());
  }

  // Puts, and is killed.
  void put_and_die(std::uint32_t number, std::string_view payload) {
    EXPECT_EQ(in_child([&] {
                const auto store = open_pack_store(directory_.options);
                return store && (*store)->put(numbered(number), bytes_of(payload)) ? 0 : 1;
              }),
              0);
  }

  std::string text_after_reopening(std::uint32_t number) {
    return text_of(*directory_.open(), numbered(number));
  }

  // Bytes of a record that a writer would put at the end of segment 0, to be written or cut.
  std::string record_at_end(std::uint32_t number, std::string_view payload, bool supersedes) {
    std::string segment = read_bytes(directory_.segment(0));
    segment.resize(format::round_to_unit(segment.size()));
    write_bytes(directory_.segment(0), segment);
    const auto header = format::decode_segment_header(bytes_of(segment));
    const format::Record record{.supersedes = supersedes,
                                .sequence = 1000,
                                .raw_bytes = static_cast<std::uint32_t>(payload.size()),
                                .stored_bytes = static_cast<std::uint32_t>(payload.size()),
                                .fingerprint = numbered(number),
                                .payload_digest = blake3(payload)};
    const auto encoded =
        format::encode_record(record, format::segment_key(header->identity),
                              static_cast<std::uint32_t>(segment.size() / format::pack_unit_bytes));
    return std::string(reinterpret_cast<const char*>(encoded.data()), encoded.size()) +
           std::string(payload);
  }

  void append(std::string_view bytes) {
    write_bytes(directory_.segment(0), read_bytes(directory_.segment(0)).append(bytes));
  }

  PackDirectory directory_;
};

TEST_F(PackRecovery, WhatAKilledWriterPutIsThere) {
  put_and_die(1, "one");
  EXPECT_EQ(text_after_reopening(1), "one");
  directory_.forget_index();
  directory_.forget_state();
  EXPECT_EQ(text_after_reopening(1), "one");
}

// The next writer goes on behind what there is of a record, within what its header claims.
TEST_F(PackRecovery, RecordsBehindAHalfWrittenOneAreFound) {
  put_and_close(1, "one");
  append(record_at_end(2, payload_of(50'000, 2), false).substr(0, 1000));
  put_and_close(3, "three");
  ASSERT_EQ(directory_.segments().size(), 1u);
  directory_.forget_index();
  directory_.forget_state();
  EXPECT_EQ(text_after_reopening(1), "one");
  EXPECT_EQ(text_after_reopening(2), "absent");
  EXPECT_EQ(text_after_reopening(3), "three");
}

TEST_F(PackRecovery, WhatIsNoWholeRecordIsTold) {
  put_and_close(1, "one");
  append(record_at_end(2, payload_of(50'000, 2), false).substr(0, 1000));
  put_and_close(3, "three");
  std::vector<std::string> told;
  directory_.options.log = [&](LogLevel, std::string_view line) { told.emplace_back(line); };
  directory_.forget_index();
  EXPECT_EQ(text_after_reopening(3), "three");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("no whole record"), std::string::npos) << told[0];
  EXPECT_NE(told[0].find(directory_.segment(0).string()), std::string::npos) << told[0];
}

// Nor of one that was sealed without a proof of being on the disk.
TEST_F(PackRecovery, OfAWholeSegmentNothingIsTold) {
  put_and_close(1, "one");
  EXPECT_EQ(in_child([&] {
              const auto store = open_pack_store(directory_.options);
              for (std::uint32_t i = 2; i < 60; ++i) {
                const std::string payload = i == 2 || i > 20 ? "two" : payload_of(100'000, i);
                if (!store || !(*store)->put(numbered(i), bytes_of(payload))) return 1;
              }
              ::_exit(0);  // with zeros ahead
              return 0;
            }),
            0);
  ASSERT_GT(directory_.segments().size(), 1u);
  std::vector<std::string> told;
  directory_.options.log = [&](LogLevel, std::string_view line) { told.emplace_back(line); };
  EXPECT_EQ(text_after_reopening(2), "two");
  EXPECT_EQ(told, std::vector<std::string>());
}

// Its record stays, and its file is gone as it should be.
TEST_F(PackRecovery, OfARemovedLargeArtifactNothingIsTold) {
  put_and_close(1, payload_of(300'000, 1));
  EXPECT_EQ(in_child([&] {
              const auto store = open_pack_store(directory_.options);
              return store && (*store)->remove(numbered(1)) == true ? 0 : 1;
            }),
            0);
  std::vector<std::string> told;
  directory_.options.log = [&](LogLevel, std::string_view line) { told.emplace_back(line); };
  directory_.forget_index();
  directory_.forget_state();
  EXPECT_EQ(text_after_reopening(1), "absent");
  EXPECT_EQ(told, std::vector<std::string>());
}

// But for the first read, which is of its header, wherever it is.
TEST_F(PackRecovery, ALostSectorCostsNothingThatCanBeRead) {
  put_and_close(1, "one");
  put_and_die(2, "two");
  const auto unclean = directory_.snapshot();
  FaultFileSystem faults(posix_file_system());
  directory_.options.file_system = &faults;
  std::uint64_t reads = 0;
  const auto count = [&](const Operation& operation) {
    reads += operation.op == Op::read_at && operation.path.ends_with(".seg") ? 1 : 0;
  };
  for (std::uint64_t lost = 1; lost == 1 || lost <= reads; ++lost) {
    directory_.restore(unclean);
    directory_.forget_index();
    reads = 0;
    faults.observe(count);
    if (lost > 1) faults.inject({.only = Op::read_at, .path_contains = ".seg", .at = lost});
    const auto store = directory_.open();
    faults.observe({});
    faults.clear_faults();
    EXPECT_EQ(text_of(*store, numbered(1)), "one") << "read " << lost << " of " << reads;
  }
  EXPECT_GT(reads, 3u);
}

TEST_F(PackRecovery, RecordsBehindACutRecipeAreFound) {
  {
    const auto store = directory_.open();
    const std::string recipe = payload_of(2000, 1);
    ASSERT_TRUE(store->put(numbered(1), bytes_of("one"), {.recipe = recipe}));
    ASSERT_TRUE(store->flush());
  }
  std::filesystem::resize_file(directory_.segment(0), format::records_at + 500);
  directory_.forget_index();
  directory_.forget_state();
  put_and_close(3, "three");
  directory_.forget_index();
  directory_.forget_state();
  EXPECT_EQ(text_after_reopening(1), "one");
  EXPECT_EQ(text_after_reopening(3), "three");
}

// A crash leaves the old entry or the new one. A power cut may leave the header of the new one
// alone: the old one was durable.
TEST_F(PackRecovery, AHeaderWithoutItsPayloadDoesNotHideTheOldEntry) {
  put_and_close(1, "the old one");
  std::string torn = record_at_end(1, "the new one", true);
  torn.replace(format::record_header_bytes, 11, 11, '\0');
  append(torn);
  directory_.forget_index();
  directory_.forget_state();
  EXPECT_EQ(text_after_reopening(1), "the old one");
}

TEST_F(PackRecovery, ALargeRecordWithoutItsFileDoesNotHideTheOldEntry) {
  put_and_close(1, "the old one");
  put_and_die(1, payload_of(300'000, 7));
  EXPECT_EQ(text_after_reopening(1), payload_of(300'000, 7));
  std::filesystem::remove_all(directory_.root() / "large");
  directory_.forget_index();
  directory_.forget_state();
  EXPECT_EQ(text_after_reopening(1), "the old one");
}

// Whoever reads while nobody writes does not stand for an index that is right.
TEST_F(PackRecovery, AReaderBesideAnUncleanEndDoesNotStopTheRebuild) {
  put_and_close(1, "the old one");
  const std::string stale = read_bytes(directory_.index());
  put_and_die(1, "the new one");
  write_bytes(directory_.index(), stale);
  PackStoreOptions reading = directory_.options;
  reading.access = Access::read_only;
  const auto reader = open_pack_store(reading).value();
  EXPECT_EQ(text_of(*reader, numbered(1)), "the new one");
  EXPECT_EQ(text_after_reopening(1), "the new one");
}

// A session that ends cleanly after another one was killed vouches for what that one left, too.
TEST_F(PackRecovery, ARebuildSyncsWhatAKilledWriterLeft) {
  put_and_die(1, "one");
  FaultFileSystem faults(posix_file_system());
  std::set<std::string> synced;
  faults.observe([&](const Operation& operation) {
    if (operation.op == Op::sync_data) synced.insert(operation.path);
  });
  directory_.options.file_system = &faults;
  directory_.open().reset();
  faults.observe(nullptr);
  EXPECT_TRUE(synced.contains(directory_.segment(0).string()));
}

TEST_F(PackRecovery, WhatCannotBeReadNowIsReadNextTime) {
  put_and_close(1, "one");
  FaultFileSystem faults(posix_file_system());
  directory_.options.file_system = &faults;
  for (const Op op : {Op::open_file, Op::read_at, Op::file_info}) {
    directory_.forget_index();
    faults.inject({.only = op, .path_contains = ".seg", .repeat = Repeat::for_ever});
    if (const auto store = open_pack_store(directory_.options)) {
      EXPECT_EQ(text_of(**store, numbered(1)), "absent") << op_name(op);
    }
    faults.clear_faults();
    EXPECT_EQ(text_after_reopening(1), "one") << op_name(op);
  }
}

TEST_F(PackRecovery, WithoutDescriptorsNothingIsForgotten) {
  put_and_close(1, "the old one");
  put_and_close(1, "the new one");
  FaultFileSystem faults(posix_file_system());
  directory_.options.file_system = &faults;
  directory_.forget_index();
  faults.inject({.only = Op::open_file, .path_contains = ".seg", .os_error = EMFILE});
  EXPECT_FALSE(open_pack_store(directory_.options));
  EXPECT_EQ(text_after_reopening(1), "the new one");
}

// Somebody else has replaced the index, and this process cannot open the new one: the old one would
// give what is gone.
TEST_F(PackRecovery, AnIndexThatCannotBeFollowedGivesNothing) {
  FaultFileSystem faults(posix_file_system());
  PackStoreOptions failing = directory_.options;
  failing.file_system = &faults;
  const auto store = open_pack_store(failing).value();
  ASSERT_TRUE(store->put(numbered(1), bytes_of("the old one")));
  const auto other = directory_.open();
  const auto before = directory_.index();
  for (std::uint32_t i = 10; directory_.index() == before; ++i) {
    ASSERT_TRUE(other->put(numbered(i), bytes_of("x")));
  }
  ASSERT_TRUE(other->put(numbered(1), bytes_of("the new one")));
  faults.inject({.only = Op::open_file,
                 .path_contains = "index.",
                 .repeat = Repeat::for_ever,
                 .os_error = EMFILE});
  EXPECT_EQ(text_of(*store, numbered(1)), "error: io_error");
  EXPECT_EQ(text_of(*store, numbered(2)), "error: io_error");
  const std::vector<Fingerprint> both = {numbered(1), numbered(2)};
  const auto answers = store->get_many(both).value();
  for (const auto& found : answers) EXPECT_FALSE(found);
  EXPECT_FALSE(store->put(numbered(3), bytes_of("x")));
  EXPECT_FALSE(store->visit([](const EntryInfo&) { return Visit::go_on; }));
  faults.clear_faults();
  EXPECT_EQ(text_of(*store, numbered(1)), "the new one");
}

TEST_F(PackRecovery, ASegmentThatCannotBeReadKeepsNoPutAway) {
  put_and_close(1, "one");
  FaultFileSystem faults(posix_file_system());
  directory_.options.file_system = &faults;
  const auto store = directory_.open();
  faults.inject({.only = Op::read_at, .path_contains = "00000000.seg", .repeat = Repeat::for_ever});
  ASSERT_TRUE(store->put(numbered(2), bytes_of("two")));
  EXPECT_EQ(text_of(*store, numbered(2)), "two");
  EXPECT_TRUE(store->flush());
}

// Two close at the same time, or one that has only read comes last: the end is clean all the same.
TEST_F(PackRecovery, TheLastToLeaveMarksACleanEnd) {
  const auto is_clean = [&] { return read_bytes(directory_.root() / "state")[64] == 0; };
  {
    auto reader = directory_.open();
    put_and_close(1, "one");
    EXPECT_FALSE(is_clean());
    EXPECT_EQ(text_of(*reader, numbered(1)), "one");
  }
  EXPECT_TRUE(is_clean());
  auto one = directory_.open();
  auto other = directory_.open();
  ASSERT_TRUE(one->put(numbered(2), bytes_of("two")) && one->flush());
  ASSERT_TRUE(other->put(numbered(3), bytes_of("three")) && other->flush());
  EXPECT_FALSE(is_clean());
  one.reset();
  EXPECT_FALSE(is_clean());
  other.reset();
  EXPECT_TRUE(is_clean());
  put_and_die(4, "four");
  EXPECT_FALSE(is_clean());
  put_and_close(5, "five");
  EXPECT_TRUE(is_clean());
}

// A bad sector costs the records in it.
TEST_F(PackRecovery, TheRecordsAroundALostSectorAreFound) {
  {
    const auto store = directory_.open();
    for (std::uint32_t i = 0; i < 20; ++i) {
      ASSERT_TRUE(store->put(numbered(i), bytes_of(payload_of(3000, static_cast<uint8_t>(i)))));
    }
    ASSERT_TRUE(store->flush());
  }
  directory_.forget_index();
  // The window of the scan, and then its first three sectors but one.
  FaultFileSystem faults(posix_file_system());
  faults.inject({.only = Op::read_at, .path_contains = ".seg", .at = 2});
  faults.inject({.only = Op::read_at, .path_contains = ".seg", .at = 2});
  directory_.options.file_system = &faults;
  const auto store = directory_.open();
  std::size_t found = 0;
  for (std::uint32_t i = 0; i < 20; ++i) {
    found += text_of(*store, numbered(i)) == payload_of(3000, static_cast<uint8_t>(i));
  }
  EXPECT_GE(found, 17u);
}

TEST_F(PackRecovery, LeftoversOfAKilledOpenerAreSwept) {
  put_and_die(1, "one");
  const auto leftover = directory_.root() / (".larder-" + std::string(32, 'a') + ".tmp");
  write_bytes(leftover, "x");
  write_bytes(directory_.root() / format::index_name(77), "x");
  directory_.open().reset();
  EXPECT_FALSE(std::filesystem::exists(leftover));
  EXPECT_FALSE(std::filesystem::exists(directory_.root() / format::index_name(77)));
}

// An opener is stopped at each of its operations in turn; when the next one waits for it, it is
// killed. The next one must not take a half-built index for a whole one.
class KilledOpener : public PackRecovery {
 protected:
  // Opens, and stops before operation `number`; 0 when it came to an end before that.
  int open_and_stop_at(std::uint64_t number) {
    FaultFileSystem faults(posix_file_system());
    faults.observe([&](const Operation& operation) {
      if (operation.number == number) ::raise(SIGSTOP);
    });
    PackStoreOptions options = directory_.options;
    options.file_system = &faults;
    const auto store = open_pack_store(options);
    return store ? 0 : 1;
  }

  // Says on `pipe` that it is about to wait, or that it need not.
  int open_and_check(int pipe) {
    FaultFileSystem faults(posix_file_system());
    int locks = 0;
    const auto tell = [&] { return ::write(pipe, "x", 1) == 1; };
    faults.observe([&](const Operation& operation) {
      locks += operation.op == Op::try_lock;
      if (operation.op == Op::try_lock && locks == 3) tell();
    });
    PackStoreOptions options = directory_.options;
    options.file_system = &faults;
    const auto store = open_pack_store(options);
    tell();
    if (!store) return 1;
    if (text_of(**store, numbered(1)) != "the new one") return 2;
    if (text_of(**store, numbered(2)) != "absent") return 3;
    return (*store)->put(numbered(3), bytes_of("three")) ? 0 : 4;
  }

  // False when the first opener came to its end.
  bool kill_at(std::uint64_t number) {
    const pid_t first = start_child([&] { return open_and_stop_at(number); });
    int status = 0;
    EXPECT_EQ(::waitpid(first, &status, WUNTRACED), first);
    if (WIFEXITED(status)) return false;
    std::array<int, 2> pipe = {};
    EXPECT_EQ(::pipe(pipe.data()), 0);
    const pid_t second = start_child([&] { return open_and_check(pipe[1]); });
    char told = 0;
    EXPECT_EQ(::read(pipe[0], &told, 1), 1);
    ::kill(first, SIGKILL);
    EXPECT_EQ(::waitpid(first, &status, 0), first);
    EXPECT_EQ(wait_for(second), 0) << "killed at operation " << number;
    ::close(pipe[0]);
    ::close(pipe[1]);
    return true;
  }
};

TEST_F(KilledOpener, LeavesTheNextOneAWholeIndex) {
  put_and_close(1, "the old one");
  put_and_close(2, "two");
  put_and_die(1, "the new one");
  EXPECT_EQ(in_child([&] {
              return (*open_pack_store(directory_.options))->remove(numbered(2)).value() ? 0 : 1;
            }),
            0);
  const auto unclean = directory_.snapshot();
  for (std::uint64_t number = 1;; ++number) {
    directory_.restore(unclean);
    if (!kill_at(number)) break;
  }
  auto lost = unclean;
  lost.erase("state");
  std::erase_if(lost, [](const auto& file) { return file.first.starts_with("index."); });
  for (std::uint64_t number = 1;; ++number) {
    directory_.restore(lost);
    if (!kill_at(number)) break;
  }
}

}  // namespace
}  // namespace larder
