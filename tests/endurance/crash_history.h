// What two processes do with a store, and what a power cut may leave of two entries at any moment.
#ifndef LARDER_TESTS_ENDURANCE_CRASH_HISTORY_H_
#define LARDER_TESTS_ENDURANCE_CRASH_HISTORY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace larder {

enum class Act { put_1_first, put_1_second, put_2_first, flush, evict, remove_1, close };
inline constexpr std::size_t act_count = 7;

// By one of two processes, which opens the store before its first step and after a close.
struct Step {
  std::size_t process = 0;
  Act act = Act::put_1_first;
};
using History = std::vector<Step>;

// "0 put(k1,v1); 1 flush".
std::string describe(const History& history);

// What a look-up gives. A damaged entry counts as absent: both are a miss.
enum class Value : std::uint8_t { absent, first, second, wrong };

class ValueSet {
 public:
  constexpr ValueSet() = default;
  constexpr explicit ValueSet(Value value) : bits_(1u << static_cast<unsigned>(value)) {}

  constexpr bool contains(Value value) const {
    return (bits_ & 1u << static_cast<unsigned>(value)) != 0;
  }
  constexpr void add(Value value) { bits_ |= 1u << static_cast<unsigned>(value); }
  constexpr void keep(ValueSet other) { bits_ &= other.bits_; }
  constexpr unsigned bits() const { return bits_; }

 private:
  unsigned bits_ = 0;
};

std::string describe(ValueSet values);

inline constexpr std::size_t key_count = 2;
inline constexpr std::size_t process_count = 2;

// The promises. A put makes its value possible, a removal or an eviction absence. A flush of a
// process takes back everything but what it put last and what came after that, whoever did it. A
// removal that returned takes back everything.
class Promises {
 public:
  void may_put(std::size_t key, Value value);  // begins
  void put(std::size_t process, std::size_t key, Value value);
  void may_leave(std::size_t key);  // a removal or an eviction begins
  void removed(std::size_t key);
  void flushed(std::size_t process);
  void closed(std::size_t process);  // what it put and did not flush, nobody vouches for

  ValueSet allowed(std::size_t key) const { return allowed_[key]; }
  std::uint64_t hash() const;

 private:
  std::array<ValueSet, key_count> allowed_{ValueSet(Value::absent), ValueSet(Value::absent)};
  // What a process put last, and what came after that; nullopt: nothing since its last flush.
  std::array<std::array<std::optional<ValueSet>, key_count>, process_count> since_;
};

// Of each process its own where each has a key of its own; else all are in the first.
struct PromisesOfAll {
  std::array<Promises, process_count> of;

  std::uint64_t hash() const { return of[0].hash() * 1'000'003 + of[1].hash(); }
};

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_CRASH_HISTORY_H_
