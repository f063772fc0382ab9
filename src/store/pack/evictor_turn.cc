// Whose turn it is to evict: one thread of one process.
#include <algorithm>
#include <thread>

#include "base/try.h"
#include "store/pack/evictor.h"

namespace larder::pack_store {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using store_directory::LockOffset;

// Of a put, for each segment that is too much.
constexpr auto haste = milliseconds(10);
// What a process that was stopped in its turn costs every put in the end.
constexpr auto most_patience_of_put = milliseconds(250);
constexpr std::uint64_t parts_of_entries = 64;  // as a full store has segments
// For another thread of this process; then what left meanwhile is closed. Whoever evicts waits some
// milliseconds for what was mapped.
constexpr auto thread_wait = milliseconds(1);
constexpr auto first_pause = microseconds(20);
constexpr auto longest_pause = microseconds(2000);
// Of what goes over the whole store.
constexpr auto longest_turn = milliseconds(20);
constexpr auto turn_wait = std::chrono::seconds(30);
constexpr auto pause_between_turns = 2 * longest_pause;  // so that all who wait look once

}  // namespace

// Nullopt when it is somebody else's.
Result<std::optional<Evictor::Turn>> Evictor::try_turn(milliseconds limit_of_thread) {
  std::unique_lock thread(mutex_, std::defer_lock);
  if (!thread.try_lock_for(limit_of_thread)) return std::nullopt;
  LARDER_TRY(auto process, parts_.shelf.locks().try_acquire(LockOffset::eviction()));
  if (!process) return std::nullopt;
  return Turn{
      .thread = std::move(thread), .process = *std::move(process), .since = steady_clock::now()};
}

// Nullopt when it does not come within the limit. `rest` is called between looks: what left
// meanwhile is to be closed.
Result<std::optional<Evictor::Turn>> Evictor::take_turn(milliseconds limit, const Rest& rest) {
  const auto deadline = steady_clock::now() + limit;
  auto pause = first_pause;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    LARDER_TRY(auto turn, try_turn(std::clamp(left, milliseconds(0), thread_wait)));
    if (turn && parts_.shelf.index_is_partial()) return std::nullopt;
    if (turn || steady_clock::now() >= deadline) return turn;
    rest();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, longest_pause);
  }
}

Result<Evictor::Turn> Evictor::wait_for_turn(milliseconds limit, const Rest& rest) {
  LARDER_TRY(auto turn, take_turn(limit, rest));
  if (turn) return *std::move(turn);
  const std::string_view why =
      parts_.shelf.index_is_partial()
          ? "whoever made the index anew did not end; open the store once more"
          : "another thread or process evicts; try again later";
  return std::unexpected(Error{.code = Errc::timed_out, .message = std::string(why)});
}

// Between two segments, when the turn has lasted. Others may have evicted any when it is this
// thread's again, and what they have begun is ended.
Result<void> Evictor::let_others(std::optional<Turn>& turn, Caller& caller) {
  if (steady_clock::now() - turn->since < longest_turn) return {};
  turn.reset();
  std::this_thread::sleep_for(pause_between_turns);
  LARDER_TRY(auto next, wait_for_turn(turn_wait, caller.rest));
  turn.emplace(std::move(next));
  return finish_what_is_begun(caller);
}

// Over the budget, or missing on the disk. Where what leaves gives nothing back, none is.
std::uint64_t Evictor::bytes_to_free() const {
  const std::uint64_t over = bytes_over();
  if (!parts_.budget.min_free_bytes) return over;
  if (is_in_vain() && !is_worth_it_again()) return over;
  const auto space = parts_.shelf.root().space();
  if (!space) return over;
  const std::uint64_t wanted = *parts_.budget.min_free_bytes;
  return std::max(over, wanted - std::min(space->free_bytes, wanted));
}

// By how much too much there is, in segments, or in as many parts of the entries.
std::uint64_t Evictor::steps_over() const {
  const std::uint64_t bytes = bytes_to_free() / parts_.segment_bytes;
  const std::uint64_t most_entries =
      std::max<std::uint64_t>(parts_.budget.max_entries.value_or(1), 1);
  return std::max(bytes, entries_over() * parts_of_entries / most_entries);
}

// Where that is not enough for its turn, the next one waits longer. For what could not leave when
// somebody looked last, nobody waits.
milliseconds Evictor::patience_of_put() const {
  const std::uint64_t over = steps_over();
  const std::uint64_t held = held_steps_.load(std::memory_order_relaxed);
  const auto most = static_cast<std::uint64_t>(most_patience_of_put / haste);
  return haste * std::min(over - std::min(over, held), most);
}

}  // namespace larder::pack_store
