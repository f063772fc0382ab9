// Any number of processes and threads that do everything at once to a few hundred entries of one
// store, under a budget that is too small for them; and what any of them may see.
//
// What a look-up may find. Every payload says which entry and version it is, and the rest of it
// follows from these two. A shared clock numbers the beginnings and the ends of all puts and
// removals. A version that was put for the last time before the beginning of a put or removal that
// had ended when the look-up began is over: who finds it has found something stale. Nothing at all
// may be found at any time, since the budget may have taken it. A damaged entry, and a put, removal
// or flush that is refused, is a failure: nobody damages anything here.
#ifndef LARDER_TESTS_ENDURANCE_HAMMER_H_
#define LARDER_TESTS_ENDURANCE_HAMMER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "larder/pack_store.h"
#include "tests/endurance/shared_memory.h"

namespace larder::hammer {

enum class Kind { larder, vyre, pack };
std::string_view name_of(Kind kind) noexcept;

// One call in 500, or in 10'000: then hardly anybody but those who put evicts.
enum class Prunes { often, seldom };

inline constexpr std::uint32_t keys = 300;

std::string payload_of(std::uint32_t key, std::uint64_t version);

// Shared by all processes that were forked after it was made.
class Ledger {
 public:
  // A put or a removal, from before its call to after it returned OK.
  class Change {
   public:
    Change(Ledger& ledger, std::uint32_t key, std::optional<std::uint64_t> version);
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change();
    void succeeded();

   private:
    Ledger& ledger_;
    const std::uint32_t key_;
    const std::optional<std::uint64_t> version_;
    const std::uint64_t start_;
    bool has_succeeded_ = false;
  };

  std::uint64_t new_version(std::uint32_t key);

  // To be taken before a look-up.
  std::uint64_t horizon(std::uint32_t key) const;
  // nullopt, and a failure, for what no look-up that began then may find; else the version.
  std::optional<std::uint64_t> judge(std::uint32_t key, std::span<const std::byte> found,
                                     std::uint64_t horizon);

  // From any thread of any process; the first ones are kept.
  void fail(const std::string& what);
  std::vector<std::string> failures() const;

  void count_operation();
  std::uint64_t operations() const;
  void count_evictions(std::uint64_t count);
  std::uint64_t evictions() const;

 private:
  static constexpr std::uint64_t versions_kept = 1024;

  struct Version {
    std::atomic<std::uint64_t> number;
    std::atomic<std::uint64_t> end;
    std::atomic<std::uint32_t> under_way;
  };
  struct Key {
    std::atomic<std::uint64_t> next_version;
    std::atomic<std::uint64_t> horizon;  // the latest start of all changes that have ended
    std::array<Version, versions_kept> versions;
  };
  struct Shared {
    std::atomic<std::uint64_t> clock;
    std::atomic<std::uint64_t> operations;
    std::atomic<std::uint64_t> evictions;
    std::atomic<std::uint32_t> failures;
    std::array<std::array<char, 300>, 32> texts;
    std::array<Key, keys> keys_of;
  };

  bool is_over(std::uint32_t key, std::uint64_t version, std::uint64_t horizon) const;

  const SharedMemory<Shared> shared_;  // of zeros
};

// A directory, and a store in it that its budget keeps evicting.
class Yard {
 public:
  explicit Yard(Kind kind);
  Yard(const Yard&) = delete;
  Yard& operator=(const Yard&) = delete;
  ~Yard();

  Kind kind() const noexcept { return kind_; }
  Result<std::shared_ptr<Store>> open() const;
  Budget budget() const noexcept;
  std::uint64_t disk_bytes() const;
  void forget_index() const;  // of a pack
  // Files that nobody should find in a store that is closed and swept.
  std::vector<std::string> leftovers() const;

 private:
  const Kind kind_;
  std::filesystem::path parent_;
};

// One thread's share.
class Worker {
 public:
  struct Parts {
    Ledger& ledger;
    Store& store;
    Prunes prunes = Prunes::often;
  };

  Worker(const Parts& parts, std::uint64_t seed);
  void work(std::uint64_t operations);

 private:
  void do_one();
  void look_up(std::uint32_t key, unsigned how);
  void get_into(std::uint32_t key);
  void get_many();
  void view(std::uint32_t key);
  void put_new(std::uint32_t key);
  void put_again(std::uint32_t key);
  void put(std::uint32_t key, std::uint64_t version);
  void remove(std::uint32_t key);
  void visit();
  void prune();
  void judge(std::uint32_t key, const Result<std::optional<Artifact>>& found,
             std::uint64_t horizon);
  void fail(std::string_view what, std::uint32_t key, const Error& error);
  std::uint32_t any_key() { return static_cast<std::uint32_t>(random_() % keys); }

  Ledger& ledger_;
  Store& store_;
  const Prunes prunes_;
  std::mt19937_64 random_;
  std::array<std::uint64_t, keys> seen_ = {};  // a version of each, plus 1
  struct Held {
    std::uint32_t key;
    MappedView view;
    std::string bytes;
  };
  std::optional<Held> held_;
};

// How many descriptors and threads this process has.
std::size_t descriptors();
std::size_t threads();

struct Task {
  std::uint64_t operations = 0;
  std::uint64_t seed = 0;
  Prunes prunes = Prunes::often;
};

// Opens, hammers with eight threads, closes, several times over. Failures go to the ledger.
void hammer_in_this_process(Ledger& ledger, const Yard& yard, const Task& task);

// After everybody has gone: every entry is good and possible, the budget holds, nothing is left
// over.
void check_what_is_left(Ledger& ledger, const Yard& yard);

std::uint64_t seed();  // LARDER_SEED, or 1

}  // namespace larder::hammer

#endif  // LARDER_TESTS_ENDURANCE_HAMMER_H_
