// Many processes over one pack store: what a put returned for is there for everybody at once, no
// growth of the index loses or brings back anything, and an index that is deleted under all of them
// costs time.
//
// LARDER_TORTURE=10 makes each of them ten times as long.
#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <fstream>
#include <random>
#include <set>

#include "format/pack_index.h"
#include "tests/endurance/child.h"
#include "tests/endurance/pack_directory.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

// A number of its own for each process and entry; the rest are shared by all.
std::uint32_t own_key(int process, std::uint32_t number) {
  return static_cast<std::uint32_t>(process + 1) * 1'000'000 + number;
}

// A value says which entry it belongs to.
std::string value_of(std::uint32_t key, const std::string& version) {
  return std::to_string(key) + ":" + version + ":" +
         std::string(1 + (key * 7 + version.size() * 31) % 900, 'x');
}

bool belongs_to(const std::string& found, std::uint32_t key) {
  return found == "absent" || found.starts_with(std::to_string(key) + ":");
}

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  bool tell(std::uint32_t word) const { return ::write(ends_[1], &word, 4) == 4; }
  std::uint32_t hear() const {
    std::uint32_t word = ~0u;
    return ::read(ends_[0], &word, 4) == 4 ? word : ~0u;
  }

 private:
  std::array<int, 2> ends_ = {};
};

class PackProcesses : public ::testing::Test {
 protected:
  void SetUp() override { directory_.options.budget = {}; }

  // Every process must come to its end.
  void run_all(int processes, const std::function<int(int)>& body) {
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) {
      children.push_back(start_child([&, i] { return body(i); }));
    }
    for (int i = 0; i < processes; ++i) EXPECT_EQ(wait_for(children[i]), 0) << "process " << i;
  }

  void rebuild_index() const {
    directory_.forget_index();
    directory_.forget_state();
  }

  PackDirectory directory_;
};

TEST_F(PackProcesses, APutIsSeenByAnotherProcessWhenItReturns) {
  const auto rounds_here = static_cast<std::uint32_t>(rounds(2000));
  const Pipe there;
  const Pipe back;
  const pid_t other = start_child([&] {
    const auto store = open_pack_store(directory_.options);
    for (std::uint32_t i = 0; i < rounds_here; ++i) {
      const std::uint32_t key = there.hear();
      const std::string expected = i % 5 == 4 ? "absent" : value_of(key, std::to_string(i));
      if (text_of(**store, numbered(key)) != expected) return 1;
      const std::uint32_t answer = key + 1000;
      if (!(*store)->put(numbered(answer), bytes_of(value_of(answer, std::to_string(i))))) return 2;
      if (!back.tell(answer)) return 3;
    }
    return 0;
  });
  const auto store = directory_.open();
  for (std::uint32_t i = 0; i < rounds_here; ++i) {
    const std::uint32_t key = i % 97;
    ASSERT_TRUE(store->put(numbered(key), bytes_of(value_of(key, std::to_string(i)))));
    if (i % 5 == 4) {
      ASSERT_TRUE(store->remove(numbered(key)).value());
    }
    ASSERT_TRUE(there.tell(key));
    const std::uint32_t answer = back.hear();
    if (answer == ~0u) break;
    ASSERT_EQ(text_of(*store, numbered(answer)), value_of(answer, std::to_string(i)));
  }
  EXPECT_EQ(wait_for(other), 0);
}

// Puts, gets, removes and flushes; what only it writes must always be as it left it.
class Worker {
 public:
  Worker(const PackStoreOptions& options, int process)
      : store_(open_pack_store(options).value()), process_(process) {
    random_.seed(static_cast<unsigned>(process));
  }

  // 0, or the number of what went wrong.
  int work(std::uint32_t operations) {
    for (std::uint32_t i = 0; i < operations; ++i) {
      const std::uint32_t own = own_key(process_, random_() % 200);
      const std::uint32_t shared = random_() % 50;
      const unsigned what = random_() % 100;
      if (what < 40 && !put_own(own, i)) return 1;
      if (what >= 40 && what < 50 && !remove_own(own)) return 2;
      if (what >= 50 && what < 60 && !put_shared(shared, i)) return 3;
      if (what == 60 && !store_->remove(numbered(shared))) return 4;
      if (what == 61 && !store_->flush()) return 5;
      if (text_of(*store_, numbered(own)) != expected(own)) return 6;
      if (!belongs_to(text_of(*store_, numbered(shared)), shared)) return 7;
    }
    return store_->flush() ? 0 : 8;
  }

  void write_model(const fs::path& path) const {
    std::ofstream file(path);
    for (const auto& [key, value] : own_) file << key << ' ' << value << '\n';
  }

 private:
  bool put_own(std::uint32_t key, std::uint32_t version) {
    own_[key] = value_of(key, std::to_string(version));
    return store_->put(numbered(key), bytes_of(own_[key])).has_value();
  }

  bool remove_own(std::uint32_t key) {
    const bool was_there = expected(key) != "absent";
    own_[key] = "absent";
    const auto removed = store_->remove(numbered(key));
    return removed && *removed == was_there;
  }

  bool put_shared(std::uint32_t key, std::uint32_t version) {
    const auto value = value_of(key, std::to_string(process_) + "." + std::to_string(version));
    return store_->put(numbered(key), bytes_of(value)).has_value();
  }

  std::string expected(std::uint32_t key) const {
    const auto found = own_.find(key);
    return found == own_.end() ? "absent" : found->second;
  }

  std::shared_ptr<PackStore> store_;
  int process_;
  std::mt19937 random_;
  std::map<std::uint32_t, std::string> own_;
};

class ManyWorkers : public PackProcesses {
 protected:
  static constexpr int processes = 8;

  fs::path model_of(int process) const {
    return directory_.root().parent_path() / ("model" + std::to_string(process));
  }

  int work(int process) {
    Worker worker(directory_.options, process);
    const int wrong = worker.work(static_cast<std::uint32_t>(rounds(3000)));
    worker.write_model(model_of(process));
    return wrong;
  }

  void compare_with_models(const std::string& when) {
    const auto store = directory_.open();
    for (int process = 0; process < processes; ++process) {
      std::ifstream file(model_of(process));
      std::uint32_t key = 0;
      std::string value;
      while (file >> key >> value) {
        ASSERT_EQ(text_of(*store, numbered(key)), value) << when << ", process " << process;
      }
    }
  }

  void compare() {
    compare_with_models("opened again");
    rebuild_index();
    compare_with_models("from the segments");
  }
};

TEST_F(ManyWorkers, EachFindsWhatItLeft) {
  run_all(processes, [&](int process) { return work(process); });
  compare();
}

// Containers: each process is the first one of its own world, where this one may make any.
TEST_F(ManyWorkers, WithEqualProcessNumbers) {
  const auto leave_the_world = [] {
    return ::unshare(CLONE_NEWPID) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
  };
  const bool allowed = in_child([&] { return leave_the_world() ? 0 : 1; }) == 0;
  RecordProperty("equal_numbers", allowed ? "yes" : "no");
  run_all(processes, [&](int process) {
    if (!allowed) return work(process);
    if (!leave_the_world()) return 100;
    return in_child([&] { return ::getpid() == 1 ? work(process) : 101; });
  });
  compare();
}

// From the smallest index there is.
TEST_F(PackProcesses, GrowthLosesNothingAndBringsNothingBack) {
  constexpr int processes = 4;
  const auto entries = static_cast<std::uint32_t>(rounds(25'000));
  const auto is_removed = [](std::uint32_t number) { return number % 50 == 7; };
  const auto checked = [&](Store& store, std::uint32_t key, std::uint32_t number) {
    const std::string expected = is_removed(number) ? "absent" : std::to_string(key);
    return text_of(store, numbered(key)) == expected;
  };
  const auto check_all = [&](const std::string& when) {
    const auto store = directory_.open();
    for (int process = 0; process < processes; ++process) {
      for (std::uint32_t i = 0; i < entries; ++i) {
        ASSERT_TRUE(checked(*store, own_key(process, i), i)) << when << ": " << process << " " << i;
      }
    }
  };
  run_all(processes, [&](int process) {
    const auto store = open_pack_store(directory_.options);
    for (std::uint32_t i = 0; i < entries; ++i) {
      const std::uint32_t key = own_key(process, i);
      if (!(*store)->put(numbered(key), bytes_of(std::to_string(key)))) return 1;
      if (is_removed(i) && !(*store)->remove(numbered(key)).value_or(false)) return 2;
      const std::uint32_t earlier = i / 2;
      if (!checked(**store, own_key(process, earlier), earlier)) return 3;
    }
    return (*store)->flush() ? 0 : 4;
  });
  check_all("opened again");
  rebuild_index();
  check_all("from the segments");
}

// An index or a state that is deleted while all use it: right bytes or none, a flush that lies to
// nobody, and the next open finds everything that a flush has vouched for.
class DeletedHints : public PackProcesses {
 protected:
  static constexpr int processes = 4;

  fs::path durable_of(int process) const {
    return directory_.root().parent_path() / ("durable" + std::to_string(process));
  }

  // Puts each entry once, so that durable ones stay as they are.
  int work(int process, std::uint32_t operations) {
    const auto store = open_pack_store(directory_.options).value();
    std::ofstream durable(durable_of(process));
    std::set<std::uint32_t> unflushed;
    for (std::uint32_t i = 0; i < operations; ++i) {
      const std::uint32_t key = own_key(process, i);
      // A put may be refused while the index is not to be had.
      if (store->put(numbered(key), bytes_of(value_of(key, "v")))) unflushed.insert(key);
      const std::uint32_t any = own_key((process + 1) % processes, i / 2);
      const auto found = store->get(numbered(any));
      if (found && *found && (*found)->text() != value_of(any, "v")) return 1;
      if (i % 20 != 19) continue;
      const auto flushed = store->flush();
      if (!flushed && flushed.error().code != Errc::not_durable) continue;
      if (!flushed) {
        for (const Fingerprint& lost : flushed.error().fingerprints) {
          std::erase_if(unflushed, [&](std::uint32_t one) { return numbered(one) == lost; });
        }
      }
      for (const std::uint32_t one : unflushed) durable << one << '\n';
      unflushed.clear();
    }
    return 0;
  }

  void check_durable() {
    const auto store = directory_.open();
    std::size_t checked = 0;
    for (int process = 0; process < processes; ++process) {
      std::ifstream file(durable_of(process));
      for (std::uint32_t key = 0; file >> key; ++checked) {
        ASSERT_EQ(text_of(*store, numbered(key)), value_of(key, "v")) << process;
      }
    }
    EXPECT_GT(checked, 0u);
  }

  void run(const std::function<void()>& disturb) {
    directory_.open().reset();
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) {
      children.push_back(
          start_child([&, i] { return work(i, static_cast<std::uint32_t>(rounds(2000))); }));
    }
    for (int i = 0; i < 50 && !any_has_ended(); ++i) disturb();
    for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
    check_durable();
    rebuild_index();
    check_durable();
  }

 private:
  static bool any_has_ended() {
    siginfo_t ended = {};
    EXPECT_EQ(::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
    return ended.si_pid != 0;
  }
};

TEST_F(DeletedHints, TheIndex) {
  run([&] {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory_.root(), ignored)) {
      if (entry.path().filename().string().starts_with("index.")) fs::remove(entry.path(), ignored);
    }
    const auto store = open_pack_store(directory_.options);
    EXPECT_TRUE(store) << store.error().message;
  });
}

TEST_F(DeletedHints, TheState) {
  run([&] {
    std::error_code ignored;
    fs::remove(directory_.root() / "state", ignored);
    const auto store = open_pack_store(directory_.options);
    EXPECT_TRUE(store) << store.error().message;
  });
}

}  // namespace
}  // namespace larder
