// Room that is wanted on a full disk, whatever keeps it from coming: a disk that gives nothing
// back, or does not say what it has, and segments that cannot leave.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::Op;
using testing::Operation;
using testing::Repeat;

constexpr std::uint32_t entries_of_segment = 250;  // of 4 KiB, about

// The machine's, but for what it says of the room that there is.
class SaidSpace final : public FileSystem {
 public:
  std::atomic<std::uint64_t> free_bytes = 8 * mib;

  Result<std::unique_ptr<Directory>> open_directory(std::string_view path) override {
    return wrap(real_.open_directory(path));
  }
  Result<std::string> resolve(std::string_view path) override { return real_.resolve(path); }
  Result<std::string> read_file(std::string_view path, std::size_t max_bytes) override {
    return real_.read_file(path, max_bytes);
  }
  UserInfo user() override { return real_.user(); }
  Result<std::string> random_name() override { return real_.random_name(); }
  std::int64_t now_s() override { return real_.now_s(); }

 private:
  class Wrapped final : public Directory {
   public:
    Wrapped(std::unique_ptr<Directory> real, SaidSpace& owner)
        : real_(std::move(real)), owner_(owner) {}

    Result<FileInfo> info() override { return real_->info(); }
    Result<FileInfo> info_at(std::string_view path) override { return real_->info_at(path); }
    Result<SpaceInfo> space() override {
      return SpaceInfo{.free_bytes = owner_.free_bytes, .total_bytes = 1ull << 40};
    }
    Result<std::string> file_system_type() override { return real_->file_system_type(); }
    Result<std::unique_ptr<File>> open_file(std::string_view path, OpenMode mode) override {
      return real_->open_file(path, mode);
    }
    Result<std::unique_ptr<File>> open_or_create_file(std::string_view name) override {
      return real_->open_or_create_file(name);
    }
    Result<std::unique_ptr<File>> create_anonymous() override { return real_->create_anonymous(); }
    Result<std::unique_ptr<File>> create_file(std::string_view name) override {
      return real_->create_file(name);
    }
    Result<void> link(File& file, std::string_view name) override {
      return real_->link(file, name);
    }
    Result<void> rename_over(std::string_view name, Directory& to,
                             std::string_view to_name) override {
      return real_->rename_over(name, *dynamic_cast<Wrapped&>(to).real_, to_name);
    }
    Result<void> rename_no_replace(std::string_view name, Directory& to,
                                   std::string_view to_name) override {
      return real_->rename_no_replace(name, *dynamic_cast<Wrapped&>(to).real_, to_name);
    }
    Result<void> remove_file(std::string_view path) override { return real_->remove_file(path); }
    Result<std::unique_ptr<Directory>> open_directory(std::string_view name) override {
      return owner_.wrap(real_->open_directory(name));
    }
    Result<void> make_directory(std::string_view name) override {
      return real_->make_directory(name);
    }
    Result<void> list(const std::function<bool(std::string_view)>& each) override {
      return real_->list(each);
    }
    Result<void> sync() override { return real_->sync(); }

   private:
    const std::unique_ptr<Directory> real_;
    SaidSpace& owner_;
  };

  Result<std::unique_ptr<Directory>> wrap(Result<std::unique_ptr<Directory>> opened) {
    if (!opened) return std::unexpected(opened.error());
    return std::make_unique<Wrapped>(*std::move(opened), *this);
  }

  FileSystem& real_ = posix_file_system();
};

// Segments of 1 MiB, full of entries of 4 KiB, on a disk that has no room for one more.
class PackRoom : public PackStoreFixture {
 protected:
  PackRoom() {
    options_.budget = {.max_bytes = 60 * mib};
    options_.file_system = &full_;
    options_.on_evict = [this](const Eviction&) { ++evicted_; };
  }

  // In five segments, of which the last one is still written.
  std::shared_ptr<PackStore> open_full() {
    auto store = open();
    fill(*store, 0, entries_);
    EXPECT_TRUE(store->flush());
    EXPECT_EQ(segment_names().size(), 5u);
    return store;
  }

  // The next write to a segment finds the disk full.
  void fill_the_disk() {
    full_.inject({.only = Op::write_at, .path_contains = ".seg", .os_error = ENOSPC});
  }

  // What each segment that leaves gives back.
  void give_back(std::vector<std::uint64_t> amounts) {
    full_.observe([this, amounts, next = std::size_t{0}](const Operation& operation) mutable {
      if (operation.op != Op::remove_file || !operation.path.ends_with(".seg")) return;
      if (next < amounts.size()) disk_.free_bytes += amounts[next++];
    });
  }

  static constexpr std::uint32_t entries_ = 4 * entries_of_segment + 50;
  SaidSpace disk_;
  testing::FaultFileSystem full_{disk_};
  std::uint32_t evicted_ = 0;
};

TEST_F(PackRoom, OneSegmentLeavesForAPut) {
  const auto store = open_full();
  give_back({mib, mib, mib, mib});
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  EXPECT_GT(evicted_, 0u);
  EXPECT_LE(evicted_, entries_of_segment + 5);
  EXPECT_EQ(content(store->get(numbered(5000))), "new");
}

// Else all would leave for nothing.
TEST_F(PackRoom, WhereOneGaveNothingBackNoOtherLeaves) {
  const auto store = open_full();
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  EXPECT_LE(evicted_, entries_of_segment + 5);
  const std::uint32_t evicted = evicted_;
  for (std::uint32_t i = 0; i < 20; ++i) {
    fill_the_disk();
    EXPECT_NE(put(*store, numbered(6000 + i), "newer"), "ok");
  }
  EXPECT_EQ(evicted_, evicted);
}

// Its own room is not known, and so nothing is seen to come back.
TEST_F(PackRoom, OnADiskThatDoesNotSayWhatItHasOneLeaves) {
  const auto store = open_full();
  give_back({mib, mib, mib, mib});
  full_.inject({.only = Op::space, .repeat = Repeat::for_ever});
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  EXPECT_GT(evicted_, 0u);
  EXPECT_LE(evicted_, entries_of_segment + 5);
}

// Of what is wanted the first gives back a part, and the second nothing.
TEST_F(PackRoom, ThoseAfterOneThatGaveNothingBackStay) {
  const auto store = open_full();
  give_back({mib});
  full_.inject({.only = Op::create_file, .path_contains = "large", .os_error = ENOSPC});
  full_.inject({.only = Op::create_anonymous, .path_contains = "large", .os_error = ENOSPC});
  (void)put(*store, numbered(5000), payload_of(3 * mib, 1));
  EXPECT_GT(evicted_, entries_of_segment + 5);
  EXPECT_LE(evicted_, 2 * entries_of_segment + 10);
}

TEST_F(PackRoom, WhatCannotBeReadIsPassedOver) {
  const auto store = open_full();
  give_back({mib, mib, mib, mib});
  full_.inject({.only = Op::read_at, .path_contains = "00000000.seg", .repeat = Repeat::for_ever});
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  EXPECT_GT(evicted_, 0u);
  full_.clear_faults();
  EXPECT_EQ(count_present(*store, 0, 200), 200u);
}

TEST_F(PackRoom, WhatCannotBeRemovedIsPassedOver) {
  const auto store = open_full();
  give_back({0, mib, mib, mib});
  full_.inject(
      {.only = Op::remove_file, .path_contains = "00000000.seg", .repeat = Repeat::for_ever});
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  EXPECT_TRUE(std::filesystem::exists(segments() / "00000000.seg"));
  EXPECT_FALSE(std::filesystem::exists(segments() / "00000001.seg"));
}

// Of whom it cannot be told whether somebody has it mapped.
TEST_F(PackRoom, AFaultInTheLookForViewsKeepsNoneFromLeaving) {
  for (const Op op : {Op::open_file, Op::is_locked}) {
    std::filesystem::remove_all(root());
    evicted_ = 0;
    (void)open_full();
    const auto store = open();
    ASSERT_EQ(put(*store, numbered(4000), "adopts"), "ok");
    give_back({mib, mib, mib, mib});
    fill_the_disk();
    // The first time it is opened to see what it holds.
    const std::uint64_t nth = op == Op::open_file ? 2 : 1;
    full_.inject({.only = op, .path_contains = "00000000.seg", .at = nth});
    EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
    EXPECT_EQ(full_.injected().back().op, op);
    EXPECT_GT(evicted_, 0u);
    EXPECT_FALSE(std::filesystem::exists(segments() / "00000000.seg"));
    full_.clear_faults();
  }
}

// Nothing leaves where it is not known that this is enough.
TEST_F(PackRoom, WithoutAMeasureOfTheStoreAPutIsRefused) {
  for (const std::uint64_t nth : {1u, 2u}) {
    std::filesystem::remove_all(root());
    const auto store = open_full();
    give_back({mib, mib, mib, mib});
    fill_the_disk();
    full_.inject({.only = Op::list, .path_contains = "segments", .at = nth});
    const auto refused = store->put(numbered(5000), bytes_of("new"));
    ASSERT_FALSE(refused) << nth;
    EXPECT_EQ(refused.error().code, Errc::no_space);
    EXPECT_EQ(evicted_, 0u);
    EXPECT_EQ(count_present(*store, 0, entries_), entries_);
    full_.clear_faults();
  }
}

// Somebody maps it after it was chosen, since nobody had it mapped; then its blocks stay his.
TEST_F(PackRoom, WhatIsMappedWhileItLeavesEndsTheSearchForRoom) {
  (void)open_full();
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(4000), "adopts"), "ok");
  const auto reader = open();
  ASSERT_EQ(content(reader->get(numbered(0))), payload_of(4096, 0));
  std::optional<MappedView> view;
  bool is_chosen = false;
  full_.observe([&](const Operation& operation) {
    const bool begins = operation.op == Op::try_lock && operation.path.ends_with("00000000.seg");
    if (!begins || std::exchange(is_chosen, true)) return;
    view = reader->view(numbered(entries_of_segment / 2)).value_or(std::nullopt);
  });
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  ASSERT_TRUE(view);
  EXPECT_GT(evicted_, 0u);
  EXPECT_LE(evicted_, entries_of_segment + 5);
}

// Those whose blocks would not come back, and one that gave nothing back: so many calls are
// refused, and no more.
TEST_F(PackRoom, NoCallIsRefusedForBothReasons) {
  (void)open_full();
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(4000), "adopts"), "ok");
  const auto view = open()->view(numbered(0)).value();
  ASSERT_TRUE(view);
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  const std::uint32_t evicted = evicted_;
  ASSERT_GT(evicted, 0u);
  std::uint32_t refused = 0;
  for (; refused < 200 && evicted_ == evicted; ++refused) {
    fill_the_disk();
    (void)put(*store, numbered(6000 + refused), "newer");
  }
  EXPECT_GE(refused, 60u);
  EXPECT_LE(refused, 70u);
}

// One of those whose blocks would not come back is mapped no more: the next call tries at once.
TEST_F(PackRoom, NoCallIsRefusedWhenWhatWasSparedIsLetGoOf) {
  (void)open_full();
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(4000), "adopts"), "ok");
  auto of_first = open()->view(numbered(0)).value();
  const auto of_second = open()->view(numbered(entries_of_segment + 10)).value();
  ASSERT_TRUE(of_first && of_second);
  ASSERT_NE(segment_of(*store, numbered(0)), segment_of(*store, numbered(entries_of_segment + 10)));
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  const std::uint32_t evicted = evicted_;
  ASSERT_GT(evicted, 0u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    fill_the_disk();
    EXPECT_NE(put(*store, numbered(6000 + i), "newer"), "ok");
  }
  ASSERT_EQ(evicted_, evicted);
  of_first.reset();
  give_back({mib});
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(7000), "newest"), "ok");
  EXPECT_GT(evicted_, evicted);
}

// A budget of free space goes before what others have mapped.
TEST_F(PackRoom, WhereSpaceHasToStayFreeTheMappedOnesLeaveToo) {
  (void)open_full();
  const auto reader = open();
  std::vector<MappedView> views;
  for (std::uint32_t segment = 0; segment < 5; ++segment) {
    auto view = reader->view(numbered(segment * entries_of_segment + 10)).value();
    ASSERT_TRUE(view);
    views.push_back(*std::move(view));
  }
  options_.budget.min_free_bytes = 1ull << 50;
  const auto store = open();
  for (std::uint32_t i = 0; i < 10; ++i) {
    ASSERT_EQ(put(*store, numbered(5000 + i), payload_of(100'000, i)), "ok");
  }
  EXPECT_GT(evicted_, entries_of_segment + 5);
}

// All is in the one segment that it writes.
TEST_F(PackRoom, WhatItWritesItselfLeavesWhereThereIsNothingElse) {
  const auto store = open();
  fill(*store, 0, 100);
  give_back({mib});
  fill_the_disk();
  EXPECT_EQ(put(*store, numbered(5000), "new"), "ok");
  EXPECT_EQ(evicted_, 100u);
}

// Or it cannot be sealed.
TEST_F(PackRoom, WhatItWritesItselfStaysWhereItsSummaryCannotBeWritten) {
  const auto store = open();
  fill(*store, 0, 100);
  give_back({mib});
  fill_the_disk();
  full_.inject({.only = Op::write_at, .path_contains = ".seg", .at = 3, .os_error = EIO});
  EXPECT_NE(put(*store, numbered(5000), "new"), "ok");
  EXPECT_EQ(full_.injected().size(), 2u);
  EXPECT_EQ(evicted_, 0u);
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

// Or it cannot be told how much there is by then.
TEST_F(PackRoom, WhatItWritesItselfStaysWhereTheStoreCannotBeMeasured) {
  const auto store = open();
  fill(*store, 0, 100);
  give_back({mib});
  fill_the_disk();
  full_.inject({.only = Op::list, .path_contains = "segments", .at = 3});
  EXPECT_NE(put(*store, numbered(5000), "new"), "ok");
  EXPECT_EQ(evicted_, 0u);
  full_.clear_faults();
  EXPECT_EQ(count_present(*store, 0, 100), 100u);
}

// A budget of bytes besides: that is kept, whatever comes back.
TEST_F(PackRoom, ABudgetOfBytesIsKeptWhereNothingComesBack) {
  (void)open_full();
  const auto other = open();
  options_.budget = {.max_bytes = 8 * mib, .min_free_bytes = 1ull << 50};
  const auto store = open();
  ASSERT_EQ(put(*store, numbered(4000), "new"), "ok");
  ASSERT_GT(evicted_, 0u);
  ASSERT_LE(evicted_, entries_of_segment + 5);
  fill(*other, 10'000, 10'000 + 6 * entries_of_segment);
  disk_.free_bytes -= 6 * mib;
  ASSERT_GT(disk_bytes(), 9 * mib);
  ASSERT_EQ(put(*store, numbered(4001), payload_of(100'000, 1)), "ok");
  EXPECT_LE(disk_bytes(), 9 * mib);
  EXPECT_LE(evicted_, 3 * entries_of_segment);
}

}  // namespace
}  // namespace larder
