// Who changes an entry of a local store, and who is about to keep there what he has found in a
// tier: what was found before a change began, or while it went on, is not kept after it.
//
// Nobody holds a lock while he calls the store, whose listeners may use it again. Only a change
// waits, for who is keeping something under a fingerprint of the same group: some microseconds, but
// for what his listeners do. So it does not wait in a thread that is keeping something itself, and
// in none for longer than a second: two listeners could wait for each other.
#ifndef LARDER_STORE_REMOTE_CHANGES_H_
#define LARDER_STORE_REMOTE_CHANGES_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "larder/fingerprint.h"

namespace larder {

// Any number of threads.
class Changes {
  struct Group {
    std::atomic<std::uint64_t> begun = 0;
    std::atomic<std::uint64_t> ended = 0;
    std::atomic<std::thread::id> keeper = {};  // who is keeping something; nobody
  };

 public:
  // From before a put or a removal until it has reached all tiers.
  class Change {
   public:
    Change(Changes& changes, const Fingerprint& fingerprint) : group_(changes.of(fingerprint)) {
      ++group_.begun;
      if (group_.keeper.load() == std::thread::id() || changes.keeps_in_this_thread()) return;
      const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(1);
      while (group_.keeper.load() != std::thread::id() &&
             std::chrono::steady_clock::now() < limit) {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() { ++group_.ended; }

   private:
    Group& group_;
  };

  // To be read before a tier is asked.
  std::uint64_t seen(const Fingerprint& fingerprint) noexcept { return of(fingerprint).ended; }

  // The right to keep what was found since: not where something is, or was, changed in the group,
  // or somebody else is keeping.
  class Keeping {
   public:
    Keeping(Changes& changes, const Fingerprint& fingerprint, std::uint64_t seen)
        : group_(changes.of(fingerprint)) {
      std::thread::id nobody;
      is_keeper_ = group_.keeper.compare_exchange_strong(nobody, std::this_thread::get_id());
      // A change that begins from here on waits.
      is_allowed_ = is_keeper_ && group_.begun == seen && group_.ended == seen;
    }
    Keeping(const Keeping&) = delete;
    Keeping& operator=(const Keeping&) = delete;
    ~Keeping() {
      if (is_keeper_) group_.keeper = std::thread::id();
    }

    bool is_allowed() const noexcept { return is_allowed_; }

   private:
    Group& group_;
    bool is_keeper_ = false;
    bool is_allowed_ = false;
  };

 private:
  // Callers may choose fingerprints that meet in one group: all they win is to fetch once more.
  Group& of(const Fingerprint& fingerprint) noexcept {
    return groups_[(fingerprint.bytes[0] | fingerprint.bytes[1] << 8) % groups_.size()];
  }

  bool keeps_in_this_thread() const noexcept {
    return std::ranges::any_of(groups_, [](const Group& group) {
      return group.keeper.load() == std::this_thread::get_id();
    });
  }

  std::array<Group, 1024> groups_;
};

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_CHANGES_H_
