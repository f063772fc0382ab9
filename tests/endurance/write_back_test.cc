// The disk takes no more while entries are in memory only: an image on a memory file system that
// has been filled up, under ext4, xfs and btrfs. Somebody hears of the failed write-back; whoever
// it is, a flush must not call those entries durable, then or later, in this process or in another.
//
// LARDER_WRITE_BACK_ROUNDS repeats it with other payloads, from LARDER_SEED on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <random>
#include <set>

#include "tests/endurance/child.h"
#include "tests/endurance/loop_disk.h"
#include "tests/endurance/rig.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t room_bytes = 420u << 20;
constexpr std::uint32_t old_entries = 20, new_entries = 40;
constexpr std::uint32_t first_new = 500;

enum class Hears : std::uint8_t {
  the_writer,       // its own flush is the first sync
  another_process,  // which puts the same entries and flushes
  a_stranger,       // who calls fsync on every file, and syncfs
  nobody,           // sync(2) says nothing
};

// What the disk refuses: new data alone, or the file system's own blocks too.
enum class Fails : std::uint8_t { data, anything };

// When the disk has room again. A later put of the same entries hides what an earlier flush said.
enum class Then : std::uint8_t { look, put_again };

struct Case {
  std::string type;
  Kind kind;
  Hears hears;
  std::uint64_t number = 0;
};

struct Round {
  Fails fails = Fails::data;
  Then then = Then::look;
  std::uint64_t seed = 0;
};

std::string_view name_of(Hears hears) {
  constexpr std::array names = {"the_writer", "another_process", "a_stranger", "nobody"};
  return names[static_cast<std::size_t>(hears)];
}

std::string name_of(const Case& each) {
  return each.type + "_" + std::string(name_of(each.kind)) + "_" + std::string(name_of(each.hears));
}

class WriteBack {
 public:
  WriteBack(const DiskRoom& room, const Case& what, const Round& round)
      : what_(what),
        fails_(round.fails),
        then_(round.then),
        seed_(round.seed),
        filler_(room.path() / "filler"),
        mount_point_(room.path() / "mounted"),
        disk_(room, "disk",
              {.type = what.type,
               .mount_options = what.type == "ext4" ? "noinit_itable" : "",
               .bytes = what.type == "ext4" ? 128u << 20 : 320u << 20,
               .requests = Requests::of_a_page}),
        choice_{.kind = what.kind, .directory = (mount_point_ / "store").string()} {}

  // Returns what is wrong.
  std::string run() {
    disk_.format();
    if (fails_ == Fails::data) disk_.allocate();
    disk_.mount(mount_point_);
    std::string wrong = prepare();
    // What the file system had reserved is free now.
    disk_.unmount();
    disk_.mount(mount_point_);
    disk_.discard_unused();
    if (wrong.empty()) wrong = put_and_fail();
    if (wrong.empty()) wrong = another_flush_is_true();
    disk_.unmount();
    if (!wrong.empty()) return wrong;
    disk_.mount(mount_point_);
    wrong = what_is_on_disk();
    disk_.unmount();
    return wrong;
  }

  // What the file system made of it, for people.
  std::string report() const {
    return (fails_ == Fails::data ? "data fails: " : "anything fails: ") + verdict_ + ", " +
           std::to_string(refused_) + " puts refused, " + std::to_string(named_) + " of " +
           std::to_string(put_.size()) + " named, " + std::to_string(whole_) +
           " of those put on the disk; a later flush of them: " + later_ +
           (is_read_only_ ? "; the file system gave up" : "");
  }

 private:
  // Not large: what a store does with those, its file store does.
  std::string payload(std::uint32_t key) const {
    return payload_for(key, seed_).substr(0, 100'000) + " of " + std::to_string(key);
  }

  bool put(Store& store, std::uint32_t key) const {
    const std::string text = payload(key);
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    return store.put(fingerprint_of(key), bytes).has_value();
  }

  bool is_whole(Store& store, std::uint32_t key) const {
    const auto found = store.get(fingerprint_of(key));
    return found && *found && (*found)->text() == payload(key);
  }

  std::string prepare() const {
    const auto store = open_chosen(choice_);
    if (!store) return store.error().message;
    for (std::uint32_t key = 0; key < old_entries; ++key) {
      if (!put(**store, key)) return "the disk takes nothing";
    }
    return (*store)->flush() ? "" : "the disk syncs nothing";
  }

  std::string put_and_fail() {
    const auto store = open_chosen(choice_);
    if (!store) return store.error().message;
    fill();
    put_new(**store);
    tell();
    put_again(**store);
    flush(**store);
    std::string wrong = others_are_told(**store);
    free();
    return wrong;
  }

  // To the last page.
  void fill() const {
    const int file = ::open(filler_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const std::vector<char> part(1u << 20, 'x');
    for (std::size_t size = part.size(); size >= 4096;) {
      if (::write(file, part.data(), size) <= 0) size /= 2;
    }
    ::close(file);
  }

  void free() const { fs::remove(filler_); }

  void put_new(Store& store) {
    for (std::uint32_t key = first_new; key < first_new + new_entries; ++key) {
      if (put(store, key)) {
        put_.insert(key);
      } else {
        ++refused_;
      }
    }
  }

  // Half of them, now that somebody may have heard: they are still this process's to flush, with
  // the descriptors that have not heard of it.
  void put_again(Store& store) const {
    for (const std::uint32_t key : put_) {
      if (key % 2 == 0) (void)put(store, key);
    }
  }

  void tell() const {
    const int root = ::open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (what_.hears == Hears::another_process) in_child([this] { return put_and_flush(); });
    if (what_.hears == Hears::a_stranger) {
      sync_every_file();
      (void)::syncfs(root);
    }
    if (what_.hears == Hears::nobody) ::sync();
    ::close(root);
  }

  // The kernel tells each of these descriptors, and nobody who opens the file later.
  void sync_every_file() const {
    std::error_code failed;  // a file system that gave up lists nothing
    fs::recursive_directory_iterator entry(choice_.directory, failed);
    for (; !failed && entry != fs::recursive_directory_iterator(); entry.increment(failed)) {
      const int file = ::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
      (void)::fsync(file);
      ::close(file);
    }
  }

  // 0 when a flush has said that all of them are durable.
  int put_and_flush() const {
    const auto store = open_chosen(choice_);
    if (!store) return 2;
    bool all = true;
    for (const std::uint32_t key : put_) all = put(**store, key) && all;
    return (*store)->flush() && all ? 0 : 3;
  }

  void flush(Store& store) {
    const auto flushed = store.flush();
    verdict_ = flushed ? "ok" : std::string(errc_name(flushed.error().code));
    if (flushed) return;
    for (const Fingerprint& fingerprint : flushed.error().fingerprints) {
      lost_.insert(key_of(fingerprint));
    }
    named_ = lost_.size();
  }

  // Nobody serves what was named, and the next flush names it again.
  std::string others_are_told(Store& store) {
    const auto again = store.flush();
    const std::size_t named = again ? 0 : again.error().fingerprints.size();
    if (named != lost_.size()) return "the second flush names " + std::to_string(named);
    is_read_only_ = !may_write();
    if (is_read_only_) return {};  // nothing can be taken out
    if (serves_lost(store)) return "the writer serves what its flush named";
    if (in_child([this] { return opens_and_serves_lost(Index::kept); }) == 1) {
      return "another process serves what a flush named";
    }
    return {};
  }

  bool may_write() const {
    const fs::path probe = mount_point_ / "probe";
    const int file = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) ::close(file);
    return file >= 0 && ::unlink(probe.c_str()) == 0;
  }

  bool serves_lost(Store& store) const {
    return std::ranges::any_of(lost_, [&](std::uint32_t key) { return is_whole(store, key); });
  }

  int opens_and_serves_lost(Index index) const {
    if (index == Index::lost) fs::remove(fs::path(choice_.directory) / "state");
    const auto store = open_chosen(choice_);
    return store && serves_lost(**store) ? 1 : 0;
  }

  // The disk has room again. A process that makes the index anew, puts the same entries and flushes
  // them must not take for written what the kernel only remembers.
  std::string another_flush_is_true() {
    if (is_read_only_ || then_ == Then::look) return {};
    if (in_child([this] { return opens_and_serves_lost(Index::lost); }) == 1) {
      return "what a flush named is served after a rebuild";
    }
    const int put = in_child([this] { return put_and_flush(); });
    later_ = put == 0 ? "ok" : "failed";
    if (put == 0) lost_.clear();
    return {};
  }

  // After a remount the memory of the kernel is gone.
  std::string what_is_on_disk() {
    const auto store = open_chosen(choice_);
    if (!store) return "open failed: " + store.error().message;
    std::string missing, wrong;
    for (const std::uint32_t key : put_) {
      if (is_whole(**store, key)) {
        ++whole_;
      } else if (!lost_.contains(key)) {
        missing += " " + std::to_string(key);
      }
    }
    if (!missing.empty()) wrong = "not on the disk, and no flush has said so:" + missing + "\n";
    for (std::uint32_t key = 0; key < old_entries; ++key) {
      if (!is_whole(**store, key)) wrong += "entry " + std::to_string(key) + " was flushed\n";
    }
    return wrong + use(**store, seed_);
  }

  const Case what_;
  const Fails fails_;
  const Then then_;
  const std::uint64_t seed_;
  const fs::path filler_, mount_point_;
  LoopDisk disk_;
  const StoreChoice choice_;
  std::set<std::uint32_t> put_, lost_;
  std::size_t refused_ = 0, named_ = 0, whole_ = 0;
  bool is_read_only_ = false;
  std::string verdict_, later_ = "not tried";
};

// btrfs never writes where it has written: its own blocks fail whatever we do.
Round round_of(const Case& what, std::uint64_t seed, std::uint64_t round) {
  const bool is_data = what.type != "btrfs" && round / 2 % 2 == 0;
  return {.fails = is_data ? Fails::data : Fails::anything,
          .then = (what.number + round) % 2 == 0 ? Then::look : Then::put_again,
          .seed = seed + round};
}

class WriteBackFails : public ::testing::TestWithParam<Case> {
 protected:
  // In a process of its own: a file system that gives up takes the mappings of a pack with it, and
  // may so end whoever has that pack open.
  static void one_round(const DiskRoom& room, std::uint64_t seed, std::uint64_t number) {
    const Case& what = GetParam();
    const Round round = round_of(what, seed, number);
    const std::string name = name_of(what) + ", seed " + std::to_string(round.seed);
    std::fflush(stdout);  // or the child writes it too
    const int ending = in_child([&] {
      std::string wrong;
      try {
        WriteBack write_back(room, what, round);
        wrong = write_back.run();
        std::cout << name << ": " << write_back.report() << std::endl;
      } catch (const std::exception& error) {
        wrong = error.what();
      }
      std::cout << wrong << std::flush;
      return wrong.empty() ? 0 : 1;
    });
    if (ending == -SIGBUS && what.kind == Kind::pack && round.fails == Fails::anything) {
      std::cout << name << ": ended by SIGBUS" << std::endl;
    } else {
      EXPECT_EQ(ending, 0) << name;
    }
  }
};

TEST_P(WriteBackFails, AndNoFlushCallsItDurable) {
  const std::uint64_t seed = seed_of_run();
  const std::uint64_t rounds = number_from("LARDER_WRITE_BACK_ROUNDS", 1);
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    const DiskRoom room(room_bytes);
    const std::string& type = GetParam().type;
    const std::string why_not = room.why_not().empty() ? why_no_disk(type) : room.why_not();
    if (!can_run("write-back errors of " + type, why_not)) return;
    one_round(room, seed, round);
  }
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const char* const type : {"ext4", "xfs", "btrfs"}) {
    for (const Kind kind : {Kind::pack, Kind::larder}) {  // flushes know no layout
      for (const Hears hears :
           {Hears::the_writer, Hears::another_process, Hears::a_stranger, Hears::nobody}) {
        // Over ext4 and xfs each of them once with each kind of hearing.
        const std::uint64_t number = cases.size() + cases.size() / 8;
        cases.push_back({.type = type, .kind = kind, .hears = hears, .number = number});
      }
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, WriteBackFails, ::testing::ValuesIn(all_cases()),
                         [](const auto& each) { return name_of(each.param); });

}  // namespace
}  // namespace larder
