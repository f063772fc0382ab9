// A process is stopped before each of its operations in turn, while it puts, removes or flushes;
// another one goes on meanwhile; then the first one is killed, or goes on too. What the other one
// was told stays true, and the segments say the same as the index.
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <set>

#include "larder/testing/fault_file_system.h"
#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

using testing::FaultFileSystem;
using testing::Op;
using testing::Operation;

using Action = std::function<bool(Store&)>;

// What the first process does, and what the entry may hold when it has done so.
struct Scene {
  std::string name;
  Action prepare;  // the entry is then absent or "old"
  Action first;
  std::set<std::string> after_first;
  Action second;                       // by the other one, to the same entry
  std::set<std::string> after_second;  // the only truth, when the first one was killed
};

class Stopped : public ::testing::TestWithParam<Scene> {
 protected:
  // Stops before operation `number` of the scene; the exit status says how it went on.
  int act_and_stop_at(std::uint64_t number) {
    FaultFileSystem faults(posix_file_system());
    PackStoreOptions options = directory_.options;
    options.file_system = &faults;
    const auto store = open_pack_store(options);
    if (!store) return 1;
    const std::uint64_t begun = faults.operations();
    faults.observe([&](const Operation& operation) {
      if (operation.number == begun + number) ::raise(SIGSTOP);
    });
    const bool done = GetParam().first(**store);
    faults.observe(nullptr);
    return done ? 0 : 2;
  }

  std::string now(Store& store) { return text_of(store, numbered(1)); }

  // When nobody was told anything, what the killed one did may be undone.
  void expect_still(const std::string& found, const std::string& what) {
    const std::string again = now(*directory_.open());
    const bool is_open = GetParam().after_second.size() > 1;
    EXPECT_TRUE(again == found || (is_open && GetParam().after_second.contains(again)))
        << what << ": " << found.substr(0, 20) << " became " << again.substr(0, 20);
  }

  enum class Then { killed, continued };

  // False when the first process came to its end before that operation.
  bool perform(std::uint64_t number, Then then) {
    directory_.restore(prepared_);
    const pid_t first = start_child([&] { return act_and_stop_at(number); });
    int status = 0;
    EXPECT_EQ(::waitpid(first, &status, WUNTRACED), first);
    if (!WIFSTOPPED(status)) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
      return false;
    }
    const std::string what = "stopped at operation " + std::to_string(number) +
                             (then == Then::killed ? ", killed" : ", continued");
    std::string found;
    {
      const auto store = directory_.open();
      const bool done = GetParam().second(*store);
      const auto& truth = GetParam().after_second;
      EXPECT_TRUE(!done || truth.contains(now(*store))) << what << ": " << now(*store);
      ::kill(first, then == Then::killed ? SIGKILL : SIGCONT);
      EXPECT_EQ(::waitpid(first, &status, 0), first);
      EXPECT_TRUE(then == Then::killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << what;
      found = now(*store);
      const bool is_true = !done || truth.contains(found) ||
                           (then == Then::continued && GetParam().after_first.contains(found));
      EXPECT_TRUE(is_true) << what << ": in the end " << found.substr(0, 20);
      EXPECT_TRUE(store->flush());
    }
    expect_still(found, what);
    directory_.forget_index();
    directory_.forget_state();
    expect_still(found, what + ", its index lost");
    return true;
  }

  void SetUp() override {
    const auto store = directory_.open();
    ASSERT_TRUE(store->put(numbered(9), bytes_of("another")));
    ASSERT_TRUE(GetParam().prepare(*store));
    ASSERT_TRUE(store->flush());
  }

  PackDirectory directory_;
  PackDirectory::Snapshot prepared_;
};

TEST_P(Stopped, TheOtherOneIsToldTheTruth) {
  prepared_ = directory_.snapshot();
  for (const Then then : {Then::killed, Then::continued}) {
    std::uint64_t stops = 1;
    while (perform(stops, then) && !HasFailure()) ++stops;
    EXPECT_GT(stops, 2u);
  }
}

Action put(const std::string& payload) {
  return [payload](Store& store) { return store.put(numbered(1), bytes_of(payload)).has_value(); };
}

Action put_and_flush(const std::string& payload) {
  return [payload](Store& store) {
    return store.put(numbered(1), bytes_of(payload)).has_value() && store.flush();
  };
}

// In a segment that is proven to be on the disk.
bool put_old_durably(Store& store) {
  bool done = put("old")(store);
  for (std::uint32_t i = 10; i < 15; ++i) {
    done = done && store.put(numbered(i), bytes_of(payload_of(250'000, i)));
  }
  return done && store.flush();
}

bool nothing(Store&) { return true; }
bool remove(Store& store) { return store.remove(numbered(1)).has_value(); }
bool remove_and_put(Store& store) { return remove(store) && put("newest")(store); }

const std::string large = payload_of(300'000, 3);

const std::vector<Scene> scenes = {
    {"Put", nothing, put_and_flush("new"), {"new"}, nothing, {"absent", "new"}},
    {"PutBesidePut", nothing, put_and_flush("new"), {"new"}, put("newest"), {"newest"}},
    {"PutBesideTheSame", nothing, put_and_flush("new"), {"new"}, put_and_flush("new"), {"new"}},
    {"PutOverBesidePut", put("old"), put_and_flush("new"), {"new"}, put("newest"), {"newest"}},
    {"PutOverBesideRemove", put("old"), put_and_flush("new"), {"new"}, remove, {"absent"}},
    {"PutOverBesideBoth", put("old"), put("new"), {"new"}, remove_and_put, {"newest"}},
    {"PutBesideBoth", nothing, put("new"), {"new"}, remove_and_put, {"newest"}},
    {"Remove", put("old"), remove, {"absent"}, nothing, {"absent", "old"}},
    {"RemoveBesideTheSame", put("old"), remove, {"absent"}, put("old"), {"old"}},
    {"RemoveDurableBesideTheSame", put_old_durably, remove, {"absent"}, put("old"), {"old"}},
    {"RemoveBesidePut", put("old"), remove, {"absent"}, put("newest"), {"newest"}},
    {"RemoveBesideRemove", put("old"), remove, {"absent"}, remove, {"absent"}},
    {"RemoveBesideBoth", put("old"), remove, {"absent"}, remove_and_put, {"newest"}},
    {"LargeOverBesidePut", put("old"), put_and_flush(large), {large}, put("newest"), {"newest"}},
    {"LargeOverBesideRemove", put("old"), put_and_flush(large), {large}, remove, {"absent"}},
    {"PutOverLarge", put(large), put("new"), {"new"}, nothing, {large, "new"}},
    {"RemoveLarge", put(large), remove, {"absent"}, nothing, {"absent", large}},
};

INSTANTIATE_TEST_SUITE_P(Scenes, Stopped, ::testing::ValuesIn(scenes),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace larder
