// What the machine's own files do beyond reading and writing.
#include <linux/magic.h>

#include <csignal>
#include <iostream>
#include <limits>

#include "os/file_system_type.h"
#include "tests/unit/posix_file_fixture.h"
#include "tests/unit/small_disk.h"

namespace larder {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

class PosixFile : public PosixFileFixture {};
class PosixMapping : public PosixFileFixture {};
class PosixLock : public PosixFileFixture {};

TEST_F(PosixMapping, SharesItsBytesWithTheFileAndOtherMappings) {
  const auto file = create("a");
  ASSERT_TRUE(file->allocate(2 * page_bytes));
  const auto mapping = file->map(OpenMode::read_write, 2 * page_bytes).value();
  const auto other = open("a")->map(OpenMode::read, 2 * page_bytes).value();
  ASSERT_EQ(mapping->bytes().size(), 2 * page_bytes);

  mapping->bytes()[page_bytes] = std::byte{'m'};
  EXPECT_EQ(read_text(*file, 1, page_bytes), "m");
  EXPECT_EQ(other->bytes()[page_bytes], std::byte{'m'});
  ASSERT_TRUE(write_text(*file, "written", 10));
  EXPECT_EQ(text_of(mapping->bytes().subspan(10, 7)), "written");
  EXPECT_EQ(text_of(other->bytes().subspan(10, 7)), "written");
}

TEST_F(PosixMapping, IsNotForWritingUnlessTheFileIs) {
  ASSERT_TRUE(create("a")->allocate(page_bytes));
  const auto file = open("a", OpenMode::read);
  EXPECT_EQ(outcome(file->map(OpenMode::read_write, page_bytes)), "permission_denied");
  EXPECT_EQ(outcome(file->map(OpenMode::read, page_bytes)), "ok");
}

TEST_F(PosixMapping, OfNothingOrOfWhatCannotBeMappedIsRefused) {
  EXPECT_EQ(outcome(create("a")->map(OpenMode::read, 0)), "io_error");
  const auto process = posix_file_system().open_directory("/proc/self").value();
  const auto status = process->open_file("status", OpenMode::read).value();
  EXPECT_EQ(outcome(status->map(OpenMode::read, page_bytes)), "unsupported");
}

TEST_F(PosixMapping, MayBeLongerThanTheFileAndSeesItGrow) {
  const auto file = create("a");
  ASSERT_TRUE(write_text(*file, "begin", 0));
  const auto mapping = file->map(OpenMode::read, 16 * page_bytes).value();
  EXPECT_EQ(outcome(mapping->check(0, 5)), "ok");
  EXPECT_EQ(outcome(mapping->check(page_bytes, 1)), "io_error");
  ASSERT_TRUE(write_text(*file, "later", 3 * page_bytes));
  EXPECT_EQ(outcome(mapping->check(0, 3 * page_bytes + 5)), "ok");
  EXPECT_EQ(text_of(mapping->bytes().subspan(3 * page_bytes, 5)), "later");
  EXPECT_EQ(outcome(mapping->check(0, 16 * page_bytes)), "io_error");
}

TEST_F(PosixMapping, ACheckSaysWhereATouchWouldEndTheProcess) {
  const auto file = create("a");
  ASSERT_TRUE(file->allocate(4 * page_bytes));
  const auto mapping = file->map(OpenMode::read_write, 4 * page_bytes).value();
  ASSERT_EQ(outcome(mapping->check(0, 4 * page_bytes)), "ok");
  mapping->bytes()[3 * page_bytes] = std::byte{1};
  cut("a", page_bytes + 1);

  EXPECT_EQ(outcome(mapping->check(0, page_bytes + 1)), "ok");
  const auto cut_off = mapping->check(3 * page_bytes, 1);
  EXPECT_EQ(outcome(cut_off), "io_error");
  EXPECT_EQ(outcome(mapping->check(0, 4 * page_bytes)), "io_error");
  const auto touch = [&] {
    std::signal(SIGBUS, SIG_DFL);  // a sanitizer has a handler
    mapping->bytes()[3 * page_bytes] = std::byte{2};
  };
  EXPECT_EXIT(touch(), testing::KilledBySignal(SIGBUS), "") << "the check is about nothing";
}

TEST_F(PosixMapping, ACheckBeyondItIsAnError) {
  const auto file = create("a");
  ASSERT_TRUE(file->allocate(2 * page_bytes));
  const auto mapping = file->map(OpenMode::read, page_bytes).value();
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(outcome(mapping->check(page_bytes, 0)), "ok");
  EXPECT_EQ(outcome(mapping->check(page_bytes - 1, 1)), "ok");
  EXPECT_EQ(outcome(mapping->check(page_bytes - 1, 2)), "io_error");
  EXPECT_EQ(outcome(mapping->check(1, most)), "io_error");
  EXPECT_EQ(outcome(mapping->check(most, 1)), "io_error");
}

TEST_F(PosixMapping, OutlivesItsFileAndThenLetsItsLockGo) {
  auto file = create("a");
  const auto other = open("a");
  ASSERT_TRUE(write_text(*file, "content", 0));
  ASSERT_TRUE(file->try_lock(LockMode::exclusive, 0, 0).value());
  auto mapping = file->map(OpenMode::read, page_bytes).value();
  ASSERT_TRUE(file->close());
  file.reset();
  EXPECT_EQ(text_of(mapping->bytes().first(7)), "content");
  mapping.reset();  // overlay lets the lock go before, others only now
  EXPECT_FALSE(other->is_locked(0, 0).value());
}

TEST_F(PosixMapping, HoldsNoDescriptor) {
  const auto file = create("a");
  ASSERT_TRUE(file->allocate(page_bytes));
  const long before = open_descriptors();
  auto mapping = file->map(OpenMode::read, page_bytes);
  ASSERT_TRUE(mapping && (*mapping)->check(0, page_bytes));
  EXPECT_FALSE(file->map(OpenMode::read, 0));
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(PosixLock, IsSeenByOthersOnly) {
  const auto holder = create("a");
  const auto other = open("a");
  const auto reader = open("a", OpenMode::read);
  for (const LockMode mode : {LockMode::shared, LockMode::exclusive}) {
    ASSERT_TRUE(holder->try_lock(mode, 100, 10).value());
    EXPECT_FALSE(holder->is_locked(0, 0).value());
    for (File* const asks : {other.get(), reader.get()}) {
      EXPECT_TRUE(asks->is_locked(0, 0).value());
      EXPECT_TRUE(asks->is_locked(109, 1).value());
      EXPECT_FALSE(asks->is_locked(0, 100).value());
      EXPECT_FALSE(asks->is_locked(110, 0).value());
    }
    ASSERT_TRUE(holder->unlock(100, 10));
    EXPECT_FALSE(other->is_locked(0, 0).value());
  }
}

TEST_F(PosixLock, AQuestionTakesNothingAndSharersSeeEachOther) {
  const auto one = create("a");
  const auto two = open("a");
  EXPECT_FALSE(two->is_locked(0, 0).value());
  ASSERT_TRUE(one->try_lock(LockMode::exclusive, 0, 0).value());
  ASSERT_TRUE(one->unlock(0, 0));
  ASSERT_TRUE(one->try_lock(LockMode::shared, 0, 0).value());
  ASSERT_TRUE(two->try_lock(LockMode::shared, 0, 0).value());
  EXPECT_TRUE(one->is_locked(0, 0).value());
  EXPECT_TRUE(two->is_locked(0, 0).value());
  ASSERT_TRUE(one->close());
  EXPECT_FALSE(two->is_locked(0, 0).value()) << "the lock goes with the file";
}

TEST_F(PosixFile, TrimGivesBackWhatWasReserved) {
  const auto file = create("a");
  ASSERT_TRUE(write_text(*file, "content", 0));
  ASSERT_TRUE(file->sync_data());  // so that the file's own block is counted
  const FileInfo plain = file->info().value();
  const auto reserved = file->reserve(8 * mebibyte);
  if (!reserved && reserved.error().code == Errc::unsupported) {
    std::cout << "SKIPPED trim: nothing can be reserved in " << path_ << std::endl;
    return;
  }
  ASSERT_TRUE(reserved);
  ASSERT_GE(file->info().value().disk_bytes, 8 * mebibyte);
  ASSERT_TRUE(file->trim(7));
  const FileInfo trimmed = file->info().value();
  EXPECT_LE(trimmed.disk_bytes, plain.disk_bytes + page_bytes);
  EXPECT_EQ(trimmed.size_bytes, 7u);
  EXPECT_EQ(read_text(*file, 100, 0), "content");
}

TEST_F(PosixFile, AllocateExtendsByZerosAndNeverShortens) {
  const auto file = create("a");
  ASSERT_TRUE(write_text(*file, "content", 0));
  ASSERT_TRUE(file->allocate(3 * mebibyte + 1));
  const FileInfo info = file->info().value();
  EXPECT_EQ(info.size_bytes, 3 * mebibyte + 1);
  EXPECT_GE(info.disk_bytes, 3 * mebibyte + 1);
  EXPECT_EQ(read_text(*file, 3 * mebibyte + 2, 0),
            "content" + std::string(3 * mebibyte + 1 - 7, '\0'));
  ASSERT_TRUE(file->allocate(10));
  EXPECT_EQ(file->info().value().size_bytes, 3 * mebibyte + 1);
}

TEST_F(PosixFile, AFullDiskShowsInAllocateAndLeavesTheSize) {
  const auto body = [](const std::string& path) -> std::string {
    const auto directory = posix_file_system().open_directory(path).value();
    if (directory->file_system_type().value() != "tmpfs") return "the disk is no tmpfs";
    if (directory->space().value().total_bytes != mebibyte) return "a disk of another size";
    const auto file = directory->create_file("a").value();
    if (!write_text(*file, "content", 0)) return "cannot write";
    const auto refused = file->allocate(2 * mebibyte);
    if (outcome(refused) != "no_space") return "allocate said " + outcome(refused);
    if (outcome(file->reserve(2 * mebibyte)) != "no_space") return "reserve saw room";
    if (file->info().value().size_bytes != 7) return "allocate changed the size";
    if (!file->trim(7)) return "cannot trim";
    if (directory->space().value().free_bytes < mebibyte / 2) return "allocate kept the blocks";
    if (!file->allocate(mebibyte / 2)) return "cannot allocate what is there";
    return file->info().value().size_bytes == mebibyte / 2 ? "" : "allocate left the size";
  };
  EXPECT_EQ(on_small_disk(mebibyte, body), "");
}

TEST_F(PosixFile, AMappingOfAnAllocatedFileCanBeWrittenOnAFullDisk) {
  const auto body = [](const std::string& path) -> std::string {
    const auto directory = posix_file_system().open_directory(path).value();
    const auto file = directory->create_file("a").value();
    if (!file->allocate(mebibyte / 2)) return "cannot allocate";
    const auto filler = directory->create_file("b").value();
    const std::string block(4096, 'b');
    std::uint64_t end = 0;
    while (end < mebibyte && write_text(*filler, block, end)) end += block.size();
    if (end >= mebibyte) return "the disk is not full";
    const auto mapping = file->map(OpenMode::read_write, mebibyte / 2).value();
    for (std::byte& byte : mapping->bytes()) byte = std::byte{1};
    return "";
  };
  EXPECT_EQ(on_small_disk(mebibyte, body), "");
}

TEST(FileSystemType, IsNamedOrANumber) {
  const auto process = posix_file_system().open_directory("/proc").value();
  EXPECT_EQ(process->file_system_type().value(), "0x9fa0");
  EXPECT_EQ(os::file_system_name(EXT4_SUPER_MAGIC), "ext4");
  EXPECT_EQ(os::file_system_name(XFS_SUPER_MAGIC), "xfs");
  EXPECT_EQ(os::file_system_name(BTRFS_SUPER_MAGIC), "btrfs");
  EXPECT_EQ(os::file_system_name(TMPFS_MAGIC), "tmpfs");
  EXPECT_EQ(os::file_system_name(F2FS_SUPER_MAGIC), "f2fs");
  EXPECT_EQ(os::file_system_name(OVERLAYFS_SUPER_MAGIC), "overlay");
  EXPECT_EQ(os::file_system_name(NFS_SUPER_MAGIC), "nfs");
  EXPECT_EQ(os::file_system_name(CIFS_SUPER_MAGIC), "cifs");
  EXPECT_EQ(os::file_system_name(SMB2_SUPER_MAGIC), "cifs");
  EXPECT_EQ(os::file_system_name(FUSE_SUPER_MAGIC), "fuse");
  EXPECT_EQ(os::file_system_name(V9FS_MAGIC), "9p");
  EXPECT_EQ(os::file_system_name(CEPH_SUPER_MAGIC), "ceph");
  EXPECT_EQ(os::file_system_name(RAMFS_MAGIC), "ramfs");
  EXPECT_EQ(os::file_system_name(0x12345), "0x12345");
}

}  // namespace
}  // namespace larder
