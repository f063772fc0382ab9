// Directories that are hostile themselves: of somebody else, open to all, on odd file systems,
// deleted or exchanged under an open store. Each call answers within a second, gives no wrong byte,
// and touches nothing outside.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <tuple>

#include "tests/endurance/hostile.h"
#include "tests/endurance/pack_directory.h"

namespace larder::hostile {
namespace {

namespace fs = std::filesystem;

enum class Expected { served, refused, anything };
// Whoever names a folder vyre: says that it is a store, so that nothing in it is foreign.
enum class For { all, marked };

struct Root {
  std::string_view name;
  Expected expected;
  // Makes a sound store at `site.path` hostile, or puts something else into its place.
  bool (*make)(Site& site);
  std::function<void()> (*when_open)(const Site& site) = nullptr;
  For kinds = For::all;
};

bool is_mode(Site& site, mode_t mode) { return ::chmod(site.path.c_str(), mode) == 0; }

fs::path parent_of(const Site& site) { return site.path.parent_path(); }

bool is_mode_of_parent(Site& site, mode_t mode) {
  const fs::path parent = parent_of(site);
  site.undo.emplace_back([parent] { (void)::chmod(parent.c_str(), 0755); });
  return ::chmod(parent.c_str(), mode) == 0;
}

bool of_stranger(Site& site, mode_t mode) {
  give_to(stranger, site.path);
  return is_mode(site, mode) && ::geteuid() == 0;
}

bool link_to_store(Site& site) {
  const fs::path moved = parent_of(site) / "moved";
  fs::remove_all(moved);
  fs::rename(site.path, moved);
  fs::create_symlink(moved, site.path);
  give_to(site.user, site.path);
  return true;
}

bool link_to(Site& site, const fs::path& to) {
  fs::remove_all(site.path);
  fs::create_symlink(to, site.path);
  return true;
}

bool mounted(Site& site, const char* type, unsigned long flags, const std::string& options) {
  const char* const from = type == nullptr ? site.path.c_str() : "none";
  const unsigned long first = type == nullptr ? 0ul + MS_BIND : flags;
  if (::mount(from, site.path.c_str(), type, first, options.c_str()) != 0) return false;
  const fs::path at = site.path;
  site.undo.emplace_back([at] { (void)::umount2(at.c_str(), MNT_DETACH); });
  return type != nullptr ||
         ::mount(nullptr, at.c_str(), nullptr, MS_BIND | MS_REMOUNT | flags, nullptr) == 0;
}

// A file system without a free block, and the store in it.
bool full(Site& site) {
  const fs::path kept = parent_of(site) / "kept";
  fs::remove_all(kept);
  fs::rename(site.path, kept);
  fs::create_directory(site.path);
  if (!mounted(site, "tmpfs", 0, "mode=700,size=2m,uid=" + std::to_string(site.user))) return false;
  fs::copy(kept, site.path, fs::copy_options::recursive);
  for (const auto& file : fs::recursive_directory_iterator(site.path))
    give_to(site.user, file.path());
  std::ofstream filling(site.path / "filling", std::ios::binary);
  while (filling.write(std::string(4096, 'f').data(), 4096).flush()) {
  }
  return true;
}

// What walks the directory looks at each: a million of them take more than a second.
bool of_many_names(Site& site) {
  constexpr std::uint64_t most_names = 100'000;
  for (std::uint64_t i = 0; i < std::min(rounds(20'000), most_names); ++i) {
    const std::string name = site.path.string() + "/foreign " + std::to_string(i);
    ::close(::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  }
  return true;
}

bool unchanged(Site&) { return true; }

std::function<void()> delete_it(const Site& site) {
  return [root = site.path] { fs::remove_all(root); };
}

std::function<void()> delete_and_make_anew(const Site& site) {
  return [root = site.path] {
    fs::remove_all(root);
    fs::create_directory(root);
  };
}

std::function<void()> move_it_away(const Site& site) {
  return [root = site.path] {
    fs::remove_all(root.parent_path() / "moved");
    fs::rename(root, root.parent_path() / "moved");
  };
}

std::function<void()> exchange_it_for_a_link(const Site& site) {
  return [root = site.path, outside = site.outside] {
    fs::remove_all(root.parent_path() / "moved");
    fs::rename(root, root.parent_path() / "moved");
    fs::create_symlink(outside / "folder", root);
  };
}

std::function<void()> forbid_it(const Site& site) {
  return [root = site.path] { fs::permissions(root, fs::perms::none); };
}

const std::vector<Root> roots = {
    {"a sound one", Expected::served, unchanged},
    {"link to a store", Expected::served, link_to_store},
    {"link to nothing", Expected::anything,
     [](Site& s) { return link_to(s, parent_of(s) / "nothing"); }},
    {"link to itself", Expected::refused, [](Site& s) { return link_to(s, s.path); }},
    {"link to a foreign folder", Expected::refused,
     [](Site& s) { return link_to(s, s.outside / "folder"); }, nullptr, For::marked},
    {"file", Expected::refused,
     [](Site& s) {
       fs::remove_all(s.path);
       write_file(s.path, "x");
       return true;
     }},
    {"pipe", Expected::refused,
     [](Site& s) {
       fs::remove_all(s.path);
       return ::mkfifo(s.path.c_str(), 0600) == 0;
     }},
    {"mode 0777", Expected::refused, [](Site& s) { return is_mode(s, 0777); }},
    {"mode 0770", Expected::refused, [](Site& s) { return is_mode(s, 0770); }},
    {"mode 01777", Expected::refused, [](Site& s) { return is_mode(s, 01777); }},
    {"mode 0500", Expected::anything, [](Site& s) { return is_mode(s, 0500); }},
    {"mode 0000", Expected::anything, [](Site& s) { return is_mode(s, 0); }},
    {"mode 0755", Expected::served, [](Site& s) { return is_mode(s, 0755); }},
    {"of somebody else", Expected::refused, [](Site& s) { return of_stranger(s, 0700); }},
    {"open, of somebody else", Expected::refused, [](Site& s) { return of_stranger(s, 0777); }},
    {"parent that all may write", Expected::refused,
     [](Site& s) { return is_mode_of_parent(s, 0777); }},
    {"parent that all may write, sticky", Expected::served,
     [](Site& s) { return is_mode_of_parent(s, 01777); }},
    {"parent that the group may write", Expected::served,
     [](Site& s) { return is_mode_of_parent(s, 0775); }},
    {"parent that may not be listed", Expected::served,
     [](Site& s) { return is_mode_of_parent(s, 0311); }},
    {"read-only mount", Expected::anything,
     [](Site& s) { return mounted(s, nullptr, MS_RDONLY, ""); }},
    {"mount without programs", Expected::served,
     [](Site& s) { return mounted(s, nullptr, MS_NOEXEC | MS_NOSUID | MS_NODEV, ""); }},
    {"full mount", Expected::anything, full},
    {"ramfs", Expected::anything,
     [](Site& s) { return mounted(s, "ramfs", 0, "mode=700") && (give_to(s.user, s.path), true); }},
    {"proc", Expected::anything, [](Site& s) { return mounted(s, "proc", 0, ""); }},
    {"sysfs", Expected::anything, [](Site& s) { return mounted(s, "sysfs", MS_RDONLY, ""); }},
    {"9p", Expected::anything,
     [](Site& s) { return mounted(s, "9p", 0, "trans=fd,rfdno=0,wfdno=1"); }},
    {"many foreign names", Expected::served, of_many_names},
    {"deleted while open", Expected::anything, unchanged, delete_it},
    {"deleted and made anew while open", Expected::anything, unchanged, delete_and_make_anew},
    {"moved away while open", Expected::anything, unchanged, move_it_away},
    {"a link since it was opened", Expected::anything, unchanged, exchange_it_for_a_link,
     For::marked},
    {"forbidden since it was opened", Expected::anything, unchanged, forbid_it},
};

class HostileRoots : public ::testing::TestWithParam<std::tuple<Kind, uid_t>> {
 protected:
  Kind kind() const { return std::get<0>(GetParam()); }
  uid_t user() const { return std::get<1>(GetParam()); }

  void try_one(const Template& sound, Canary& canary, const Root& root) {
    Site site{.path = sound.copy(), .outside = sound.outside(), .user = user()};
    const bool is_made = root.make(site);
    Outcome outcome;
    if (is_made) {
      outcome = watchdog_.watch({.kind = kind(),
                                 .root = site.path,
                                 .user = user(),
                                 .neighbour_must_be_there = root.expected == Expected::served,
                                 .when_open = root.when_open ? root.when_open(site) : nullptr,
                                 .open_must_fail = root.expected == Expected::refused});
    }
    for (auto undo = site.undo.rbegin(); undo != site.undo.rend(); ++undo) (*undo)();
    const std::string disturbed = canary.disturbance(Reach::linked);
    std::error_code ignored;
    if (!fs::is_symlink(site.path)) fs::permissions(site.path, fs::perms::owner_all, ignored);
    if (!is_made) {
      std::printf("SKIPPED: %s: cannot be made here: %s\n", std::string(root.name).c_str(),
                  std::strerror(errno));
      return;
    }
    ++cases_;
    EXPECT_EQ(disturbed, "") << root.name;
    EXPECT_EQ(outcome.failure, "") << root.name;
    EXPECT_LE(outcome.slowest, std::chrono::milliseconds(1000))
        << outcome.slowest_call << ", " << root.name;
  }

  Watchdog watchdog_;
  int cases_ = 0;
};

TEST_P(HostileRoots, EveryCallAnswersAndNothingOutsideIsTouched) {
  const bool may_become = user() == ::geteuid() || ::geteuid() == 0;
  if (!may_become && skip("as another user", "only root can become one")) return;
  const Template sound(kind(), user());
  Canary canary(sound.outside());
  for (const Root& root : roots) {
    if (root.kinds == For::all || kind() != Kind::vyre) try_one(sound, canary, root);
  }
  EXPECT_GT(cases_, 15);
}

INSTANTIATE_TEST_SUITE_P(Over, HostileRoots,
                         ::testing::Combine(::testing::Values(Kind::larder, Kind::vyre, Kind::pack),
                                            ::testing::Values(::geteuid(), ordinary_user)),
                         [](const auto& both) {
                           const bool is_own = std::get<1>(both.param) == ::geteuid();
                           return std::string(name_of(std::get<0>(both.param))) +
                                  (is_own ? "" : "_as_another_user");
                         });

}  // namespace
}  // namespace larder::hostile
