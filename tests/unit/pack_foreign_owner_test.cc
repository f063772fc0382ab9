// Files of another user where those of a pack store should be: never read or mapped, whatever is in
// them. Only root can make some; elsewhere the tests print SKIPPED.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using testing::Op;
using testing::Operation;

constexpr uid_t nobody = 65534;
constexpr std::uint32_t entries = 20;

class PackForeignOwner : public PackStoreFixture {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) return;
    std::cout << "SKIPPED files of another user: only root can make some" << std::endl;
    is_skipped_ = true;
  }

  void make_store() {
    const auto store = open();
    fill(*store, 0, entries);
    ASSERT_TRUE(store->flush());
  }

  std::vector<fs::path> files_that_begin_with(std::string_view beginning) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(root())) {
      if (entry.path().filename().string().starts_with(beginning)) found.push_back(entry.path());
    }
    return found;
  }

  void give_away(std::string_view beginning) const {
    const auto paths = files_that_begin_with(beginning);
    ASSERT_FALSE(paths.empty()) << beginning;
    for (const fs::path& path : paths) {
      ASSERT_EQ(::chown(path.c_str(), nobody, nobody), 0);
    }
  }

  // Sees to it that nothing of a foreign file gets into this process.
  void watch() {
    options_.file_system = &faults_;
    faults_.observe([](const Operation& operation) {
      if (operation.op != Op::read_at && operation.op != Op::map) return;
      struct stat status = {};
      if (::stat(operation.path.c_str(), &status) != 0) return;
      EXPECT_NE(status.st_uid, nobody) << testing::op_name(operation.op) << " " << operation.path;
    });
  }

  bool is_skipped_ = false;
};

TEST_F(PackForeignOwner, AStateIsMadeAnew) {
  if (is_skipped_) return;
  make_store();
  give_away("state");
  watch();
  EXPECT_EQ(count_present(*open(), 0, entries), entries);
}

TEST_F(PackForeignOwner, AStateIsNotBelievedByAReader) {
  if (is_skipped_) return;
  make_store();
  give_away("state");
  watch();
  options_.access = Access::read_only;
  EXPECT_EQ(count_present(*open(), 0, entries), entries);
  EXPECT_EQ(files_that_begin_with("state").size(), 1u);
}

TEST_F(PackForeignOwner, AnIndexIsMadeAnew) {
  if (is_skipped_) return;
  make_store();
  give_away("index.");
  watch();
  EXPECT_EQ(count_present(*open(), 0, entries), entries);
}

TEST_F(PackForeignOwner, ASegmentIsAsGoodAsADamagedOne) {
  if (is_skipped_) return;
  make_store();
  give_away("00000000.seg");
  watch();
  const auto store = open();
  for (std::uint32_t i = 0; i < entries; ++i) {
    EXPECT_EQ(content(store->get(numbered(i))), "error: corrupt") << i;
  }
  fill(*store, 0, entries);
  EXPECT_EQ(count_present(*store, 0, entries), entries);
  ASSERT_TRUE(store->prune({}));
  ASSERT_TRUE(store->maintain());
  EXPECT_EQ(files_that_begin_with("00000000.seg").size(), 1u) << "it is not ours to remove";
}

// The index leads to it, and an older value stands in one of ours.
TEST_F(PackForeignOwner, ASegmentKeepsNobodyFromComparing) {
  if (is_skipped_) return;
  std::string told;
  options_.log = [&](LogLevel, std::string_view line) { told += line; };
  {
    const auto first = open();
    fill(*first, 0, entries);
    const auto second = open();
    ASSERT_EQ(put(*second, numbered(0), "newer, in a segment of its own"), "ok");
    ASSERT_TRUE(first->flush());
    ASSERT_TRUE(second->flush());
  }
  give_away("00000001.seg");
  watch();
  const auto store = open();
  EXPECT_TRUE(store->maintain());
  EXPECT_FALSE(told.contains("could not be compared")) << told;
}

TEST_F(PackForeignOwner, ARebuildPassesASegmentOver) {
  if (is_skipped_) return;
  make_store();
  give_away("00000000.seg");
  lose_the_index();
  watch();
  const auto store = open();
  EXPECT_EQ(count_present(*store, 0, entries), 0u);
  fill(*store, 0, entries);
  EXPECT_EQ(files_that_begin_with("00000000.seg").size(), 1u);
}

TEST_F(PackForeignOwner, AFolderOfSegmentsIsRefused) {
  if (is_skipped_) return;
  make_store();
  give_away("segments");
  auto refused = open_pack_store(options_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsafe_directory);
  ASSERT_EQ(::chown(segments().c_str(), 0, 0), 0);
  ASSERT_EQ(::chmod(segments().c_str(), 0777), 0);
  refused = open_pack_store(options_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unsafe_directory);
}

// Of an ordinary user's store, some restored by root.
TEST_F(PackForeignOwner, WhatRootOwnsIsRead) {
  if (is_skipped_) return;
  make_store();
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  for (const auto& entry : fs::recursive_directory_iterator(root())) {
    ASSERT_EQ(::chmod(entry.path().c_str(), entry.is_directory() ? 0755 : 0644), 0);
  }
  ASSERT_EQ(::chown(root().c_str(), nobody, nobody), 0);
  ASSERT_EQ(::chmod(root().c_str(), 0700), 0);
  options_.access = Access::read_only;
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(nobody, nobody, nobody) != 0) ::_exit(100);
    const auto store = open_pack_store(options_);
    if (!store) ::_exit(101);
    ::_exit(static_cast<int>(count_present(**store, 0, entries)));
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), entries);
}

}  // namespace
}  // namespace larder
