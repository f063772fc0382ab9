// A broken store costs time, never an error: every operation of the file system fails in turn, once
// or from then on for ever, and the cache still gives the right bytes.
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "larder/cache.h"
#include "larder/testing/fault_file_system.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using testing::Effect;
using testing::FaultFileSystem;
using testing::Op;
using testing::Repeat;

const Fingerprint first_key = {{1}};
const Fingerprint second_key = {{2}};

class CacheFaults : public ::testing::TestWithParam<FileLayout> {
 protected:
  void SetUp() override {
    std::string name =
        (fs::temp_directory_path() / "larder_faults_").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  // A store of its own, opened while the file system is still sound.
  Cache sound_cache(FaultFileSystem& faults) {
    const std::string directory = (directory_ / std::to_string(++stores_)).string();
    auto store =
        open_file_store({.directory = directory, .layout = GetParam(), .file_system = &faults});
    EXPECT_TRUE(store.has_value());
    return Cache(*std::move(store), {.wait_limit = std::chrono::hours(1)});
  }

  static void want(Cache& cache, const Fingerprint& fingerprint) {
    const std::string expected = "binary of " + fingerprint.hex();
    const auto result =
        cache.get_or_compile(fingerprint, [&] { return Artifact::copy_of(expected); });
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->text(), expected);
  }

  // Misses, hits, a flush in between, and a replacement.
  static void live(Cache& cache) {
    want(cache, first_key);
    want(cache, first_key);
    const bool durable = cache.flush().has_value();
    want(cache, second_key);
    want(cache, first_key);
    EXPECT_TRUE(cache.metrics().balanced());
    EXPECT_EQ(cache.metrics().lookups, 4u);
    EXPECT_TRUE(!durable || cache.durability().lost == 0);
  }

  // Fails operation after operation until none is left to fail.
  void fail_each(testing::Fault fault) {
    int failed = 0;
    for (fault.at = 1;; ++fault.at) {
      SCOPED_TRACE(fault.at);
      FaultFileSystem faults(posix_file_system());
      {
        Cache cache = sound_cache(faults);
        faults.inject(fault);
        live(cache);
      }
      if (HasFatalFailure()) return;
      if (faults.injected().empty()) break;
      ++failed;
    }
    EXPECT_GT(failed, 3);
  }

 private:
  fs::path directory_;
  int stores_ = 0;
};

TEST_P(CacheFaults, FailuresOfOneOperation) {
  for (const int os_error : {EIO, EACCES}) fail_each({.os_error = os_error});
}

TEST_P(CacheFaults, FailuresFromOneOperationOn) {
  for (const int os_error : {EIO, ENOSPC, EROFS, EMFILE}) {
    fail_each({.repeat = Repeat::for_ever, .os_error = os_error});
  }
}

TEST_P(CacheFaults, OperationsThatSucceedAndSayTheyFailed) {
  fail_each({.effect = Effect::refuse_after});
}

TEST_P(CacheFaults, BitsThatTurnOverInEveryRead) {
  for (const std::uint64_t bit : {0u, 7u, 250u, 801u}) {
    fail_each({.only = Op::read_at, .effect = Effect::flip_bit, .bit = bit});
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, CacheFaults,
                         ::testing::Values(FileLayout::larder, FileLayout::vyre),
                         [](const auto& layout) {
                           return layout.param == FileLayout::larder ? "larder" : "vyre";
                         });

}  // namespace
}  // namespace larder
