// Segments that others have unlinked are closed by a process that only looks up, in whatever way:
// else their blocks stay taken as long as it lives.
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

class PackGone : public PackStoreFixture {
 protected:
  // Of this test's store, in this process.
  std::size_t deleted_segments_open() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code ignored;
      const std::string target = fs::read_symlink(entry.path(), ignored).string();
      if (target.starts_with(segments().string()) && target.ends_with(" (deleted)")) ++count;
    }
    return count;
  }

  // A reader that has a segment open which is gone.
  std::shared_ptr<PackStore> reader_of_a_gone_segment() {
    auto writer = open();
    fill(*writer, 0, 10);
    EXPECT_TRUE(writer->flush());
    const auto reader = open();
    EXPECT_EQ(count_present(*reader, 0, 10), 10u);
    EXPECT_TRUE(writer->clear());
    writer.reset();
    EXPECT_EQ(deleted_segments_open(), 1u);
    return reader;
  }
};

TEST_F(PackGone, AreClosedByAMiss) {
  const auto reader = reader_of_a_gone_segment();
  EXPECT_EQ(content(reader->get(numbered(99))), "absent");
  ASSERT_TRUE(reader->flush());  // frees what no reader can see any more
  EXPECT_EQ(deleted_segments_open(), 0u);
}

TEST_F(PackGone, AreClosedByGettingMany) {
  const auto reader = reader_of_a_gone_segment();
  const auto writer = open();
  ASSERT_EQ(put(*writer, numbered(50), "new"), "ok");
  const std::vector<Fingerprint> asked(16, numbered(50));
  const auto answers = reader->get_many(asked).value();
  for (const auto& found : answers) EXPECT_EQ(content(found), "new");
  ASSERT_TRUE(reader->flush());
  EXPECT_EQ(deleted_segments_open(), 0u);
}

}  // namespace
}  // namespace larder
