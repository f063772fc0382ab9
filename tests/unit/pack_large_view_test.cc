// view of an artifact in a file of its own: where it lies, with the checks of a get.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "format/entry_name.h"
#include "larder/store.h"
#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

using testing::Op;
using testing::Operation;
using testing::Repeat;

constexpr std::size_t large_bytes = 300'000;  // above a quarter of a segment of 1 MiB

class PackLargeView : public PackStoreFixture {
 protected:
  PackLargeView() {
    options_.budget.max_bytes = 64 * mib;
    options_.file_system = &faults_;
  }

  void SetUp() override {
    store_ = open();
    ASSERT_EQ(put(*store_, numbered(1), payload_), "ok");
    for (const auto& entry : fs::recursive_directory_iterator(root() / "large")) {
      if (entry.path().extension() == ".art") file_ = entry.path();
    }
    ASSERT_FALSE(file_.empty());
  }

  static std::string text_of(const MappedView& view) {
    return {reinterpret_cast<const char*>(view.bytes().data()), view.bytes().size()};
  }

  // "absent", "error: corrupt", or the payload.
  std::string seen() {
    const auto view = store_->view(numbered(1));
    if (!view) return "error: " + std::string(errc_name(view.error().code));
    return *view ? text_of(**view) : "absent";
  }

  // In place, as no part of Larder does.
  void write_at(std::streamoff at, char byte) const {
    std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file.put(byte);
  }

  const std::string payload_ = payload_of(large_bytes, 1);
  std::shared_ptr<PackStore> store_;
  fs::path file_;
};

TEST_F(PackLargeView, ItLiesInItsFile) {
  const auto view = store_->view(numbered(1)).value().value();
  EXPECT_EQ(text_of(view), payload_);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.bytes().data()) % 64, 0u);
  EXPECT_EQ(store_->metrics().hits, 1u);
  EXPECT_EQ(store_->metrics().hit_bytes, large_bytes);
  const auto changed = static_cast<char>(payload_[1000] ^ 1);
  write_at(128 + 1000, changed);
  EXPECT_EQ(static_cast<char>(view.bytes()[1000]), changed);
}

TEST_F(PackLargeView, ItOutlivesEntryAndStore) {
  const auto view = store_->view(numbered(1)).value().value();
  EXPECT_EQ(store_->remove(numbered(1)), true);
  store_.reset();
  EXPECT_FALSE(fs::exists(file_));
  EXPECT_EQ(text_of(view), payload_);
}

TEST_F(PackLargeView, DamageIsFoundBeforeAnythingIsShown) {
  write_at(large_bytes, static_cast<char>(payload_[large_bytes - 128] ^ 1));
  EXPECT_EQ(seen(), "error: corrupt");
  EXPECT_EQ(seen(), "absent");
  EXPECT_EQ(store_->metrics().corrupt, 1u);
}

// Whole, and of the same name, as if it came from another backup.
TEST_F(PackLargeView, AFileOfAnotherLengthIsDamaged) {
  const auto key = format::parse_file_name(
      FileLayout::larder, file_.parent_path().filename().string(), file_.filename().string());
  ASSERT_TRUE(key);
  const auto files = open_file_store({.directory = (root() / "large").string()}).value();
  ASSERT_TRUE(files->put(*key, bytes_of(payload_of(large_bytes + 1, 1))));
  EXPECT_EQ(seen(), "error: corrupt");
  EXPECT_EQ(seen(), "absent");
}

TEST_F(PackLargeView, AFileThatWasCutIsDamagedAndNoSignal) {
  for (const std::size_t length :
       {large_bytes, std::size_t{200}, std::size_t{100}, std::size_t{0}}) {
    fs::resize_file(file_, length);
    EXPECT_EQ(seen(), "error: corrupt") << length;
    ASSERT_EQ(put(*store_, numbered(1), payload_), "ok");
    EXPECT_EQ(seen(), payload_);
  }
}

TEST_F(PackLargeView, AFileThatIsGoneIsAMiss) {
  fs::remove(file_);
  EXPECT_EQ(seen(), "absent");
}

// A read finds out whether a page that cannot be mapped is lost.
TEST_F(PackLargeView, WhatCannotBeMappedIsRead) {
  for (const Op op : {Op::map, Op::check}) {
    faults_.inject({.only = op, .path_contains = ".art", .repeat = Repeat::for_ever});
    EXPECT_EQ(seen(), payload_);
    faults_.clear_faults();
  }
}

TEST_F(PackLargeView, GarbageIsNotBroughtInWhole) {
  write_at(0, '?');
  fs::resize_file(file_, 512 * mib);
  int checks = 0;
  faults_.observe([&](const Operation& operation) {
    if (operation.op == Op::check && operation.path.contains(".art")) ++checks;
  });
  EXPECT_EQ(seen(), "error: corrupt");
  EXPECT_EQ(checks, 1);
}

}  // namespace
}  // namespace larder
