// What a store must say after its writers ended badly, drawn from their histories.
//
// A deed that lasts is one that was promised to: a put that a flush covered, a removal that
// returned; where no power was cut, every put that returned. Afterwards a key holds the value of
// the last such deed, or of one that did not end before that one began. Nothing may be there only
// if that deed was a removal, or if a removal or an eviction came later.
#ifndef LARDER_TESTS_ENDURANCE_LEDGER_H_
#define LARDER_TESTS_ENDURANCE_LEDGER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "larder/store.h"
#include "tests/endurance/history.h"

namespace larder {

// Every payload tells its key and version, and everything else in it follows from these two: a few
// bytes to a few kilobytes, some up to 200 and a few up to 400.
std::string payload_for(std::uint32_t key, std::uint64_t version);

// The version, when the text is such a payload to its last byte.
std::optional<std::uint64_t> version_of(std::uint32_t key, std::string_view text);

Fingerprint fingerprint_of(std::uint32_t key);
std::uint32_t key_of(const Fingerprint& fingerprint);

class Ledger {
 public:
  enum class Lasting : std::uint8_t { when_returned, when_flushed };

  explicit Ledger(Lasting lasting) : lasting_(lasting) {}

  void forget_all() {
    keys_.clear();
    excused_at_ = 0;
  }
  void add(std::span<const Event> life);

  // Somebody died who was evicting, and has not said what.
  void excuse_absence(std::uint64_t now) noexcept { excused_at_ = now; }

  // Compares every entry that was ever put with what the store gives. Returns what is wrong, a line
  // for each of the first ones. What is absent, or wrong, is forgotten.
  std::string compare(Store& store);

  std::uint64_t promises_checked() const noexcept { return promises_checked_; }

 private:
  struct Value {
    std::uint64_t version = 0;
    std::uint64_t begun = 0;
    std::uint64_t returned = 0;
    bool is_removal = false;
  };
  struct Key {
    std::vector<Value> values;     // any of which may be there
    std::optional<Value> lasting;  // the last one that was promised
    std::uint64_t evicted_at = 0;
  };

  void settle(Key& key, const Value& value);
  std::string judge(std::uint32_t number, Key& key, Store& store);
  bool may_be_absent(const Key& key) const;
  static std::string describe(const Key& key);

  const Lasting lasting_;
  std::map<std::uint32_t, Key> keys_;
  std::uint64_t excused_at_ = 0;  // what began later may not be absent for it
  std::uint64_t promises_checked_ = 0;
};

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_LEDGER_H_
