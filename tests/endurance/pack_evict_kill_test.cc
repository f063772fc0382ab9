// A process is killed before one of its operations after the other, while it evicts, prunes or
// compacts: while entries are carried, the index is led to the copies, and segments leave. What was
// there stays, but for what eviction may choose; what was removed stays away, with the index or
// without; and the next process keeps the budget again.
//
// Each ninth operation; LARDER_TORTURE=1 tries all of them.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <new>
#include <set>

#include "larder/testing/fault_file_system.h"
#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t payload_bytes = 60'000;  // 17 of them fill a segment of 1 MiB
constexpr std::uint32_t entries = 50;
constexpr std::uint32_t first_put = 200;  // by the process that is killed
constexpr std::uint32_t puts = 20;
constexpr std::uint32_t removed = 100, replaced = 101;
constexpr std::uint32_t removed_on_the_way = 3, removal_step = 10;
constexpr std::uint64_t budget_bytes = 3'600'000, far_away = 64u << 20;
const std::set<std::uint32_t> in_use = {0, 5, 10};

std::uint64_t stride() { return std::getenv("LARDER_TORTURE") == nullptr ? 9 : 1; }

bool put(Store& store, std::uint32_t key, const std::string& payload) {
  return store.put(numbered(key), bytes_of(payload)).has_value();
}

using Done = std::atomic<std::uint32_t>;  // steps that returned, shared with the killed process

using Model = std::map<std::uint32_t, std::string>;

struct Scene {
  std::string name;
  Budget budget;
  std::function<bool(PackStore&, Model&)> prepare;
  std::function<bool(PackStore&, Done&)> act;
  // Of those that were there, in segments below that of the last one.
  std::function<bool(std::uint32_t key, bool is_in_last_segment)> may_leave;
};

class PackEvictKill : public ::testing::TestWithParam<Scene> {
 protected:
  void SetUp() override {
    void* const shared =
        ::mmap(nullptr, sizeof(Done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    done_ = new (shared) Done;
    const auto store = directory_.open();
    for (std::uint32_t key = 0; key < entries; ++key) {
      model_[key] = payload_of(payload_bytes, key);
      ASSERT_TRUE(put(*store, key, model_[key]));
      if (key == 0) supersede_another_segment(*store);
    }
    ASSERT_TRUE(GetParam().prepare(*store, model_) && store->flush());
    for (const auto& [key, value] : model_) segments_[key] = segment_of(*store, key);
    for (const std::uint32_t key : in_use) ASSERT_EQ(store->contains(numbered(key)), true);
    ASSERT_EQ(store->contains(numbered(replaced)), true);
  }

  // What is newer is in the first segment, and leaves before what it supersedes.
  void supersede_another_segment(Store& store) {
    const auto other = directory_.open();
    ASSERT_TRUE(put(*other, removed, "came back") && put(*other, replaced, "old"));
    ASSERT_TRUE(other->flush());
    ASSERT_EQ(store.remove(numbered(removed)), true);
    ASSERT_TRUE(put(store, replaced, "new"));
  }

  void TearDown() override { ::munmap(done_, sizeof(Done)); }

  // Without a mark that it was read.
  static std::string segment_of(Store& store, std::uint32_t key) {
    const auto details = store.inspect(numbered(key));
    if (!details || !*details) return "";
    return (*details)->location.substr(0, (*details)->location.find(".seg"));
  }

  int act_and_die_at(std::uint64_t number) {
    testing::FaultFileSystem faults(posix_file_system());
    PackStoreOptions options = directory_.options;
    options.budget = GetParam().budget;
    options.file_system = &faults;
    const auto store = open_pack_store(options);
    if (!store) return 1;
    const std::uint64_t begun = faults.operations();
    faults.observe([&](const testing::Operation& operation) {
      if (operation.number == begun + number) ::raise(SIGKILL);
    });
    const bool acted = GetParam().act(**store, *done_);
    faults.observe(nullptr);
    return acted ? 0 : 2;
  }

  bool may_be_absent(std::uint32_t key) {
    if (key == removed_on_the_way && *done_ >= removal_step) return true;
    return GetParam().may_leave(key, segments_[key] == segments_[entries - 1]);
  }

  void expect_truth(Store& store, const std::string& when) {
    for (const auto& [key, value] : model_) {
      const std::string found = text_of(store, numbered(key));
      EXPECT_TRUE(found == value || (found == "absent" && may_be_absent(key)))
          << when << ": " << key << " is " << found.substr(0, 20);
    }
    EXPECT_EQ(text_of(store, numbered(replaced)), "new") << when;
    for (std::uint32_t i = 0; i < *done_; ++i) {
      EXPECT_EQ(text_of(store, numbered(first_put + i)).size(), payload_bytes) << when << i;
    }
    expect_nothing_wrong(store, when);
  }

  // Whatever the next process has evicted.
  void expect_nothing_wrong(Store& store, const std::string& when) {
    for (const auto& [key, value] : model_) {
      const std::string found = text_of(store, numbered(key));
      EXPECT_TRUE(found == value || found == "absent") << when << ": " << key;
    }
    EXPECT_NE(text_of(store, numbered(replaced)), "old") << when;
    EXPECT_EQ(text_of(store, numbered(removed)), "absent") << when;
    if (*done_ > removal_step) {
      EXPECT_EQ(text_of(store, numbered(removed_on_the_way)), "absent") << when;
    }
  }

  // As `du` counts.
  std::uint64_t disk_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.root())) {
      struct stat status = {};
      if (::lstat(entry.path().c_str(), &status) == 0) {
        sum += static_cast<std::uint64_t>(status.st_blocks) * 512;
      }
    }
    return sum;
  }

  void expect_budget_again(const std::string& when) {
    PackStoreOptions options = directory_.options;
    options.budget = GetParam().budget;
    {
      const auto store = open_pack_store(options);
      ASSERT_TRUE(store) << when;
      EXPECT_TRUE((*store)->maintain()) << when;
      expect_nothing_wrong(**store, when);
    }
    EXPECT_LE(disk_bytes(), *options.budget.max_bytes) << when;
  }

  // False when the process came to its end before that operation.
  bool perform(std::uint64_t number) {
    directory_.restore(prepared_);
    *done_ = 0;
    const int status = in_child([&] { return act_and_die_at(number); });
    EXPECT_TRUE(status == 0 || status == -SIGKILL) << number << ": " << status;
    const std::string when = "killed at operation " + std::to_string(number);
    expect_truth(*directory_.open(), when);
    directory_.forget_index();
    directory_.forget_state();
    expect_truth(*directory_.open(), when + ", its index lost");
    expect_budget_again(when);
    return status != 0;
  }

  PackDirectory directory_;
  PackDirectory::Snapshot prepared_;
  Done* done_ = nullptr;
  Model model_;
  std::map<std::uint32_t, std::string> segments_;
};

TEST_P(PackEvictKill, NothingIsLostThatHadToStay) {
  prepared_ = directory_.snapshot();
  std::uint64_t kills = 1;
  while (perform(kills) && !HasFailure()) kills += stride();
  EXPECT_GT(kills, 30u);
}

bool nothing(PackStore&, Model&) { return true; }

bool put_over_the_budget(PackStore& store, Done& done) {
  for (std::uint32_t i = 0; i < puts; ++i) {
    if (!put(store, first_put + i, payload_of(payload_bytes, first_put + i))) return false;
    if (i == removal_step && !store.remove(numbered(removed_on_the_way))) return false;
    done = i + 1;
  }
  return store.metrics().evictions > 0;
}

// What is read is carried, and what is in the last segment is the newest.
bool is_old_and_unread(std::uint32_t key, bool is_in_last_segment) {
  return !is_in_last_segment && !in_use.contains(key);
}

bool prune_one(PackStore& store, Done&) {
  const auto report = store.prune({.max_entries = entries});
  return report && report->evicted_entries == 1;
}

// Leaves little of the first segment.
bool put_smaller_ones(PackStore& store, Model& model) {
  for (std::uint32_t key = 0; key < 17; ++key) {
    if (in_use.contains(key)) continue;
    if (!put(store, key, "small")) return false;
    model[key] = "small";
  }
  return true;
}

bool compact(PackStore& store, Done&) { return store.maintain().has_value(); }

const std::vector<Scene> scenes = {
    {"Puts", {.max_bytes = budget_bytes}, nothing, put_over_the_budget, is_old_and_unread},
    {"Prune",
     {.max_bytes = far_away},
     nothing,
     prune_one,
     [](std::uint32_t key, bool) { return key == 1; }},
    {"Compaction",
     {.max_bytes = far_away},
     put_smaller_ones,
     compact,
     [](std::uint32_t, bool) { return false; }},
};

INSTANTIATE_TEST_SUITE_P(Scenes, PackEvictKill, ::testing::ValuesIn(scenes),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace larder
