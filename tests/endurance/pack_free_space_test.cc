// Processes that put without end on a disk of which a part has to stay free. They may take of that
// part a segment and a step of preallocation each for their puts and for what they carry, and,
// where one does not run for a while, what the others put meanwhile; but no put may find the disk
// full.
#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"
#include "tests/unit/small_disk.h"

namespace larder {
namespace {

constexpr std::uint64_t mib = 1u << 20;
constexpr std::uint64_t disk_bytes = 160 * mib;
constexpr std::uint64_t min_free_bytes = 96 * mib;
constexpr std::uint64_t of_a_writer = (disk_bytes / 64) * 17 / 16;

// 0 when all is well.
int put_without_end(const std::string& path, std::uint32_t process, std::uint32_t threads) {
  const auto store =
      open_pack_store({.directory = path + "/store", .budget = {.min_free_bytes = min_free_bytes}});
  if (!store) return 1;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> putting;
    for (std::uint32_t thread = 0; thread < threads; ++thread) {
      putting.emplace_back([&, first = (16 * process + thread) * 1'000'000] {
        for (std::uint32_t i = first; i < first + rounds(16'000) / threads; ++i) {
          const auto stored = (*store)->put(numbered(i), bytes_of(payload_of(6000, i)));
          failures += stored ? 0 : 1;
        }
      });
    }
  }
  return failures == 0 ? 0 : 2;
}

std::uint64_t free_bytes(const std::string& path) {
  struct statvfs space = {};
  EXPECT_EQ(::statvfs(path.c_str(), &space), 0);
  return std::uint64_t{space.f_bavail} * space.f_frsize;
}

struct Crowd {
  std::uint32_t processes = 1;
  std::uint32_t threads = 1;
};

std::string keep_free(const std::string& path, const Crowd& crowd, std::uint64_t free_wanted) {
  std::vector<pid_t> children;
  for (std::uint32_t i = 0; i < crowd.processes; ++i) {
    children.push_back(start_child([&, i] { return put_without_end(path, i, crowd.threads); }));
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
  if (least < free_wanted) return "free were " + std::to_string(least / mib) + " MiB";
  return least < min_free_bytes + 8 * mib ? "" : "never near it";
}

TEST(PackFreeSpace, ManyWhoPutWithoutEndDoNotFillTheDisk) {
  const auto keep = [](const std::string& path) {
    return keep_free(path, {.processes = 4, .threads = 4}, 0);
  };
  EXPECT_EQ(on_small_disk(disk_bytes, keep), "");
}

TEST(PackFreeSpace, StaysWithOneWhoPutsWithoutEnd) {
  const auto keep = [](const std::string& path) {
    return keep_free(path, {}, min_free_bytes - 2 * of_a_writer);
  };
  EXPECT_EQ(on_small_disk(disk_bytes, keep), "");
}

}  // namespace
}  // namespace larder
