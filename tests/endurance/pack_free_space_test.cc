// Processes that put without end on a disk of which a part has to stay free. They may take of that
// part a segment and a step of preallocation each for their puts and for what they carry, and,
// where one does not run for a while, what the others put meanwhile; but no put may find the disk
// full.
#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"
#include "tests/unit/small_disk.h"

namespace larder {
namespace {

constexpr std::uint64_t mib = 1u << 20;
constexpr std::uint64_t disk_bytes = 160 * mib;
constexpr std::uint64_t min_free_bytes = 96 * mib;
constexpr int processes = 8;

// 0 when all is well.
int put_without_end(const std::string& path, std::uint32_t process) {
  const auto store =
      open_pack_store({.directory = path + "/store", .budget = {.min_free_bytes = min_free_bytes}});
  if (!store) return 1;
  for (std::uint32_t i = 0; i < rounds(8000); ++i) {
    const std::uint32_t number = process * 10'000'000 + i;
    if (!(*store)->put(numbered(number), bytes_of(payload_of(6000, number)))) return 2;
  }
  return 0;
}

std::uint64_t free_bytes(const std::string& path) {
  struct statvfs space = {};
  EXPECT_EQ(::statvfs(path.c_str(), &space), 0);
  return std::uint64_t{space.f_bavail} * space.f_frsize;
}

std::string keep_free(const std::string& path) {
  std::vector<pid_t> children;
  for (std::uint32_t i = 0; i < processes; ++i) {
    children.push_back(start_child([&, i] { return put_without_end(path, i); }));
  }
  std::uint64_t least = disk_bytes;
  for (const pid_t child : children) {
    int status = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
      least = std::min(least, free_bytes(path));
      ::usleep(2'000);
    }
    if (status != 0) return "a process ended with " + std::to_string(status);
  }
  return least < min_free_bytes + 8 * mib ? "" : "never near it";
}

TEST(PackFreeSpace, StaysThoughManyPutWithoutEnd) {
  EXPECT_EQ(on_small_disk(disk_bytes, keep_free), "");
}

}  // namespace
}  // namespace larder
