// What a store may answer, by what was done to it before: the oracle of the target `operations`.
//
// An entry is what was put last, or absent where nothing was put, or what was there was removed or
// told as evicted. Once a byte on disk was spoilt, every entry may be absent, refused, or hold
// anything that was ever put under its fingerprint (what a rebuild finds when the newest record is
// gone); never anything else. A put that is OK afterwards makes its entry certain again.
#ifndef LARDER_TESTS_FUZZ_MODEL_H_
#define LARDER_TESTS_FUZZ_MODEL_H_

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "larder/store.h"

namespace larder::fuzz {

inline constexpr std::size_t key_count = 8;

class Model {
 public:
  // With two keys that are written with, what was evicted under one of them may be back beside what
  // is put under the other one later, until it is removed.
  enum class Keys { one, two };
  explicit Model(Keys keys = Keys::one) : keys_(keys) {}

  static Fingerprint key(std::size_t number);

  // Which of the keys; nullopt for a stranger.
  static std::optional<std::size_t> number_of(const Fingerprint& fingerprint);

  // Before a put begins: it may evict what it has just put.
  void begin_put(std::size_t number);
  void put(std::size_t number, std::string payload);
  void put_failed(std::size_t number, std::string payload);  // the old one or this one
  void removed(std::size_t number);
  // There was nothing to remove. What a budget of entries had let go of before may be back when the
  // one record that says so is damaged.
  void removed_in_vain(std::size_t number);
  void remove_failed(std::size_t number);
  void evicted(const Fingerprint& fingerprint);
  void cleared();
  void spoilt();  // some byte on disk, of anything

  // A sync failed: what it was for may be gone, and what stood there before may be back.
  void unsettled();

  // Some entry has perhaps left, and nobody could tell which one.
  void may_be_evicted();

  bool is_certain() const { return !ever_spoilt_; }
  bool must_be_there(std::size_t number) const;
  bool must_be_absent(std::size_t number) const;
  void check_found(std::size_t number, std::string_view payload) const;
  void check_absent(std::size_t number) const;
  void check_error(std::size_t number, const Error& error) const;

 private:
  struct Entry {
    std::set<std::string> may_hold = {};
    bool may_be_absent = true;
    bool may_fail = false;
    bool evicted_in_put = false;
    bool was_evicted = false;  // perhaps, since it was removed
    std::set<std::string> ever = {};
  };

  Keys keys_;
  std::array<Entry, key_count> entries_;
  bool ever_spoilt_ = false;
};

}  // namespace larder::fuzz

#endif  // LARDER_TESTS_FUZZ_MODEL_H_
