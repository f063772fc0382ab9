// Numbers of segments: 26 bits of them have to do for as long as a store lives.
#include <fcntl.h>

#include "format/pack_index.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Repeat;

class PackNumbers : public PackStoreFixture {
 protected:
  void give_out_until(std::uint64_t number) const {
    const int file = ::open((root() / "state").c_str(), O_RDWR | O_CLOEXEC);
    const auto at =
        format::state_words_at + 8 * static_cast<std::size_t>(format::StateWord::next_segment);
    ASSERT_EQ(::pwrite(file, &number, sizeof(number), static_cast<off_t>(at)), 8);
    ::close(file);
  }
};

TEST_F(PackNumbers, APutThatFailsUsesUpNone) {
  options_.file_system = &faults_;
  auto store = open();
  fill(*store, 0, 3);
  ASSERT_TRUE(store->flush());
  store.reset();
  const auto held = hold(segment_names().front());
  store = open();
  faults_.inject({.only = Op::write_at,
                  .path_contains = ".seg",
                  .repeat = Repeat::for_ever,
                  .os_error = ENOSPC});
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_NE(put(*store, numbered(100 + i), "x"), "ok");
  faults_.clear_faults();
  EXPECT_EQ(put(*store, numbered(1), "x"), "ok");
  EXPECT_EQ(segment_of(*store, numbered(1)), "00000001.seg");
}

TEST_F(PackNumbers, NorDoesOneThatFailsBeforeAndItLeavesNoFile) {
  options_.file_system = &faults_;
  const auto store = open();
  for (const Op op : {Op::list, Op::random_name}) {
    faults_.inject({.only = op,
                    .path_contains = op == Op::list ? "segments" : "",
                    .repeat = Repeat::for_ever,
                    .os_error = EMFILE});
    for (std::uint32_t i = 0; i < 50; ++i) EXPECT_NE(put(*store, numbered(i), "x"), "ok");
    faults_.clear_faults();
  }
  EXPECT_TRUE(segment_names().empty());
  EXPECT_EQ(put(*store, numbered(1), "x"), "ok");
  EXPECT_EQ(segment_of(*store, numbered(1)), "00000000.seg");
}

TEST_F(PackNumbers, WhenNoneIsLeftClearBeginsAnew) {
  auto store = open();
  fill(*store, 0, 3);
  ASSERT_TRUE(store->flush());
  give_out_until(std::uint64_t{format::max_segment_number} + 1);
  store.reset();
  const auto held = hold(segment_names().front());
  store = open();
  EXPECT_NE(put(*store, numbered(10), "x").find("clear the store"), std::string::npos);
  EXPECT_EQ(count_present(*store, 0, 3), 3u);
  ASSERT_TRUE(held->unlock(pack_store::owner_lock_at, 1));
  ASSERT_TRUE(store->clear());
  EXPECT_EQ(put(*store, numbered(10), "x"), "ok");
  EXPECT_EQ(content(store->get(numbered(10))), "x");
  EXPECT_EQ(segment_names(), std::vector<std::string>{"00000000.seg"});
}

// Then a number would be given twice.
TEST_F(PackNumbers, WhileASegmentIsHeldClearGoesOnCounting) {
  auto store = open();
  fill(*store, 0, 3);
  ASSERT_TRUE(store->flush());
  give_out_until(format::max_segment_number - 1);
  store.reset();
  const auto held = hold(segment_names().front());
  store = open();
  ASSERT_TRUE(store->clear());
  EXPECT_EQ(put(*store, numbered(10), "x"), "ok");
  EXPECT_EQ(segment_of(*store, numbered(10)), format::segment_name(format::max_segment_number - 1));
  const auto other = open();
  EXPECT_EQ(put(*other, numbered(11), "x"), "ok");
  EXPECT_EQ(segment_of(*other, numbered(11)), format::segment_name(format::max_segment_number));
}

}  // namespace
}  // namespace larder
