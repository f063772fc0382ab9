// The power of a disk goes, the machine stays up: the disk comes back under the same path while a
// process still has the store open over the one that died. That process reads right bytes, nothing
// or an error, and its flush says no more than what the disk that came back has; a fresh process
// finds all that was flushed. Over a file store it also stays alive; of a pack's mappings, when
// their disk goes, nothing is promised.
//
// LARDER_DEAD_DISKS says how often for each file system and kind of store.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <iostream>
#include <random>

#include "tests/endurance/child.h"
#include "tests/endurance/loop_disk.h"
#include "tests/endurance/rig.h"
#include "tests/endurance/shared_memory.h"

namespace larder {
namespace {

constexpr std::uint64_t usual_rounds = 2;
constexpr std::uint32_t keys = 40;
constexpr double patience_s = 20;

// What the disk is, as the process that holds the store is told.
enum Phase : int { alive, dead, back };

struct Shared {
  Stage stage;
  std::atomic<int> phase = alive;
  std::atomic<int> done = -1;  // the holder has done all it does in that phase
};

struct Case {
  std::string type;
  Kind kind;
};

// Puts and reads; what is wrong goes into its history.
class Holder {
 public:
  Holder(Shared& shared, Store& store, std::uint64_t seed)
      : shared_(shared), history_(shared.stage.histories[0]), store_(store), random_(seed) {}

  void live() {
    for (const int phase : {alive, dead, back}) {
      wait_for(phase);
      read_all();
      put_some();
      flush();
      put_some();  // and does not flush
      read_all();
      shared_.done = phase;
    }
  }

 private:
  void wait_for(int phase) const {
    const Stopwatch waited;
    while (shared_.phase < phase && waited.seconds() < patience_s) ::usleep(100);
  }

  void put_some() {
    for (int i = 0; i < 15; ++i) {
      const auto key = static_cast<std::uint32_t>(random_() % keys);
      const std::uint64_t version = shared_.stage.now();
      const std::string payload = payload_for(key, version);
      Event& event = history_.append(Deed::put, key, version, shared_.stage.now());
      const auto bytes = std::as_bytes(std::span(payload.data(), payload.size()));
      if (store_.put(fingerprint_of(key), bytes)) event.returned = shared_.stage.now();
    }
  }

  void flush() {
    Event& event = history_.append(Deed::flush, 0, 0, shared_.stage.now());
    if (store_.flush()) event.returned = shared_.stage.now();
  }

  void read_all() {
    for (std::uint32_t key = 0; key < keys; ++key) {
      const auto found = store_.get(fingerprint_of(key));
      if (!found || !*found || version_of(key, (*found)->text())) continue;
      history_.complain("key " + std::to_string(key) + " holds a wrong byte");
    }
  }

  Shared& shared_;
  History& history_;
  Store& store_;
  std::mt19937_64 random_;
};

class DeadDisk : public ::testing::TestWithParam<Case> {
 protected:
  static LoopDisk::Options options() {
    const bool is_xfs = GetParam().type == "xfs";
    return {.type = GetParam().type,
            .mount_options = is_xfs ? "nouuid" : "noinit_itable",
            .bytes = is_xfs ? 320u << 20 : 96u << 20};
  }

  int hold(const StoreChoice& choice, std::uint64_t seed) {
    const auto store = open_chosen(choice);
    if (!store) return 2;
    Holder(*shared_, **store, seed).live();
    return shared_->stage.histories[0].complaint().empty() ? 0 : 1;
  }

  // Until the holder has done what it does in that phase, or is no more.
  void wait_until_done(Phase phase, pid_t holder) const {
    const Stopwatch waited;
    siginfo_t info = {};
    while (shared_->done < phase && waited.seconds() < patience_s && info.si_pid == 0) {
      ::waitid(P_PID, static_cast<id_t>(holder), &info, WEXITED | WNOHANG | WNOWAIT);
      ::usleep(100);
    }
  }

  // What may be lost between now and the end is not promised yet.
  std::string one_round(const DiskRoom& room, std::uint64_t seed) {
    LoopDisk first(room, "first", options());
    LoopDisk second(room, "second", options());
    const auto mount_point = room.path() / "mounted";
    const StoreChoice choice{.kind = GetParam().kind,
                             .directory = (mount_point / "store").string()};
    first.format();
    first.mount(mount_point);
    History& history = shared_->stage.histories[0];
    history.clear();
    shared_->phase = alive;
    shared_->done = -1;
    const pid_t holder = start_child([&] { return hold(choice, seed); });
    wait_until_done(alive, holder);
    first.cut_power(seed % 2 == 0 ? LogFlush::no : LogFlush::yes);
    shared_->phase = dead;
    wait_until_done(dead, holder);
    second.copy_from(first);
    first.detach();
    second.mount(mount_point);
    shared_->phase = back;
    std::string wrong = look_while_held(choice);
    wrong += ending(holder) + history.complaint();
    Ledger ledger(Ledger::Lasting::when_flushed);
    ledger.add(history.events());
    wrong += check_store(choice, ledger, Index::kept) + check_store(choice, ledger, Index::lost);
    promises_checked_ += ledger.promises_checked();
    second.unmount();
    return wrong;
  }

  // A fresh process, while the other one still has its store open.
  static std::string look_while_held(const StoreChoice& choice) {
    const auto store = open_chosen(choice);
    if (!store) return "open failed: " + store.error().message;
    return use(**store, 1);
  }

  std::string ending(pid_t holder) {
    const std::string ending = ending_of(holder);
    const bool is_bus_error = ending.find(::strsignal(SIGBUS)) != std::string::npos;
    if (!is_bus_error || GetParam().kind != Kind::pack) return ending;
    ++bus_errors_;
    return {};
  }

  SharedMemory<Shared> shared_;
  std::uint64_t promises_checked_ = 0, bus_errors_ = 0;
};

TEST_P(DeadDisk, TakesNothingAlongAndHarmsNoOneElse) {
  const DiskRoom room(2u << 30);
  const auto& [type, kind] = GetParam();
  const std::string why_not = room.why_not().empty() ? why_no_disk(type) : room.why_not();
  if (!can_run("a disk of " + type + " that dies under a store", why_not)) return;
  const std::uint64_t seed = seed_of_run();
  const std::uint64_t rounds = number_from("LARDER_DEAD_DISKS", usual_rounds);
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    EXPECT_EQ(one_round(room, seed + round), "") << "seed " << seed + round;
  }
  std::cout << type << ", " << name_of(kind) << ": " << rounds << " disks died, seed " << seed
            << "; " << promises_checked_ << " promises checked, " << bus_errors_
            << " holders ended by SIGBUS" << std::endl;
}

INSTANTIATE_TEST_SUITE_P(All, DeadDisk,
                         ::testing::Values(Case{"ext4", Kind::pack}, Case{"ext4", Kind::larder},
                                           Case{"ext4", Kind::vyre}, Case{"xfs", Kind::pack},
                                           Case{"xfs", Kind::larder}, Case{"xfs", Kind::vyre}),
                         [](const auto& each) {
                           return each.param.type + "_" + std::string(name_of(each.param.kind));
                         });

}  // namespace
}  // namespace larder
