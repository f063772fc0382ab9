// Processes that put without end on a disk of which a part has to stay free. They may take of that
// part a segment and a step of preallocation each for their puts and for what they carry, and,
// where one does not run for a while, what the others put meanwhile; but no put may find the disk
// full.
#include <gtest/gtest.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <csignal>
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

enum class Does { put, put_and_view };

// Lets go of it at once.
bool view_recent(PackStore& store, std::uint32_t first, std::uint32_t number) {
  constexpr std::uint32_t recent = 3'000;
  const std::uint32_t seen = number - (number * 7919) % std::min(recent, number - first + 1);
  const auto view = store.view(numbered(seen));
  const std::string payload = payload_of(6000, seen);
  return view && (!*view || std::ranges::equal((*view)->bytes(), bytes_of(payload)));
}

// 0 when all is well.
int put_without_end(const std::string& path, std::uint32_t process, std::uint32_t threads,
                    Does does) {
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
          if (does == Does::put_and_view && !view_recent(**store, first, i)) ++failures;
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
  Does does = Does::put;
};

std::string keep_free(const std::string& path, const Crowd& crowd, std::uint64_t free_wanted) {
  std::vector<pid_t> children;
  for (std::uint32_t i = 0; i < crowd.processes; ++i) {
    children.push_back(
        start_child([&, i] { return put_without_end(path, i, crowd.threads, crowd.does); }));
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

// Fills the store, and keeps some way open whatever it has read. Stops then; and when it goes on,
// what it kept is as it was. 0 when all is well.
class Idler {
 public:
  enum class Keeps { files, views };

  explicit Idler(const std::string& path)
      : path_(path),
        store_(open_pack_store(
                   {.directory = path + "/store", .budget = {.min_free_bytes = min_free_bytes}})
                   .value_or(nullptr)) {}

  int run(Keeps keeps, std::uint32_t entries) {
    if (!store_) return 1;
    for (std::uint32_t i = 0; i < entries; ++i) {
      if (!store_->put(numbered(i), bytes_of(payload_of(6000, i)))) return 2;
    }
    store_ = open_pack_store({.directory = path_ + "/store"}).value_or(nullptr);
    if (!store_) return 3;
    for (std::uint32_t i = 0; i < entries; ++i) {
      if (keeps == Keeps::files && text_of(*store_, numbered(i)) != payload_of(6000, i)) return 4;
      if (keeps == Keeps::views) views_.push_back(store_->view(numbered(i)).value_or(std::nullopt));
    }
    ::raise(SIGSTOP);
    return are_as_they_were() ? 0 : 5;
  }

 private:
  bool are_as_they_were() const {
    for (std::uint32_t i = 0; i < views_.size(); ++i) {
      const std::string payload = payload_of(6000, i);
      if (!views_[i] || !std::ranges::equal(views_[i]->bytes(), bytes_of(payload))) return false;
    }
    return true;
  }

  const std::string path_;
  std::shared_ptr<PackStore> store_;
  std::vector<std::optional<MappedView>> views_;
};

std::string keep_free_beside(Idler::Keeps keeps, const std::string& path,
                             std::uint64_t free_wanted) {
  // Of the 64 MiB that there are.
  const std::uint32_t entries = keeps == Idler::Keeps::views ? 5'000 : 10'000;
  const pid_t idle = start_child([&] { return Idler(path).run(keeps, entries); });
  int status = 0;
  if (::waitpid(idle, &status, WUNTRACED) != idle || !WIFSTOPPED(status)) {
    return "the idle one ended with " + std::to_string(status);
  }
  const std::string wrong = keep_free(path, {}, free_wanted);
  ::kill(idle, SIGCONT);
  const int ended = wait_for(idle);
  return wrong.empty() && ended != 0 ? "what was kept was not: " + std::to_string(ended) : wrong;
}

// What one has open that is idle, or was stopped, gives its room back all the same.
TEST(PackFreeSpace, StaysBesideOneWhoIsIdle) {
  const auto keep = [](const std::string& path) {
    return keep_free_beside(Idler::Keeps::files, path, min_free_bytes - 2 * of_a_writer);
  };
  EXPECT_EQ(on_small_disk(disk_bytes, keep), "");
}

// What he has mapped does not: then others leave.
TEST(PackFreeSpace, StaysBesideOneWhoKeepsViews) {
  const auto keep = [](const std::string& path) {
    return keep_free_beside(Idler::Keeps::views, path, min_free_bytes - 2 * of_a_writer);
  };
  EXPECT_EQ(on_small_disk(disk_bytes, keep), "");
}

TEST(PackFreeSpace, ManyWhoPutWithoutEndDoNotFillTheDisk) {
  const auto keep = [](const std::string& path) {
    return keep_free(path, {.processes = 4, .threads = 4}, min_free_bytes - 2 * 16 * of_a_writer);
  };
  EXPECT_EQ(on_small_disk(disk_bytes, keep), "");
}

// All of the store is mapped by processes that are at work.
TEST(PackFreeSpace, ManyWhoPutAndViewDoNotFillTheDisk) {
  const auto keep = [](const std::string& path) {
    return keep_free(path, {.processes = 4, .threads = 4, .does = Does::put_and_view},
                     min_free_bytes - 2 * 16 * of_a_writer);
  };
  EXPECT_EQ(on_small_disk(disk_bytes, keep), "");
}

TEST(PackFreeSpace, ManyThreadsThatPutAndViewDoNotFillTheDisk) {
  const auto keep = [](const std::string& path) {
    return keep_free(path, {.threads = 4, .does = Does::put_and_view},
                     min_free_bytes - 2 * 4 * of_a_writer);
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
