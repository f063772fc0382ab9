// One slot of the index at a time: who may change it, and when.
#include <gtest/gtest.h>

#include <vector>

#include "store/pack/index_table.h"

namespace larder {
namespace {

using pack_store::IndexTable;
using pack_store::Published;

constexpr std::uint64_t tag = 0x123456789abcdef0;

class PackIndexTable : public ::testing::Test {
 protected:
  static std::uint64_t word_of(std::uint32_t place) {
    return format::Location{.segment = 1, .place = place, .units = 1}.word();
  }

  // Only entries of one fingerprint have the tag.
  Published publish(std::uint64_t expected, std::uint64_t word) {
    return table_.publish(tag, expected, word, [](std::uint64_t) { return false; });
  }

  // The place that the index names; 0 for none.
  std::uint64_t found() const {
    IndexTable::Cursor cursor(table_, tag);
    return cursor.next() ? cursor.word() & format::place_mask : 0;
  }

  void freeze_all() {
    for (std::uint64_t slot = 0; slot < table_.slots(); ++slot) table_.freeze(slot);
  }

  const format::IndexHeader header_{.store = {}, .generation = 1, .log2_slots = 10};
  std::vector<std::uint64_t> memory_ = std::vector<std::uint64_t>(header_.file_bytes() / 8);
  IndexTable table_{std::as_writable_bytes(std::span(memory_)), header_};
};

TEST_F(PackIndexTable, AFrozenSlotIsNotChanged) {
  ASSERT_EQ(publish(0, word_of(100)), Published::done);
  freeze_all();
  EXPECT_EQ(publish(word_of(100), word_of(200)), Published::frozen);
  EXPECT_EQ(table_.withdraw(tag, word_of(100)), Published::frozen);
  EXPECT_EQ(found(), word_of(100));
  table_.thaw_all();
  EXPECT_EQ(publish(word_of(100), word_of(200)), Published::done);
  EXPECT_EQ(found(), word_of(200));
}

TEST_F(PackIndexTable, AFrozenEmptySlotStaysEmpty) {
  freeze_all();
  EXPECT_EQ(publish(0, word_of(100)), Published::frozen);
  EXPECT_EQ(found(), 0u);
}

TEST_F(PackIndexTable, ASlotIsChangedFromWhatWasSeenAlone) {
  ASSERT_EQ(publish(0, word_of(100)), Published::done);
  EXPECT_EQ(publish(0, word_of(200)), Published::changed);
  EXPECT_EQ(publish(word_of(300), word_of(200)), Published::changed);
  EXPECT_EQ(table_.withdraw(tag, word_of(300)), Published::changed);
  EXPECT_EQ(found(), word_of(100));
  EXPECT_EQ(table_.withdraw(tag, word_of(100)), Published::done);
  EXPECT_EQ(found(), 0u);
}

}  // namespace
}  // namespace larder
