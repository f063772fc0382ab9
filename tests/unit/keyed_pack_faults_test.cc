// Pack stores with keys on a file system that fails.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/unit/keyed_pack_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Repeat;

class KeyedPackFaults : public KeyedPackFixture {
 protected:
  KeyedPackFaults() { options_.file_system = &faults_; }

  testing::FaultFileSystem faults_{posix_file_system()};
};

// It would pass for forged, and what it removed would be back.
TEST_F(KeyedPackFaults, ARebuildThatCannotReadARemovalFails) {
  put_with(ours_, numbered(1), "removed");
  EXPECT_EQ(open_with(ours_)->remove(numbered(1)), true);
  for (const Op op : {Op::open_file, Op::read_at}) {
    std::size_t failed = 0;
    for (std::uint64_t at = 1; at < 100; ++at) {
      lose_the_index();
      faults_.inject({.only = op,
                      .path_contains = "/segments/",
                      .at = at,
                      .repeat = Repeat::for_ever,
                      .os_error = ENOMEM});
      const auto refused = open_pack_store(options_);
      faults_.clear_faults();
      EXPECT_EQ(get_with(ours_, numbered(1)), "absent") << at;
      if (refused) break;
      ++failed;
    }
    EXPECT_GT(failed, 0u);
    EXPECT_LT(failed, 99u);
  }
}

// The one that it was to replace, under an older key, is still there.
TEST_F(KeyedPackFaults, APutThatItsOwnSyncLostIsRefused) {
  put_with(keys_of({1}), numbered(1), "old");
  const auto rotated = open_with(keys_of({3, 1}));
  faults_.inject({.only = Op::sync_data, .path_contains = "/segments/"});
  const auto stored = rotated->put(numbered(1), bytes_of("new"));
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, Errc::io_error);
  EXPECT_EQ(content(rotated->get(numbered(1))), "old");
  EXPECT_FALSE(rotated->flush()) << "the record that was lost is named";
  EXPECT_EQ(put(*rotated, numbered(1), "new"), "ok");
  EXPECT_EQ(content(rotated->get(numbered(1))), "new");
  EXPECT_TRUE(rotated->flush());
}

// The older one stays, so that a power cut leaves one of the two; that other is named by the flush.
TEST_F(KeyedPackFaults, APutWhoseSyncLostAnotherEntryIsNoFailure) {
  put_with(keys_of({1}), numbered(1), "old");
  const auto rotated = open_with(keys_of({3, 1}));
  ASSERT_EQ(put(*rotated, numbered(2), payload_of(17 * mib, 2)), "ok");
  faults_.inject({.only = Op::sync_data, .path_contains = "/large/"});
  EXPECT_EQ(put(*rotated, numbered(1), "new"), "ok");
  EXPECT_EQ(faults_.injected().size(), 1u);
  EXPECT_EQ(content(rotated->get(numbered(1))), "new");
  EXPECT_EQ(get_with(keys_of({1}), numbered(1)), "old");
  const auto flushed = rotated->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().fingerprints, std::vector{numbered(2)});
}

}  // namespace
}  // namespace larder
