// What writers did, in memory that outlives them: whoever killed one, or took its disk away, reads
// there which of its calls had returned.
#ifndef LARDER_TESTS_ENDURANCE_HISTORY_H_
#define LARDER_TESTS_ENDURANCE_HISTORY_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace larder {

enum class Deed : std::uint8_t { put, remove, flush, evicted };

// Times are ticks of the clock that all writers share, from 1 on.
struct Event {
  Deed deed = Deed::put;
  std::uint32_t key = 0;
  std::uint64_t version = 0;  // of what was put
  std::uint64_t begun = 0;
  std::atomic<std::uint64_t> returned = 0;  // 0: not yet, or without having done it
};

// Of one writer, in one life. The writer alone appends.
class History {
 public:
  void clear() noexcept {
    count_ = 0;
    complaint_length_ = 0;
    lacks_evictions_ = false;
  }

  // Room is kept for what a put evicts.
  bool is_full() const noexcept { return count_ + room_for_evictions > capacity; }
  Event& append(Deed deed, std::uint32_t key, std::uint64_t version, std::uint64_t now) noexcept;

  std::span<const Event> events() const noexcept { return std::span(events_).first(count_); }

  // Who evicts says what when his call returns: one that dies before has not said it.
  void begin_evicting() noexcept { lacks_evictions_ = true; }
  void end_evicting() noexcept { lacks_evictions_ = false; }
  bool lacks_evictions() const noexcept { return lacks_evictions_; }

  // What this writer found to be wrong; the first one counts.
  void complain(std::string_view what) noexcept;
  std::string complaint() const { return {complaint_.data(), complaint_length_}; }

 private:
  static constexpr std::size_t capacity = 6000, room_for_evictions = 2000;

  std::atomic<std::uint32_t> count_ = 0;
  std::atomic<std::uint32_t> complaint_length_ = 0;
  std::atomic<bool> lacks_evictions_ = false;
  std::array<char, 400> complaint_ = {};
  std::array<Event, capacity> events_ = {};
};

inline constexpr std::uint32_t writers = 3;

// What the writers of a test share with it.
struct Stage {
  std::atomic<std::uint64_t> clock = 1;
  std::atomic<bool> is_over = false;  // said before the power goes: what returns later is no proof
  std::array<History, writers> histories = {};

  std::uint64_t now() noexcept { return clock.fetch_add(1); }
};

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_HISTORY_H_
