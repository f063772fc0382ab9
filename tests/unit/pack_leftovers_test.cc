// What is left of a segment whose maker was killed before he wrote a header, or whose header is
// damaged, and who may take it away.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>

#include "format/pack_segment.h"
#include "pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;

constexpr std::uint64_t owner_lock_at = 1ull << 40;

class PackLeftovers : public PackStoreFixture {
 protected:
  static constexpr auto* leftover = "00000001.seg";
  static constexpr auto* far_away = "0000abcd.seg";  // nobody has ever given out that number

  // Two segments; the second one was emptied, and went.
  void SetUp() override {
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(1), "one"), "ok");
    const auto beside = open();
    ASSERT_EQ(put(*beside, numbered(9), "nine"), "ok");
    ASSERT_EQ(segment_of(*beside, numbered(9)), leftover);
    ASSERT_EQ(beside->remove(numbered(9)), true);
    ASSERT_TRUE(store->flush());
    ASSERT_TRUE(fs::remove(segments() / leftover));
  }

  std::unique_ptr<File> make_leftover(const char* name = leftover) const {
    auto directory = posix_file_system().open_directory(segments().string()).value();
    return directory->create_file(name).value();
  }

  static constexpr auto* written = "00000000.seg";

  // What a power cut leaves of a segment that no flush had covered.
  void lose_the_header() const {
    auto directory = posix_file_system().open_directory(segments().string()).value();
    const auto file = directory->open_file(written, OpenMode::read_write).value();
    const std::array<std::byte, format::records_at> zeros = {};
    ASSERT_TRUE(file->write_at(std::array{std::span<const std::byte>(zeros)}, 0));
  }

  // With an index that leads nowhere in it.
  std::shared_ptr<PackStore> open_beside_a_headless_one() const {
    EXPECT_EQ(open()->remove(numbered(1)), true);
    lose_the_header();
    auto store = open();
    EXPECT_EQ(put(*store, numbered(2), "two"), "ok");
    EXPECT_TRUE(fs::exists(segments() / written));
    return store;
  }

  bool is_there() const { return fs::exists(segments() / leftover); }

  // A put that makes a segment; between the making of the file and its lock, somebody sweeps.
  void put_beside(const std::function<void(PackStore&)>& sweep) {
    const auto other = open();
    ASSERT_EQ(put(*other, numbered(2), "two"), "ok");  // the segment that could be adopted
    std::atomic<bool> is_swept = false;
    options_.file_system = &faults_;
    const auto store = open();
    faults_.observe([&](const Operation& operation) {
      const bool is_making = operation.op == Op::try_lock && operation.path.ends_with(".seg") &&
                             fs::file_size(operation.path) == 0;
      if (is_making && !is_swept.exchange(true)) sweep(*other);
    });
    ASSERT_EQ(put(*store, numbered(3), "three"), "ok");
    EXPECT_TRUE(is_swept);
    EXPECT_EQ(content(other->get(numbered(3))), "three");
    ASSERT_TRUE(store->flush());
    lose_the_index();
    options_.file_system = nullptr;
    EXPECT_EQ(content(open()->get(numbered(3))), "three");
  }
};

TEST_F(PackLeftovers, MaintainTakesThemAway) {
  (void)make_leftover();
  ASSERT_TRUE(open()->maintain());
  EXPECT_FALSE(is_there());
}

TEST_F(PackLeftovers, PruneTakesThemAway) {
  (void)make_leftover();
  ASSERT_TRUE(open()->prune({}));
  EXPECT_FALSE(is_there());
}

TEST_F(PackLeftovers, ARebuildTakesThemAway) {
  (void)make_leftover();
  lose_the_index();
  EXPECT_EQ(content(open()->get(numbered(1))), "one");
  EXPECT_FALSE(is_there());
}

TEST_F(PackLeftovers, WhoHoldsTheLockKeepsHisFile) {
  const auto file = make_leftover();
  ASSERT_TRUE(file->try_lock(LockMode::exclusive, owner_lock_at, 1).value());
  ASSERT_TRUE(open()->maintain());
  lose_the_index();
  EXPECT_TRUE(open()->prune({}));
  EXPECT_TRUE(is_there());
}

// It may be somebody's file.
TEST_F(PackLeftovers, ANumberThatWasNeverGivenOutIsNotTouched) {
  (void)make_leftover(far_away);
  for (const std::uintmax_t size : {std::uintmax_t{0}, std::uintmax_t{10}, std::uintmax_t{64}}) {
    fs::resize_file(segments() / far_away, size);
    ASSERT_TRUE(open()->maintain());
    lose_the_index();
    ASSERT_TRUE(open()->prune({}));
    const auto strays =
        open()->visit_strays([](const Stray&) { return Visit::go_on; }, Repair::yes);
    ASSERT_TRUE(strays) << strays.error().message;
    EXPECT_TRUE(fs::exists(segments() / far_away)) << size;
  }
}

// After a power cut, `state` does not know the number any more.
TEST_F(PackLeftovers, ARebuildTakesWhatLostItsHeaderAway) {
  std::string told;
  options_.log = [&](LogLevel, std::string_view line) { told += line; };
  lose_the_header();
  lose_the_index();
  EXPECT_EQ(content(open()->get(numbered(1))), "absent");
  EXPECT_FALSE(fs::exists(segments() / written));
  EXPECT_NE(told.find("it has no header"), std::string::npos) << told;
}

// Nobody lost anything with it.
TEST_F(PackLeftovers, OfAnEmptyOneNothingIsSaid) {
  std::string told;
  options_.log = [&](LogLevel, std::string_view line) { told += line; };
  const auto file = make_leftover();
  const std::array<std::byte, 8192> zeros = {};
  ASSERT_TRUE(file->write_at(std::array{std::span<const std::byte>(zeros)}, 0));
  lose_the_index();
  EXPECT_EQ(content(open()->get(numbered(1))), "one");
  EXPECT_FALSE(is_there());
  EXPECT_EQ(told, "");
}

TEST_F(PackLeftovers, WithoutAHeaderItGoesWhenNothingLeadsToIt) {
  const auto store = open_beside_a_headless_one();
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(fs::exists(segments() / written));
  EXPECT_EQ(content(store->get(numbered(2))), "two");
}

TEST_F(PackLeftovers, WithoutAHeaderItStaysWhileTheIndexLeadsToIt) {
  lose_the_header();
  const auto store = open();
  EXPECT_EQ(put(*store, numbered(2), "two"), "ok");
  ASSERT_TRUE(store->maintain());
  EXPECT_TRUE(fs::exists(segments() / written));
  EXPECT_EQ(content(store->get(numbered(1))), "error: corrupt");
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(fs::exists(segments() / written));
}

TEST_F(PackLeftovers, WithoutAHeaderItStaysWhileSomebodyHoldsItsLock) {
  const auto store = open_beside_a_headless_one();
  const auto held = hold(written);
  ASSERT_TRUE(store->maintain());
  EXPECT_TRUE(fs::exists(segments() / written));
}

TEST_F(PackLeftovers, WithoutAHeaderItStaysWhereItCannotBeLocked) {
  options_.file_system = &faults_;
  const auto store = open_beside_a_headless_one();
  faults_.inject({.only = Op::try_lock, .path_contains = written});
  ASSERT_TRUE(store->maintain());
  EXPECT_EQ(faults_.injected().size(), 1u);
  EXPECT_TRUE(fs::exists(segments() / written));
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(fs::exists(segments() / written));
}

// What was in it cannot be told any more, and that it was something is not made up.
TEST_F(PackLeftovers, OfOneThatCannotBeReadNothingIsSaid) {
  std::string told;
  options_.log = [&](LogLevel, std::string_view line) { told += line; };
  options_.file_system = &faults_;
  const auto store = open_beside_a_headless_one();
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::remove_file || !operation.path.ends_with(written)) return;
    faults_.inject(
        {.only = Op::read_at, .path_contains = written, .repeat = testing::Repeat::for_ever});
  });
  told.clear();
  ASSERT_TRUE(store->maintain());
  EXPECT_FALSE(fs::exists(segments() / written));
  EXPECT_EQ(faults_.injected().size(), 2u);  // the headers, and what is behind them
  EXPECT_EQ(told, "");
}

// A newer Larder may have made it.
TEST_F(PackLeftovers, OfAnotherVersionItStays) {
  const auto store = open_beside_a_headless_one();
  auto header =
      format::encode_segment_header({.identity = {.store = {}, .number = 0, .random = {}}});
  header[8] = std::byte{2};
  const auto directory = posix_file_system().open_directory(segments().string()).value();
  const auto file = directory->open_file(written, OpenMode::read_write).value();
  ASSERT_TRUE(
      file->write_at(std::array{std::span<const std::byte>(header)}, format::segment_header_bytes));
  ASSERT_TRUE(store->maintain());
  EXPECT_TRUE(fs::exists(segments() / written));
}

TEST_F(PackLeftovers, AMakerWhoseFileIsTakenMakesAnother) {
  put_beside([](PackStore& other) { EXPECT_TRUE(other.maintain()); });
}

// Who sweeps has the lock, and has not looked at the file yet.
TEST_F(PackLeftovers, AMakerWhoseFileIsLockedMakesAnother) {
  std::unique_ptr<File> swept;
  put_beside([&](PackStore&) {
    const auto directory = posix_file_system().open_directory(segments().string()).value();
    for (const std::string& name : segment_names()) {
      if (fs::file_size(segments() / name) > 0) continue;
      swept = directory->open_file(name, OpenMode::read_write).value();
      ASSERT_TRUE(swept->try_lock(LockMode::exclusive, owner_lock_at, 1).value());
    }
  });
  EXPECT_TRUE(swept);
}

}  // namespace
}  // namespace larder
