// Writers are killed at random moments, again and again over one directory. What a put or a removal
// returned for is there afterwards, nothing else is made up, the next writer goes on where the
// killed one stopped, and nothing is left behind but segments.
//
// LARDER_TORTURE=10 makes it ten times as long.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <csignal>
#include <new>
#include <random>

#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr int writers = 3;
constexpr std::uint32_t keys_of_writer = 40;
constexpr std::uint64_t operations_of_life = 400;

// One operation after another, the same ones in every life: the number of the next one tells what
// must be there.
struct Step {
  std::uint32_t key = 0;
  std::string value;  // "absent": a removal
};

Step step_of(int writer, std::uint64_t number) {
  std::minstd_rand random(static_cast<unsigned>(number * 2654435761u + 77 * (writer + 1)));
  random.discard(3);
  const auto key = static_cast<std::uint32_t>(writer + 1) * 1000 +
                   static_cast<std::uint32_t>(random() % keys_of_writer);
  if (random() % 10 == 0) return {.key = key, .value = "absent"};
  const std::size_t size = random() % 40 == 0 ? 200'000 + random() % 100'000 : random() % 3000;
  return {.key = key, .value = std::to_string(number) + payload_of(size, random() % 1000)};
}

bool perform(Store& store, const Step& step) {
  if (step.value == "absent") return store.remove(numbered(step.key)).has_value();
  return store.put(numbered(step.key), bytes_of(step.value)).has_value();
}

// Shared with the writers: how many operations of each have returned.
struct Returned {
  std::array<std::atomic<std::uint64_t>, writers> operations = {};
};

class PackKill : public ::testing::Test {
 protected:
  void SetUp() override {
    void* const shared = ::mmap(nullptr, sizeof(Returned), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(shared, MAP_FAILED);
    returned_ = new (shared) Returned;
  }
  void TearDown() override { ::munmap(returned_, sizeof(Returned)); }

  int write_until_killed(int writer) {
    const auto store = open_pack_store(directory_.options);
    if (!store) return 1;
    auto& done = returned_->operations[static_cast<std::size_t>(writer)];
    for (std::uint64_t number = done;; ++number) {
      if (!perform(**store, step_of(writer, number))) return 2;
      done = number + 1;
      if (number % 50 == 0 && !(*store)->flush()) return 3;
    }
  }

  // When one of them has done some more, so that the moment is no operation's own.
  void kill_after(const std::vector<pid_t>& children, std::uint64_t more) {
    const std::uint64_t until = returned_->operations[0] + more;
    int status = 0;
    while (returned_->operations[0] < until && ::waitpid(children[0], &status, WNOHANG) == 0) {
      ::sched_yield();
    }
    for (const pid_t child : children) ::kill(child, SIGKILL);
    for (const pid_t child : children) {
      if (::waitpid(child, &status, 0) != child) continue;
      EXPECT_TRUE(WIFSIGNALED(status)) << "a writer ended by itself: " << WEXITSTATUS(status);
    }
  }

  // What each entry must hold; the operation that was going on may have come through or not.
  void compare(const std::string& when) {
    const auto store = directory_.open();
    for (int writer = 0; writer < writers; ++writer) {
      const std::uint64_t count = returned_->operations[static_cast<std::size_t>(writer)];
      const Step open_one = step_of(writer, count);
      for (const auto& [key, value] : model_of(writer, count)) {
        const std::string found = text_of(*store, numbered(key));
        const bool may_be = key == open_one.key && found == open_one.value;
        ASSERT_TRUE(found == value || may_be)
            << when << ": writer " << writer << " after " << count << ", key " << key << " is "
            << found.substr(0, 12) << ", not " << value.substr(0, 12);
        models_[static_cast<std::size_t>(writer)][key] = found;
      }
    }
  }

  // Carried on from the life before.
  const std::map<std::uint32_t, std::string>& model_of(int writer, std::uint64_t count) {
    auto& model = models_[static_cast<std::size_t>(writer)];
    auto& from = modelled_[static_cast<std::size_t>(writer)];
    for (; from < count; ++from) {
      const Step step = step_of(writer, from);
      model[step.key] = step.value;
    }
    return model;
  }

  void expect_no_leftovers() const {
    std::size_t indexes = 0;
    for (const auto& entry : fs::directory_iterator(directory_.root())) {
      const std::string name = entry.path().filename().string();
      indexes += name.starts_with("index.");
      EXPECT_TRUE(name == "LARDER" || name == "state" || name == "segments" || name == "large" ||
                  name == ".larder-lock" || name.starts_with("index."))
          << name;
    }
    EXPECT_EQ(indexes, 1u);
    for (const fs::path& path : directory_.segments()) EXPECT_EQ(path.extension(), ".seg");
  }

  PackDirectory directory_;
  Returned* returned_ = nullptr;
  std::array<std::map<std::uint32_t, std::string>, writers> models_;
  std::array<std::uint64_t, writers> modelled_ = {};
};

TEST_F(PackKill, NothingThatReturnedIsLost) {
  directory_.options.budget = {};
  std::mt19937 random(4711);
  const std::uint64_t lives = rounds(20);
  for (std::uint64_t life = 0; life < lives && !HasFatalFailure(); ++life) {
    std::vector<pid_t> children;
    for (int writer = 0; writer < writers; ++writer) {
      children.push_back(start_child([&, writer] { return write_until_killed(writer); }));
    }
    kill_after(children, random() % operations_of_life);
    if (life % 4 == 3) {
      directory_.forget_index();
      if (life % 8 == 7) directory_.forget_state();
    }
    compare("life " + std::to_string(life));
    expect_no_leftovers();
  }
  // As many as wrote side by side, and those that filled up.
  std::uintmax_t bytes = 0;
  for (const fs::path& path : directory_.segments()) bytes += fs::file_size(path);
  EXPECT_LE(directory_.segments().size(), writers + 2 + 2 * bytes / format::max_segment_bytes);
}

}  // namespace
}  // namespace larder
