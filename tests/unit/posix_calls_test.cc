// What the machine's own files ask of the kernel, and what they do when it cannot.
#include <linux/fs.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>

#include "tests/unit/posix_file_fixture.h"
#include "tests/unit/system_calls.h"

namespace larder {
namespace {

class PosixCalls : public PosixFileFixture {
 protected:
  PosixCalls() { system_calls = {}; }
  ~PosixCalls() override { system_calls = {}; }

  int count(Call call) { return system_calls.of(call).count; }
};

// The soft limit of what a file may grow to, for a scope.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit lowered = {.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &lowered), 0);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;
  ~SizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

std::array<std::span<const std::byte>, 3> three_pieces() {
  const auto piece = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  return {piece("header"), piece("payload"), piece("padding")};
}

TEST_F(PosixCalls, PiecesAreWrittenByOneCall) {
  const auto file = create("a");
  ASSERT_TRUE(file->write_at(three_pieces(), 4));
  EXPECT_EQ(count(Call::pwritev), 1);
  EXPECT_EQ(read_text(*file, 100, 4), "headerpayloadpadding");
}

TEST_F(PosixCalls, AWriteGoesOnAfterInterruptionsAndShortWrites) {
  const auto file = create("a");
  system_calls.longest_write_bytes = 4;
  system_calls.refuse(Call::pwritev, EINTR, 2);
  ASSERT_TRUE(file->write_at(three_pieces(), 0));
  EXPECT_EQ(count(Call::pwritev), 2 + 2 + 2 + 2);
  EXPECT_EQ(read_text(*file, 100, 0), "headerpayloadpadding");
}

TEST_F(PosixCalls, BelowWhatIsReservedTheSizeLimitIsAskedOnce) {
  const auto file = create("a");
  ASSERT_TRUE(write_text(*file, "abcdefgh", 0));
  ASSERT_TRUE(write_text(*file, "abcdefgh", 0));
  EXPECT_EQ(count(Call::getrlimit), 2);
  const auto reserved = file->reserve(1024);
  ASSERT_TRUE(reserved || reserved.error().code == Errc::unsupported);
  EXPECT_EQ(count(Call::getrlimit), 3);
  for (std::uint64_t at = 0; at < 1024; at += 8) ASSERT_TRUE(write_text(*file, "abcdefgh", at));
  EXPECT_EQ(count(Call::getrlimit), 3);
  ASSERT_TRUE(write_text(*file, "abcdefgh", 1017));
  EXPECT_EQ(count(Call::getrlimit), 4);
}

TEST_F(PosixCalls, WhatIsOverTheSizeLimitIsRefusedAndNotRemembered) {
  const auto file = create("a");
  const SizeLimit limit(8192);
  EXPECT_EQ(outcome(file->reserve(8193)), "too_large");
  EXPECT_EQ(outcome(file->allocate(8193)), "too_large");
  EXPECT_EQ(outcome(write_text(*file, "content", 8190)), "too_large");
  EXPECT_EQ(outcome(write_text(*file, "content", 8192 - 7)), "ok");
  EXPECT_EQ(outcome(file->allocate(8192)), "ok");
}

TEST_F(PosixCalls, AllocateGoesOnAfterInterruptions) {
  const auto file = create("a");
  system_calls.refuse(Call::fallocate, EINTR, 3);
  system_calls.refuse(Call::fallocate_keep_size, EINTR, 3);
  ASSERT_TRUE(file->allocate(page_bytes));
  EXPECT_EQ(file->info().value().size_bytes, page_bytes);
  EXPECT_EQ(count(Call::pwritev), 0);
}

TEST_F(PosixCalls, AllocateWritesZerosWhereTheFileSystemCannot) {
  for (const int os_error : {EOPNOTSUPP, ENOSYS}) {
    system_calls.refuse(Call::fallocate, os_error);
    system_calls.refuse(Call::fallocate_keep_size, os_error);
    const std::string name = std::to_string(os_error);
    const auto file = create(name);
    ASSERT_TRUE(write_text(*file, "content", 0));
    ASSERT_TRUE(file->allocate(200'001));
    EXPECT_EQ(read_text(*file, 300'000, 0), "content" + std::string(200'001 - 7, '\0'));
    EXPECT_GE(file->info().value().disk_bytes, 200'001u);
    ASSERT_TRUE(file->allocate(7));
    EXPECT_EQ(file->info().value().size_bytes, 200'001u);
  }
}

TEST_F(PosixCalls, AllocateTellsOfADiskThatIsFullInTheMiddle) {
  const auto file = create("a");
  system_calls.refuse(Call::fallocate_keep_size, ENOSPC);
  EXPECT_EQ(outcome(file->allocate(page_bytes)), "no_space");
  EXPECT_EQ(count(Call::fallocate), 0) << "ext4 would change the size by as much as there was room";
  system_calls.refuse(Call::fallocate_keep_size, EOPNOTSUPP);
  system_calls.refuse(Call::fallocate, ENOSPC);
  EXPECT_EQ(outcome(file->allocate(page_bytes)), "no_space");
  system_calls.refuse(Call::fallocate, EOPNOTSUPP);
  system_calls.refuse(Call::pwritev, ENOSPC);
  EXPECT_EQ(outcome(file->allocate(page_bytes)), "no_space");
  EXPECT_EQ(file->info().value().size_bytes, 0u);
}

TEST_F(PosixCalls, AllocateIsContentWithEitherKind) {
  const auto file = create("a");
  system_calls.refuse(Call::fallocate_keep_size, EOPNOTSUPP);
  ASSERT_TRUE(file->allocate(page_bytes));
  EXPECT_EQ(count(Call::pwritev), 0);
  EXPECT_EQ(file->info().value().size_bytes, page_bytes);
}

TEST_F(PosixCalls, AllocateAsksForWritesInPlaceAndTakesNoForAnAnswer) {
  const auto file = create("a");
  system_calls.flags = FS_NOATIME_FL;
  ASSERT_TRUE(file->allocate(page_bytes));
  EXPECT_EQ(system_calls.flags, FS_NOATIME_FL | FS_NOCOW_FL);
  ASSERT_TRUE(file->allocate(2 * page_bytes));
  EXPECT_EQ(count(Call::set_flags), 1);

  system_calls.flags = 0;
  system_calls.refuse(Call::set_flags, EOPNOTSUPP);
  EXPECT_TRUE(file->allocate(3 * page_bytes));
  system_calls.refuse(Call::get_flags, ENOTTY);
  EXPECT_TRUE(file->allocate(4 * page_bytes));
}

TEST_F(PosixCalls, ACheckReadsWhereTheKernelCannotPopulate) {
  system_calls.refuse(Call::populate, EINVAL);
  const auto file = create("a");
  ASSERT_TRUE(file->allocate(4 * page_bytes));
  const long before = open_descriptors();
  auto mapping = file->map(OpenMode::read, 6 * page_bytes).value();
  EXPECT_EQ(open_descriptors(), before + 1);
  const int asked = count(Call::populate);
  EXPECT_EQ(outcome(mapping->check(0, 4 * page_bytes)), "ok");
  EXPECT_EQ(outcome(mapping->check(page_bytes - 1, 2)), "ok");
  EXPECT_EQ(outcome(mapping->check(0, 6 * page_bytes)), "io_error");
  EXPECT_EQ(outcome(mapping->check(4 * page_bytes, 1)), "io_error");
  EXPECT_EQ(outcome(mapping->check(0, 7 * page_bytes)), "io_error");
  cut("a", page_bytes + 1);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(outcome(mapping->check(0, page_bytes + page)), "ok") << "the last page is whole";
  EXPECT_EQ(outcome(mapping->check(0, page_bytes + page + 1)), "io_error");
  EXPECT_EQ(count(Call::populate), asked);
  ASSERT_TRUE(file->close());
  EXPECT_EQ(outcome(mapping->check(0, 1)), "ok");
  mapping.reset();
  EXPECT_EQ(open_descriptors(), before - 1) << "the file's own is closed, too";
}

TEST_F(PosixCalls, ACheckWithoutADescriptorForItIsNotTrusted) {
  const auto file = create("a");
  ASSERT_TRUE(file->allocate(page_bytes));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  system_calls.refuse(Call::populate, EINVAL);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto mapping = file->map(OpenMode::read, page_bytes);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_FALSE(mapping);
}

TEST_F(PosixCalls, WhateverThePopulationSaysIsAnIoError) {
  const auto file = create("a");
  ASSERT_TRUE(file->allocate(page_bytes));
  const auto mapping = file->map(OpenMode::read, page_bytes).value();
  for (const int os_error : {EFAULT, EIO, ENOMEM, EPERM, EHWPOISON}) {
    system_calls.refuse(Call::populate, os_error, 1);
    const auto refused = mapping->check(0, page_bytes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::io_error);
    EXPECT_EQ(refused.error().os_error, os_error);
  }
  for (const int os_error : {EINTR, EAGAIN}) {
    system_calls.refuse(Call::populate, os_error, 3);
    EXPECT_EQ(outcome(mapping->check(0, page_bytes)), "ok");
  }
  system_calls.refuse(Call::populate, EAGAIN);
  EXPECT_EQ(outcome(mapping->check(0, page_bytes)), "io_error") << "no endless loop";
}

}  // namespace
}  // namespace larder
