// What push, pull and prewarm share: entries on their way between the store and a remote tier, and
// how it is told what became of them.
#ifndef LARDER_CLI_COMMANDS_TRANSFER_H_
#define LARDER_CLI_COMMANDS_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "context.h"
#include "larder/remote.h"

namespace larder::cli {

inline constexpr std::size_t most_at_once = 64;

enum class From { tier, local_store };
enum class Asked { no, yes };

// What became of the entries that went to one tier, or came from it. Each is in one count.
struct Transfer {
  std::string tier;
  From from = From::tier;
  std::uint64_t entries = 0;  // that there were to move
  std::uint64_t moved = 0;
  std::uint64_t moved_bytes = 0;  // of payloads
  std::uint64_t already_there = 0;
  std::uint64_t absent = 0;     // the tier does not have them
  std::uint64_t gone = 0;       // they left the local store after they were listed
  std::uint64_t other_key = 0;  // where they are, made with a key that is not here, or with none
  std::uint64_t damaged = 0;    // where they are, and do not verify
  std::uint64_t skipped = 0;    // too large for the tier
  std::uint64_t failed = 0;
  std::uint64_t not_tried = 0;          // of those that failed: the server was gone by then
  std::uint64_t with_recipe = 0;        // of those that were moved
  std::uint64_t evicted = 0;            // by the local store, for room: these or older ones
  bool is_listed = true;                // all that there is to move is known
  std::optional<Error> left_out = {};   // why nobody can know what the tier has
  std::optional<Error> too_large = {};  // of the first one that was skipped
  std::optional<Error> silence = {};    // the first time that the tier did not answer
  std::optional<Error> refusal = {};    // the first other failure
  std::size_t unanswered = 0;           // in a row, so far

  void remember(const Error& error);  // without counting it
  // Of the tier. Asked::no: it was not asked, since it failed a moment ago.
  void note(const Error& error, Asked asked);
  void note_local(const Error& error);  // of the local store, whose limits are not the tier's
  void note_answer() { unanswered = 0; }

  // So many got no answer in a row that the server is gone.
  bool is_hopeless() const;

  // Of another server of the same tier: what became of the entries there.
  void add(const Transfer& share);
};

// Each once, in the order in which they come first.
std::vector<Fingerprint> without_repeats(const std::vector<Fingerprint>& fingerprints);

// Hands them to `move`, at most 64 at a time, until it is hopeless. Where a tier has several
// servers, each gets its own by a thread of its own, so that one which hangs holds up no other;
// `move` is given a Transfer of that server alone. Shows how far it is, under `label`. Returns what
// was not handed over, which counts as failed.
using Batch = std::span<const Fingerprint>;
using Move = std::function<void(RemoteStore& server, Batch, Transfer&)>;
std::vector<Fingerprint> move_in_batches(RemoteStore& tier, Batch entries, const char* label,
                                         Transfer& transfer, const Move& move);

// Those that may be written, or all. What they do counts as what a put's and a get's do. They are
// asked, though another process found one silent a moment ago: somebody has said that they are to
// be. One that cannot be opened costs no other one; where none can be, its error.
struct Tiers {
  std::vector<RemoteTier> opened;
  std::vector<Error> left_out;
};
Result<Tiers> tiers_of(const Context& context, Access access);

// Fetches what `local` does not have, many at a time. Returns what the server does not have either.
std::vector<Fingerprint> fetch_missing(RemoteStore& server, Store& local, Batch wanted,
                                       Transfer& transfer);

// Shows all of them, and the first failures of each, and why tiers could not be opened. That a tier
// does not answer decides the exit code. One that was left out for want of a listing has not
// failed, as long as another was not.
int conclude(const Context& context, const std::vector<Transfer>& transfers,
             const std::vector<Error>& not_opened);

}  // namespace larder::cli

#endif  // LARDER_CLI_COMMANDS_TRANSFER_H_
