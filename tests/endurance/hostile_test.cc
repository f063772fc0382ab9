// Objects that no store makes, at every place of a store where they can stand, for root and for an
// ordinary user: each call answers within a second, gives no wrong byte, serves the good entry
// beside, and neither opens nor changes anything outside. hostile_roots_test.cc has directories
// that are hostile themselves.
//
// A call that took longer is asked twice more: a busy machine is no hang. Each object at each place
// is tried by one of the two users, drawn from LARDER_SEED; with LARDER_TORTURE by both.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <tuple>

#include "format/entry_name.h"
#include "format/pack_index.h"
#include "tests/endurance/hostile.h"
#include "tests/endurance/pack_directory.h"

namespace larder::hostile {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds soon = milliseconds(1000);
constexpr int attempts = 3;
// The share of the objects and places that each user tries.
constexpr std::uint64_t one_in = is_sanitized ? 16 : 2;

std::uint64_t seed() {
  const char* const given = std::getenv("LARDER_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

FileLayout layout_of(Kind kind) {
  return kind == Kind::vyre ? FileLayout::vyre : FileLayout::larder;
}

fs::path index_of(const fs::path& root) {
  for (const auto& entry : fs::directory_iterator(root)) {
    if (format::parse_index_name(entry.path().filename().string())) return entry.path();
  }
  return root / "index";
}

fs::path large_file_of(const fs::path& root) {
  for (const auto& entry : fs::recursive_directory_iterator(root / "large")) {
    if (entry.path().extension() == ".art") return entry.path();
  }
  return root / "large" / "none";
}

}  // namespace

std::vector<Place> places_of(Kind kind) {
  std::vector<Place> places = {
      {"temporary",
       [](Kind, const fs::path& root) {
         return root / format::temporary_name(std::string(32, 'a'));
       }},
      {"lock", [](Kind, const fs::path& root) { return root / format::lock_name; }},
      {"configuration", [](Kind, const fs::path& root) { return root / format::config_name; }},
      {"marker", [](Kind, const fs::path& root) { return root / format::marker_name; }, true},
  };
  if (kind != Kind::pack) {
    places.push_back({"entry", [](Kind of, const fs::path& root) {
                        return root / format::entry_path(layout_of(of), numbered(1));
                      }});
    places.push_back({"next entry", [](Kind of, const fs::path& root) {
                        return root / format::entry_path(layout_of(of), numbered(4));
                      }});
    if (kind == Kind::larder) {
      places.push_back({"folder", [](Kind, const fs::path& root) { return root / "01"; }});
    }
    return places;
  }
  places.push_back({"segment",
                    [](Kind, const fs::path& root) { return root / "segments" / "00000000.seg"; },
                    true});
  places.push_back({"next segment",
                    [](Kind, const fs::path& root) { return root / "segments" / "00000001.seg"; }});
  places.push_back({"bad segment", [](Kind, const fs::path& root) {
                      return root / "segments" / "00000002.00000010.bad";
                    }});
  places.push_back(
      {"segments", [](Kind, const fs::path& root) { return root / "segments"; }, true});
  places.push_back(
      {"index", [](Kind, const fs::path& root) { return index_of(root); }, false, true});
  places.push_back({"another index",
                    [](Kind, const fs::path& root) { return root / "index.0000000000000001"; }});
  places.push_back(
      {"state", [](Kind, const fs::path& root) { return root / "state"; }, true, true});
  places.push_back({"large", [](Kind, const fs::path& root) { return root / "large"; }});
  places.push_back({"large file", [](Kind, const fs::path& root) { return large_file_of(root); }});
  return places;
}

namespace {

class Hostile : public ::testing::TestWithParam<std::tuple<Kind, uid_t>> {
 protected:
  static void SetUpTestSuite() {
    // Mounts of these tests are nobody else's.
    if (::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0) {
      (void)::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    }
  }

  Kind kind() const { return std::get<0>(GetParam()); }
  uid_t user() const { return std::get<1>(GetParam()); }

  // True when the object can stand there.
  bool stand(Site& site, const Place& place, const Object& object, const fs::path& root) {
    site.path = place.path(kind(), root);
    site.outside = template_->outside();
    site.user = user();
    site.is_directory = fs::is_directory(site.path);
    if (fs::is_regular_file(site.path)) site.original = read_file(site.path);
    const bool is_new_folder = !fs::exists(site.path.parent_path());
    fs::create_directories(site.path.parent_path());
    if (is_new_folder) {
      give_to(user(), site.path.parent_path());
      fs::permissions(site.path.parent_path(), fs::perms::owner_all);
    }
    return object.make(site);
  }

  void try_one(const Place& place, const Object& object) {
    Outcome outcome;
    for (int attempt = 0; attempt < attempts; ++attempt) {
      const fs::path root = template_->copy();
      Site site;
      const bool stands = stand(site, place, object, root);
      if (stands)
        outcome = watchdog_.watch({.kind = kind(),
                                   .root = root,
                                   .user = user(),
                                   .neighbour_must_be_there = !place.harms_all,
                                   .puts_must_stay = !object.is_changing});
      for (auto undo = site.undo.rbegin(); undo != site.undo.rend(); ++undo) (*undo)();
      const std::string disturbed = canary_->disturbance(object.reach);
      if (!stands) return;
      ++cases_;
      EXPECT_EQ(disturbed, "") << object.name << " at " << place.name;
      EXPECT_EQ(outcome.failure, "") << object.name << " at " << place.name;
      if (outcome.slowest <= soon || HasFailure()) break;
    }
    EXPECT_LE(outcome.slowest, soon)
        << outcome.slowest_call << ", " << object.name << " at " << place.name;
  }

  // Both users draw the same numbers, and want different ones.
  bool is_drawn() {
    const std::uint64_t number = random_() % one_in;
    const bool is_all = ::geteuid() != 0 || std::getenv("LARDER_TORTURE") != nullptr;
    return is_all || number == (user() == ordinary_user ? 1 : 0);
  }

  void try_all() {
    std::set<std::string_view> tried;
    for (const Object& object : objects()) {
      if (object.why_not != nullptr && object.why_not() != nullptr) {
        (void)skip(object.name, object.why_not());
        continue;
      }
      for (const Place& place : places_of(kind())) {
        if (!is_drawn() || (object.is_changing && place.is_mapped)) continue;
        const std::uint64_t before = cases_;
        try_one(place, object);
        if (cases_ != before) tried.insert(object.name);
      }
    }
    std::printf("%llu cases of %zu kinds of object, LARDER_SEED=%llu\n",
                static_cast<unsigned long long>(cases_), tried.size(),
                static_cast<unsigned long long>(seed()));
  }

  std::unique_ptr<Template> template_;
  std::unique_ptr<Canary> canary_;
  Watchdog watchdog_;
  std::mt19937_64 random_{seed()};
  std::uint64_t cases_ = 0;
};

TEST_P(Hostile, EveryCallAnswersAndNothingOutsideIsTouched) {
  const bool may_become = user() == ::geteuid() || ::geteuid() == 0;
  if (!may_become && skip("as another user", "only root can become one")) return;
  template_ = std::make_unique<Template>(kind(), user());
  canary_ = std::make_unique<Canary>(template_->outside());
  try_all();
  EXPECT_GT(cases_, 0u);
}

INSTANTIATE_TEST_SUITE_P(Over, Hostile,
                         ::testing::Combine(::testing::Values(Kind::larder, Kind::vyre, Kind::pack),
                                            ::testing::Values(::geteuid(), ordinary_user)),
                         [](const auto& both) {
                           const bool is_own = std::get<1>(both.param) == ::geteuid();
                           return std::string(name_of(std::get<0>(both.param))) +
                                  (is_own ? "" : "_as_another_user");
                         });

}  // namespace
}  // namespace larder::hostile
