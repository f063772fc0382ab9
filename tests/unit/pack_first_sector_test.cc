// What the loss of a segment's first sector costs: both copies of its header stand there, with the
// random bytes of its key, which stand nowhere else.
#include <fstream>

#include "format/pack_segment.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

constexpr std::streamsize sector_bytes = 512;

// Two segments: one with old values, one with what came after them.
class PackFirstSector : public PackStoreFixture {
 protected:
  void SetUp() override { make_store(); }

  void make_store() {
    std::filesystem::remove_all(root());
    const auto before = open();
    const auto after = open();
    ASSERT_EQ(put(*before, other_, "other"), "ok");
    ASSERT_EQ(put(*before, replaced_, "old"), "ok");
    ASSERT_EQ(put(*before, removed_, "removed"), "ok");
    ASSERT_TRUE(before->flush());
    ASSERT_EQ(put(*after, replaced_, "new"), "ok");
    ASSERT_EQ(put(*after, single_, "single"), "ok");
    ASSERT_EQ(after->remove(removed_), true);
    ASSERT_TRUE(after->flush());
    lost_ = segment_of(*after, replaced_);
    ASSERT_NE(lost_, segment_of(*before, other_));
  }

  void overwrite(std::streamoff at, std::streamsize count) const {
    std::fstream file(segments() / lost_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    const std::string zeros(static_cast<std::size_t>(count), '\0');
    ASSERT_TRUE(file.write(zeros.data(), count));
  }

  const Fingerprint other_ = numbered(1), replaced_ = numbered(2);
  const Fingerprint removed_ = numbered(3), single_ = numbered(4);
  std::string lost_;  // its name
};

TEST_F(PackFirstSector, EitherHeaderIsEnough) {
  for (const std::streamoff at : {0, 64}) {
    make_store();
    overwrite(at, format::segment_header_bytes);
    lose_the_index();
    const auto store = open();
    EXPECT_EQ(content(store->get(replaced_)), "new") << at;
    EXPECT_EQ(content(store->get(single_)), "single") << at;
    EXPECT_EQ(content(store->get(removed_)), "absent") << at;
  }
}

// Misses, and no older values: the index leads to what is lost.
TEST_F(PackFirstSector, ItsLossCostsTheEntriesOfTheSegment) {
  overwrite(0, sector_bytes);
  const auto store = open();
  EXPECT_EQ(content(store->get(replaced_)), "error: corrupt");
  EXPECT_EQ(content(store->get(single_)), "error: corrupt");
  EXPECT_EQ(content(store->get(removed_)), "absent");
  EXPECT_EQ(content(store->get(other_)), "other");
  EXPECT_EQ(put(*store, replaced_, "anew"), "ok");
  EXPECT_EQ(content(store->get(replaced_)), "anew");
}

// What was older is the newest that is left: its place cannot be told from one never written.
TEST_F(PackFirstSector, WithoutTheIndexOlderValuesAreBack) {
  overwrite(0, sector_bytes);
  lose_the_index();
  const auto store = open();
  EXPECT_EQ(content(store->get(replaced_)), "old");
  EXPECT_EQ(content(store->get(removed_)), "removed");
  EXPECT_EQ(content(store->get(single_)), "absent");
  EXPECT_EQ(content(store->get(other_)), "other");
}

}  // namespace
}  // namespace larder
