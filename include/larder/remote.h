// Remote tiers: one machine compiles, all others fetch. Larder speaks to servers that exist; it has
// none of its own. docs/REMOTE.md has a worked example for each.
//
// Whatever comes from a remote tier is verified as what comes from a disk is: the fingerprint and
// the bytes are under a tag (docs/FORMAT.md), and nothing else reaches a caller or a faster tier.
#ifndef LARDER_REMOTE_H_
#define LARDER_REMOTE_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "larder/artifact.h"
#include "larder/error.h"
#include "larder/fingerprint.h"
#include "larder/keys.h"
#include "larder/store.h"

namespace larder LARDER_PUBLIC {

// What one tier did. Each look-up ends in exactly one of the six outcomes below it.
struct RemoteMetrics {
  std::uint64_t lookups = 0;
  std::uint64_t hits = 0;      // verified bytes came
  std::uint64_t absent = 0;    // the server has no such entry
  std::uint64_t corrupt = 0;   // what came is not what was put under this fingerprint
  std::uint64_t errors = 0;    // refused, cut off, or not understood
  std::uint64_t timeouts = 0;  // no answer in time
  std::uint64_t skipped = 0;   // not asked: the breaker is open; or not read: over max_entry_bytes

  // Each put of a tier that may be written ends in exactly one of the four.
  std::uint64_t uploads = 0;
  std::uint64_t uploads_unchanged = 0;  // the same bytes were there
  std::uint64_t upload_failures = 0;
  std::uint64_t uploads_skipped = 0;  // the breaker is open, or over max_entry_bytes

  std::uint64_t retries = 0;
  std::uint64_t breaker_openings = 0;
  std::uint64_t bytes_in = 0;  // of entries, without what the protocol adds
  std::uint64_t bytes_out = 0;
  std::uint64_t other_key = 0;  // came, but made with a key that is not ours: `absent` as well

  // Whether every look-up has its outcome. Exact when no call is running.
  bool balanced() const noexcept;

  // Field by field, saturating at the largest value.
  RemoteMetrics& operator+=(const RemoteMetrics& other) noexcept;

  // Field by field, not below zero: the counters since `earlier`.
  RemoteMetrics since(const RemoteMetrics& earlier) const noexcept;

  friend bool operator==(const RemoteMetrics&, const RemoteMetrics&) = default;
};

struct RemoteMetricField {
  std::string_view name;
  std::uint64_t RemoteMetrics::* member;
};

// Every field, in the order they are declared, in which they are kept on disk: new ones go at the
// end.
inline constexpr std::size_t remote_metric_count = 16;
const std::array<RemoteMetricField, remote_metric_count>& remote_metric_fields() noexcept;

struct RemoteTimeouts {
  std::chrono::milliseconds connect = std::chrono::milliseconds(200);
  // The longest silence of a server that is connected: until the first byte, and between any two.
  std::chrono::milliseconds data = std::chrono::milliseconds(1000);
  // Of one call of the store, all its attempts and the pauses between them included.
  std::chrono::milliseconds request = std::chrono::milliseconds(2000);
};

// After `failures` calls in a row that failed in all their attempts, the tier is not asked for
// `pause`; then one call tries again, and the others wait for its outcome without being delayed.
struct RemoteBreaker {
  std::uint32_t failures = 1;
  std::chrono::milliseconds pause = std::chrono::seconds(30);
};

// One of the servers that share a tier's entries among them.
struct RemoteShard {
  std::string host;   // HOST or HOST:PORT, as in a URL
  double weight = 1;  // its part of the entries, in proportion to the others' weights
};

inline constexpr std::uint64_t default_max_remote_entry_bytes = 64ull << 20;

struct RemoteStoreOptions {
  std::string url = {};                                // never with a password in it
  std::map<std::string, std::string> attributes = {};  // of the protocol; docs/REMOTE.md lists them
  // Not empty: each entry is on one of these servers, and the URL has `*` for the host. Which one
  // follows from hosts and weights, as they are written: all machines have to write the same.
  std::vector<RemoteShard> shards = {};
  // Apart from the other users of the same server; letters, digits, `.`, `-` and `_`.
  std::string name_space = {};
  // Not empty: entries are made with the first key, and what was made with none of them is a miss,
  // which a put replaces. All who share the tier need the same. Not for the vyre layout.
  Keys keys = {};
  Access access = Access::read_write;
  RemoteTimeouts timeouts = {};
  RemoteBreaker breaker = {};
  std::uint64_t max_entry_bytes = default_max_remote_entry_bytes;  // of payloads; 1 GiB at most
  // How long an entry that the server said it does not have is taken for absent without asking
  // again; put here, it is not. 8192 are remembered at most. Zero: it is asked each time.
  std::chrono::milliseconds remember_absent = {};
  bool plaintext = false;  // allow an unencrypted connection to a host that is not this one

  // The directory of the store that the tier stands behind, where processes tell each other that
  // the tier does not answer, and what they counted. Nothing is written there before there is a
  // store. Empty: each process finds out for itself.
  std::string state_directory = {};
  // For who moves whole stores and has no compiler that waits: the first call asks, though another
  // process found the server silent; and what a slow line does not bring of a batch within
  // `timeouts.request` is asked for on, in smaller questions, while each brings something.
  bool for_transfers = false;
  FileSystem* file_system = nullptr;  // not owned, must outlive the store; null: the machine's own
};

struct RemoteEntry {
  Artifact payload;
  std::string recipe;  // encoded; empty when none was put, or it was damaged
};

// A store on somebody else's server. As every store, and: last uses are not known, so that visit
// tells 0 and prune evicts in no order; payload_bytes of a visit include the recipe. A visit that
// fails has told of what could be listed. What eviction the server does is its own. flush means
// nothing: an entry is with the server when put returns. Leases are among the threads of this
// process. Errors of every call besides those of Store: unreachable (also when the breaker is open:
// then at once), timed_out, permission_denied.
class RemoteStore : public Store {
 public:
  // As get, with the recipe that came along: one question to the server, where get and inspect
  // would be two. Counted as a look-up.
  virtual Result<std::optional<RemoteEntry>> fetch(const Fingerprint& fingerprint) = 0;

  // One fetch for each, in the same order: over Redis in one round trip for many, over HTTP several
  // at a time. Many share the time of one call. Counted as that many look-ups. out_of_memory when
  // there is no memory for the answers themselves.
  virtual Result<std::vector<Result<std::optional<RemoteEntry>>>> fetch_many(
      std::span<const Fingerprint> fingerprints) = 0;

  // As put, until `stop` is requested: then it ends soon, with timed_out, and the server may have
  // the entry or not. A server that was not waited for is not held to be down.
  virtual Result<void> send(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                            const PutOptions& options, const std::stop_token& stop) = 0;

  // Whether it has keys, and gives nothing that was made without them.
  virtual bool has_keys() const = 0;

  // Of payloads: larger ones are neither sent nor read.
  virtual std::uint64_t max_entry_bytes() const = 0;

  // Where several servers share its entries: the store of the one that this entry is on, with a
  // breaker and counters of its own. Lives as long as this one. Else this store itself.
  virtual RemoteStore& server_of(const Fingerprint&) { return *this; }

  // What time the server says it is, in seconds since 1970; nullopt when it does not say, or not to
  // us. Several servers: the first one.
  virtual Result<std::optional<std::int64_t>> server_time_s() = 0;

  virtual RemoteMetrics remote_metrics() const = 0;

  // Of every process that used the tier with this state_directory, this one included. flush and the
  // destructor add to what is kept, reset_statistics zeroes it; its loss harms nothing.
  virtual RemoteMetrics kept_metrics() const = 0;
};

// The options of each server of a tier: of each shard, or of the only one.
std::vector<RemoteStoreOptions> servers_of(const RemoteStoreOptions& options);

// Connects with the first call that needs it. Errors: invalid_argument naming what is wrong with
// the options; unsupported for a protocol that this build of Larder lacks; permission_denied for a
// file with a secret that others may read.
Result<std::shared_ptr<RemoteStore>> open_remote_store(const RemoteStoreOptions& options);

enum class RemoteWrite {
  sync,   // put returns after this tier has it, or could not be given it
  async,  // sent by a thread of the store's own; flush and the destructor wait for it, but not long
  off,    // read only
};

// A tier that is not required never fails a call: its trouble is counted and logged, once until it
// answers again.
enum class Required { no, yes };

struct RemoteTier {
  std::shared_ptr<RemoteStore> store;
  RemoteWrite write = RemoteWrite::async;
  Required required = Required::no;
  // What is known to have taken less to make (PutOptions::cost) is not sent there.
  std::chrono::milliseconds min_cost = {};
};

struct BackedStoreOptions {
  std::shared_ptr<Store> local;
  // Whether `local` has keys. Then every tier must have some too: what comes from one that has none
  // was made by anybody, and would get a key when it is kept.
  bool local_has_keys = false;
  std::vector<RemoteTier> tiers = {};  // fastest first
  // Of what `async` has still to send to each tier. What finds no room is not sent, and the log
  // says so.
  std::uint64_t upload_capacity_bytes = 256ull << 20;
  // How long flush and the destructor wait for it. What is not sent by then is lost to the tiers.
  std::chrono::milliseconds drain_limit = std::chrono::seconds(2);
  Logger log = {};
};

// A local store with remote tiers behind it. A miss of the local store is looked for in the tiers;
// what is found is put into the local store and the tiers before it. put and remove go to every
// tier that may be written. Everything else is the local store's: no prune, clear or visit reaches
// a tier, and what a tier keeps comes back after a clear. Where a required tier fails, get, put and
// remove return its error, though the local store may have done its part.
// invalid_argument: no local store, a tier without a store, or one without keys where the local
// store has some.
Result<std::shared_ptr<Store>> make_backed_store(const BackedStoreOptions& options);

// One tier as LARDER_REMOTE names it: `URL [property=value ...] [@attribute=value ...]`.
struct RemoteSetting {
  RemoteStoreOptions store;
  RemoteWrite write = RemoteWrite::async;
  Required required = Required::no;
  std::chrono::milliseconds min_cost = {};
  std::string shown;  // the setting again, without users and without what might be a secret
};

// Several tiers, separated by white space as their words are; docs/REMOTE.md has the grammar.
// invalid_argument names the tier and what is wrong, without repeating what might be a secret.
Result<std::vector<RemoteSetting>> parse_remotes(std::string_view text);

struct OpenRemotesOptions {
  std::string state_directory = {};  // as in RemoteStoreOptions
  Keys keys = {};                    // of every tier
  bool for_transfers = false;        // as in RemoteStoreOptions
};

// Errors as open_remote_store.
Result<std::vector<RemoteTier>> open_remotes(const std::vector<RemoteSetting>& settings,
                                             const OpenRemotesOptions& options = {});

}  // namespace larder

#endif  // LARDER_REMOTE_H_
