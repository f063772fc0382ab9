// One test for each way in which the design that Larder follows could call something durable that
// was not. The numbers are ours: D1 to D6, D15 to D17.
#include <sys/resource.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/unit/file_store_fixture.h"

namespace larder {
namespace {

using testing::Fault;
using testing::Op;
using testing::Operation;
using testing::Repeat;

class FlushDefects : public FileStoreFixture {
 protected:
  // Keeps what happens on the file system from now on.
  void record() {
    faults_.observe([this](const Operation& operation) {
      const std::scoped_lock lock(mutex_);
      seen_.push_back(operation);
    });
  }

  // The first operation from `from` on that is `op` on a path that ends so; seen_.size() if none.
  std::size_t find(Op op, std::string_view path_end, std::size_t from = 0) const {
    for (std::size_t i = from; i < seen_.size(); ++i) {
      if (seen_[i].op == op && seen_[i].path.ends_with(path_end)) return i;
    }
    return seen_.size();
  }

  std::string entry_name(const Fingerprint& fingerprint) const {
    return format::entry_path(options_.layout, fingerprint);
  }

  std::mutex mutex_;
  std::vector<Operation> seen_;
};
LARDER_BOTH_LAYOUTS(FlushDefects);

TEST_P(FlushDefects, D1_ADurableEntryIsReplacedBySyncedBytesOnly) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("old")));
  ASSERT_TRUE(store->flush());
  record();
  ASSERT_TRUE(store->put(key(1), bytes_of("new")));
  std::size_t renamed = seen_.size();
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    if (seen_[i].op == Op::rename_over && seen_[i].to_path.ends_with(entry_name(key(1)))) {
      renamed = i;
    }
  }
  ASSERT_LT(renamed, seen_.size());
  const std::size_t written = find(Op::write_at, "(anonymous)");
  const std::size_t synced = find(Op::sync_data, "(anonymous)");
  EXPECT_LT(written, synced);
  EXPECT_LT(synced, renamed);
}

TEST_P(FlushDefects, D1_WhenThatSyncFailsTheOldEntryStays) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("old")));
  ASSERT_TRUE(store->flush());
  faults_.inject({.only = Op::sync_data});
  EXPECT_FALSE(store->put(key(1), bytes_of("new")));
  EXPECT_EQ(content(store->get(key(1))), "old");
}

TEST_P(FlushDefects, D2_APutDuringAFlushIsPendingAfterIt) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  std::atomic<bool> done = false;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::sync_data || done.exchange(true)) return;
    EXPECT_TRUE(store->put(key(2), bytes_of("two")));
  });
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(done);
  EXPECT_EQ(store->durability().pending, 1u);
  EXPECT_FALSE(store->durability().durable);

  record();
  ASSERT_TRUE(store->flush());
  EXPECT_LT(find(Op::sync_data, entry_name(key(2))), seen_.size());
  EXPECT_TRUE(store->durability().durable);
}

TEST_P(FlushDefects, D3_ASecondFlushWaitsForTheFirstAndTellsTheSame) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  std::atomic<bool> second_returned = false;
  std::jthread second;
  std::string second_outcome;
  faults_.inject({.only = Op::sync_data});
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::sync_data || second.joinable()) return;
    EXPECT_FALSE(store->durability().durable) << "a flush is running";
    second = std::jthread([&] {
      second_outcome = outcome(store->flush());
      second_returned = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(second_returned) << "the first flush has not synced anything yet";
  });
  EXPECT_EQ(outcome(store->flush()), "not_durable");
  second.join();
  EXPECT_EQ(second_outcome, "not_durable");
}

TEST_P(FlushDefects, D4_ARetryDoesNotTurnAFailedFlushIntoSuccess) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->put(key(2), bytes_of("two")));
  faults_.inject({.only = Op::sync_data, .path_contains = entry_name(key(1))});
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto flushed = store->flush();
    ASSERT_FALSE(flushed);
    EXPECT_EQ(flushed.error().code, Errc::not_durable);
    EXPECT_EQ(flushed.error().fingerprints, std::vector{key(1)});
    EXPECT_EQ(store->durability().lost, 1u);
  }
  EXPECT_EQ(content(store->get(key(1))), "absent") << "nobody may build on it";
  EXPECT_EQ(content(store->get(key(2))), "two");
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(store->durability().durable);
}

TEST_P(FlushDefects, D4_TheSameBytesPutAgainAreWrittenAgain) {
  // The failed file cannot be taken away, so that the next put finds it, whole in the page cache.
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  faults_.inject({.only = Op::sync_data, .path_contains = entry_name(key(1))});
  faults_.inject({.only = Op::remove_file, .repeat = Repeat::for_ever});
  EXPECT_EQ(outcome(store->flush()), "not_durable");
  faults_.clear_faults();
  const std::uint64_t written = store->metrics().puts;
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  EXPECT_EQ(store->metrics().puts, written + 1) << "joining the file would trust a lost page";
  EXPECT_TRUE(store->flush());
}

TEST_P(FlushDefects, D5_TheDescriptorThatWroteIsTheOneThatIsSynced) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  record();
  ASSERT_TRUE(store->flush());
  EXPECT_EQ(find(Op::open_file, entry_name(key(1))), seen_.size()) << "reopened by its name";
  EXPECT_LT(find(Op::sync_data, entry_name(key(1))), seen_.size());
}

TEST_P(FlushDefects, D6_AnEntryThatLeftMeanwhileDoesNotWedgeTheFlush) {
  const auto store = open();
  const auto other = open();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->put(key(2), bytes_of("two")));
  ASSERT_TRUE(store->put(key(3), bytes_of("three")));
  EXPECT_TRUE(other->remove(key(1)).value());
  std::filesystem::remove(path_of(key(2)));
  ASSERT_TRUE(other->put(key(3), bytes_of("replaced")));
  EXPECT_TRUE(store->flush());
  EXPECT_TRUE(store->durability().durable);
  EXPECT_EQ(content(store->get(key(3))), "replaced");
}

TEST_P(FlushDefects, D7_WhatStandsUnderThePendingNameIsNotOpened) {
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  std::filesystem::remove(path_of(key(1)));
  ASSERT_EQ(::mkfifo(path_of(key(1)).c_str(), 0600), 0);
  EXPECT_TRUE(store->flush()) << "and above all, it returned";
}

TEST_P(FlushDefects, D15_NewDirectoriesAreSyncedIntoTheirParentsBeforeFlushIsOk) {
  record();
  options_.directory = (directory_ / "deep" / "er" / "store").string();
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->flush());
  for (const char* made : {"deep", "er", "store"}) {
    const std::size_t at = find(Op::make_directory, std::string("/") + made);
    ASSERT_LT(at, seen_.size()) << made;
    const std::string parent = std::filesystem::path(seen_[at].path).parent_path();
    EXPECT_LT(find(Op::sync_directory, parent, at), seen_.size()) << parent;
  }
  const std::size_t synced = find(Op::sync_data, entry_name(key(1)));
  const std::string folder = path_of(key(1)).parent_path();
  EXPECT_LT(find(Op::sync_directory, folder, synced), seen_.size());
  EXPECT_LT(find(Op::sync_directory, options_.directory, synced), seen_.size());
}

TEST_P(FlushDefects, D15_ADirectoryWhoseCreationWasCutShortIsSyncedByTheNextOpen) {
  options_.file_system = &faults_;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::make_directory) faults_.inject({.only = Op::sync_directory});
  });
  ASSERT_FALSE(open_file_store(options_)) << "the parent's sync failed";
  ASSERT_EQ(faults_.injected().size(), 1u);
  ASSERT_TRUE(std::filesystem::exists(root()));
  record();
  const auto store = open();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->flush());
  EXPECT_LT(find(Op::sync_directory, options_.directory + "/.."), seen_.size())
      << "a power cut would take the root with everything in it";
}

TEST_P(FlushDefects, D15_AFolderThatSomebodyElseMadeIsSyncedAsWell) {
  ASSERT_TRUE(open());
  make_folder_of(key(1));
  const auto store = open_with_faults();
  record();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  ASSERT_TRUE(store->flush());
  EXPECT_LT(find(Op::sync_directory, options_.directory), seen_.size());
}

TEST_P(FlushDefects, D16_AFlushGoesOnAfterAnErrorAndNamesEveryLostEntry) {
  const auto store = open_with_faults();
  for (std::uint8_t i = 0; i < 20; ++i) ASSERT_TRUE(store->put(key(i), bytes_of("payload")));
  faults_.inject({.only = Op::sync_data, .path_contains = entry_name(key(3))});
  faults_.inject({.only = Op::sync_data, .path_contains = entry_name(key(11))});
  const auto flushed = store->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().fingerprints, (std::vector{key(3), key(11)}));
  EXPECT_EQ(store->metrics().flush_errors, 1u);
  for (std::uint8_t i = 0; i < 20; ++i) {
    EXPECT_EQ(content(store->get(key(i))), i == 3 || i == 11 ? "absent" : "payload");
  }
}

TEST_P(FlushDefects, D16_AFolderThatCannotBeSyncedLosesItsEntries) {
  const auto store = open_with_faults();
  ASSERT_TRUE(store->put(key(1), bytes_of("one")));
  const std::string folder = path_of(key(1)).parent_path();
  faults_.inject({.only = Op::sync_directory, .path_contains = folder});
  EXPECT_EQ(outcome(store->flush()), "not_durable");
  EXPECT_EQ(outcome(store->flush()), "not_durable");
}

TEST_P(FlushDefects, D16_APutSaysThatItFailed) {
  const auto store = open_with_faults();
  faults_.inject({.only = Op::write_at, .path_contains = "(anonymous)"});
  EXPECT_EQ(outcome(store->put(key(1), bytes_of("one"))), "io_error");
  EXPECT_EQ(store->metrics().rejected_io, 1u);
  faults_.inject({.only = Op::write_at, .repeat = Repeat::for_ever, .os_error = EDQUOT});
  EXPECT_EQ(outcome(store->put(key(1), bytes_of("one"))), "no_space");
  EXPECT_EQ(store->metrics().rejected_no_space, 1u);
  EXPECT_EQ(content(store->get(key(1))), "absent");
}

TEST_P(FlushDefects, D17_DescriptorsOfPendingPutsAreBounded) {
  rlimit limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit low = {.rlim_cur = 80, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const auto store = open();
  for (int i = 0; i < 400; ++i) {
    const auto put = store->put(
        key(static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)), bytes_of("payload"));
    EXPECT_TRUE(put) << put.error().message;
  }
  EXPECT_TRUE(store->flush());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(store->metrics().rejected_io, 0u);
}

}  // namespace
}  // namespace larder
