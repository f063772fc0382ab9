// Two processes that put more than their budget holds, so that both evict, and one that reads: no
// put fails, no byte is wrong, and what is on disk stays within the budget but for a segment and a
// step of preallocation for each writer.
//
// LARDER_TORTURE=10 puts ten times as much.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mib = 1u << 20;
constexpr std::uint64_t budget = 8 * mib;  // segments of 1 MiB, steps of 64 KiB
constexpr std::uint32_t keys = 3000;
constexpr int processes = 2;
// One for its puts and one for what its eviction carries on.
constexpr std::uint64_t writers = 2 * processes;

// A value says which entry it belongs to, and how it goes on.
std::string value_of(std::uint32_t key, std::uint32_t version) {
  const bool is_large = key % 100 == 50;  // a file of its own
  const std::size_t size = is_large ? 300'000 : 500 + key * 13 % 9000;
  return std::to_string(key) + ":" + std::to_string(version) + ":" + payload_of(size, version);
}

bool belongs_to(const std::string& found, std::uint32_t key) {
  if (found == "absent") return true;
  const std::string front = std::to_string(key) + ":";
  if (!found.starts_with(front)) return false;
  return found == value_of(key, static_cast<std::uint32_t>(std::stoul(found.substr(front.size()))));
}

class PackBudget : public ::testing::Test {
 protected:
  void SetUp() override { directory_.options.budget = {.max_bytes = budget}; }

  // As `du` counts.
  std::uint64_t disk_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.root())) {
      struct stat status = {};
      EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0);
      sum += std::uint64_t(status.st_blocks) * 512;
    }
    return sum;
  }

  // 0, or the number of what went wrong.
  int put_and_evict(std::uint32_t process) {
    const auto store = open_pack_store(directory_.options).value();
    const auto puts = static_cast<std::uint32_t>(rounds(6000));
    for (std::uint32_t i = 0; i < puts; ++i) {
      const std::uint32_t key = (i * 7919 + process * 1471) % keys;
      if (!store->put(numbered(key), bytes_of(value_of(key, i % 50)))) return 1;
      // What is put is there, unless the other one has just evicted it.
      if (!belongs_to(text_of(*store, numbered(key)), key)) return 2;
      if (i % 500 == 499 && !store->flush()) return 3;
    }
    return 0;
  }

  // Stops a writer wherever it is. False when it has come to its end.
  static bool stop(pid_t child) {
    int status = 0;
    ::kill(child, SIGSTOP);
    EXPECT_EQ(::waitpid(child, &status, WUNTRACED), child);
    EXPECT_TRUE(WIFSTOPPED(status) || status == 0) << "a writer ended with " << status;
    return WIFSTOPPED(status);
  }

  // What is on disk at one moment, while nobody writes.
  std::uint64_t disk_bytes_of_stopped(std::vector<pid_t>& children) {
    std::erase_if(children, [](pid_t child) { return !stop(child); });
    const std::uint64_t bytes = disk_bytes();
    for (const pid_t child : children) ::kill(child, SIGCONT);
    return bytes;
  }

  // The most that was on disk until all writers had come to their end.
  std::uint64_t read_beside(std::vector<pid_t> children) {
    const auto store = directory_.open();
    std::uint64_t most = 0;
    for (std::uint32_t i = 0; !children.empty(); ++i) {
      const std::uint32_t key = i * 31 % keys;
      EXPECT_TRUE(belongs_to(text_of(*store, numbered(key)), key)) << key;
      if (i % 256 == 0) most = std::max(most, disk_bytes_of_stopped(children));
    }
    return most;
  }

  PackDirectory directory_;
};

TEST_F(PackBudget, HoldsWithTwoWhoEvict) {
  directory_.open().reset();
  std::vector<pid_t> children;
  for (std::uint32_t i = 0; i < processes; ++i) {
    children.push_back(start_child([&, i] { return put_and_evict(i); }));
  }
  const std::uint64_t most = read_beside(std::move(children));
  EXPECT_LE(most, budget + writers * (mib + mib / 16));
  EXPECT_GE(most, budget / 2);
  directory_.forget_index();
  directory_.forget_state();
  const auto store = directory_.open();
  std::size_t there = 0;
  for (std::uint32_t key = 0; key < keys; ++key) {
    const std::string found = text_of(*store, numbered(key));
    EXPECT_TRUE(belongs_to(found, key)) << key;
    there += found != "absent";
  }
  EXPECT_GT(there, 100u);
}

}  // namespace
}  // namespace larder
