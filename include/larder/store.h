// The contract of every store, and the stores there are.
//
// Stores tell the truth: a damaged entry is Errc::corrupt, a refused read is Errc::io_error. What
// to do about it is the cache's business (cache.h), which turns both into a counted miss.
#ifndef LARDER_STORE_H_
#define LARDER_STORE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "larder/artifact.h"
#include "larder/error.h"
#include "larder/fingerprint.h"
#include "larder/keys.h"
#include "larder/metrics.h"

namespace larder LARDER_PUBLIC {

class FileSystem;

struct PutOptions {
  std::string_view recipe = {};  // an encoded recipe (Recipe::encode) to keep beside the artifact
  // How long the artifact took to make, where that is known. Nothing keeps it; a remote tier with
  // `min_cost` asks.
  std::optional<std::chrono::milliseconds> cost = {};
};

struct EntryInfo {
  Fingerprint fingerprint;
  std::uint64_t payload_bytes = 0;  // as the entry claims; not verified
  std::uint64_t disk_bytes = 0;     // blocks, as `du` counts; 0 in memory
  std::int64_t last_used_s = 0;     // seconds since 1970, at most an hour behind
  // As the entry claims: made with a key that this store object does not have, or without one where
  // it has one. It is a miss here, and no damage.
  bool other_key = false;
};

// An entry after its verification.
struct EntryDetails {
  EntryInfo info;
  std::uint64_t key_id = 0;    // of the key that it was made with; 0: none
  std::string layout;          // "memory", "pack 1", "larder 1" or "vyre"
  std::string location;        // a path; empty in memory
  std::string codec;           // "none"
  std::string recipe;          // encoded; empty when none was kept
  Fingerprint payload_digest;  // BLAKE3 of the payload
};

enum class Visit { go_on, stop };
using EntryVisitor = std::function<Visit(const EntryInfo&)>;

// What stands in a store and is no entry that anybody could ask for.
struct Stray {
  // corrupt: entries, damaged so that nobody can tell whose they were. not_ours: no entry, where
  // one could be; it is neither read nor touched. Others: why it cannot be looked at.
  Errc code = Errc::corrupt;
  std::string location;       // a path; in a pack with the offset in it
  std::string message;        // what it is and what to do, without the location
  std::uint64_t entries = 0;  // that are lost with it, as far as is known
  bool removed = false;       // by the repair that was asked for
};
using StrayVisitor = std::function<Visit(const Stray&)>;

enum class Repair { no, yes };

enum class EvictionReason { bytes, entries, free_space, age, cleared };

struct Eviction {
  Fingerprint fingerprint;
  EvictionReason reason = EvictionReason::bytes;
  std::uint64_t bytes = 0;
  std::uint64_t age_s = 0;  // since the entry was last used
};
// Called after the entry has left, without any lock held; may be called by several threads at once,
// each within a call that evicts: put, prune, maintain, clear, and remove of a pack. So do not hold
// a lock around those that this takes as well.
using EvictionListener = std::function<void(const Eviction&)>;

// Unset limits do not count. What was used least recently leaves first.
struct Budget {
  std::optional<std::uint64_t> max_bytes = {};  // on disk as `du` counts, folders too
  std::optional<std::uint64_t> max_entries = {};
  std::optional<std::uint64_t> min_free_bytes = {};  // to be left free on the file system
  std::optional<std::uint64_t> max_age_s = {};       // since the entry was last used
};

enum class DryRun { no, yes };

struct PruneReport {
  std::uint64_t evicted_entries = 0;
  std::uint64_t evicted_bytes = 0;
  std::uint64_t kept_entries = 0;  // with names that could not be looked at; the log has them
  std::uint64_t kept_bytes = 0;    // on disk as `du` counts, folders too
  // Of those, what nobody can free now: segments of a pack that other processes write (prune again
  // when they have closed the store), that the disk cannot read (the log names them), or that the
  // index could not be compared with, because others kept making it anew (the log says so).
  std::uint64_t held_bytes = 0;
};

// What a power cut would take now.
struct Durability {
  std::uint64_t pending = 0;  // puts of this store object that no flush has covered yet
  std::uint64_t lost = 0;     // entries that a failed flush named and nobody has put again
  bool durable = false;       // nothing pending, nothing lost, and no flush is running
};

// Held while its owner compiles; released by the destructor, and by the kernel when the owner dies.
class Lease {
 public:
  Lease() = default;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  virtual ~Lease() = default;
};

using Lookup = Result<std::optional<Artifact>>;  // what a get answers

// Every function may be called by any number of threads at once, and reports failure by its result
// alone: nothing throws, and no call waits for another process longer than a few system calls. What
// a listener or logger throws is dropped; what a visitor throws ends the visit with io_error.
// Without memory, metrics() tells what it can, durability() is not durable, and describe() is
// empty. Counted in metrics(): every get, get_into, get_many element and contains is one look-up.
//
// A forked child may use every store, and starts anew: nothing pending, lost or queued, counters at
// zero, a memory store empty. A callback that forks must not return in the child.
class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  // The verified bytes; nullopt when there is no entry, or only one of another key. Errors: corrupt
  // (and the entry was removed if that is provably right), not_ours or too_large (something there
  // that is never read), io_error, permission_denied, out_of_memory: in each case compile.
  virtual Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) = 0;

  // Copies the verified payload to the front of `into` and returns its length. too_large when it
  // does not fit, other errors as get. What is behind the payload, or in all of `into` when no
  // length is returned, is unspecified: bytes go there before they are verified.
  virtual Result<std::optional<std::size_t>> get_into(const Fingerprint& fingerprint,
                                                      std::span<std::byte> into);

  // One get for each, in the same order. A failed one does not disturb the others. out_of_memory
  // when there is no memory for the answers themselves.
  virtual Result<std::vector<Lookup>> get_many(std::span<const Fingerprint> fingerprints);

  // Afterwards the entry holds these bytes: the same and good already, nothing is written; damaged
  // or different, replaced, so that a crash leaves the old or the new entry, whole. Visible to
  // every process when it returns; durable after the next flush. Errors: too_large (over the cap of
  // the store, or over its whole budget), no_space, read_only, not_ours, permission_denied,
  // io_error; the old entry, if any, is then still there.
  virtual Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                           const PutOptions& options = {}) = 0;

  // True when an entry was removed, damaged ones included; durable when it returns. not_ours when
  // what stands there is not an entry: it stays. So does an entry of another key, which is none.
  virtual Result<bool> remove(const Fingerprint& fingerprint) = 0;

  // Whether a get would hit; verifies as a get does. Errors as get.
  virtual Result<bool> contains(const Fingerprint& fingerprint);

  // Verifies one entry, payload and recipe, and describes it. Never removes anything, and is not
  // counted as a look-up. nullopt when there is none; corrupt when it is damaged.
  virtual Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) = 0;

  // The durability boundary: after OK, what this object put before the call survives a power cut.
  // not_durable names every entry that it could not make durable, now and in every later flush
  // until the entry is put again; those entries have been taken out of the store.
  virtual Result<void> flush() = 0;

  // Calls back once per entry, in no order, without verifying; entries put or removed meanwhile may
  // or may not be seen. The visitor may call the store.
  virtual Result<void> visit(const EntryVisitor& visitor) = 0;

  // Calls back for what visit passes over, in no order: damage beyond recognition, what is foreign
  // under a name of the store's, and what cannot be looked at. Repair::yes takes the corrupt out of
  // the store before it tells of it, and nothing else; what is put meanwhile stays. A repair that
  // fails is told by the stray, which is then not removed. Errors: read_only for Repair::yes; those
  // of reading the store's folders.
  virtual Result<void> visit_strays(const StrayVisitor& visitor, Repair repair = Repair::no) = 0;

  // Evicts until `budget` holds, entries of other keys too. Never touches what Larder does not
  // recognise as its own.
  virtual Result<PruneReport> prune(const Budget& budget, DryRun dry_run = DryRun::no) = 0;

  // Evicts everything that Larder recognises as its own entries, of whatever key.
  virtual Result<PruneReport> clear() = 0;

  virtual Metrics metrics() const = 0;
  virtual Durability durability() const = 0;

  // A lease on the right to compile `fingerprint`, or null while somebody else holds it, in this
  // process or another one on the same store. Does not wait. Never affects get or put. unsupported
  // or another error: leases cannot be had here; go on without.
  virtual Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) = 0;

  // Counters that outlive the process. Their loss harms nothing; a store that cannot keep them (in
  // memory, read-only) keeps them for its own lifetime.
  virtual Result<void> add_statistics(const Metrics& delta) = 0;
  virtual Result<Metrics> statistics() = 0;
  virtual Result<void> reset_statistics() = 0;

  // For people: "memory", "pack:/path", "file:/path", "vyre:/path".
  virtual std::string describe() const = 0;
};

enum class LogLevel { debug, info, warning };
using Logger = std::function<void(LogLevel, std::string_view)>;

struct MemoryStoreOptions {
  std::uint64_t capacity_bytes = 256ull << 20;
  std::uint64_t capacity_entries = 1ull << 20;
  EvictionListener on_evict = {};
};

// Sharded, SIEVE eviction. A hit shares the artifact without copying it, and without verifying
// again what nobody else can write. Ages and last uses count from the put: SIEVE keeps one bit in
// place of a time. flush is OK and means nothing. out_of_memory when it cannot be made.
Result<std::shared_ptr<Store>> make_memory_store(const MemoryStoreOptions& options = {});

enum class FileLayout {
  larder,  // <root>/<2 hex>/<64 hex>.art, fingerprint under the digest, recipe kept
  vyre,    // <root>/<64 hex>.bin, payload and its BLAKE3; a file under another name goes unnoticed
};
enum class Access { read_write, read_only };
enum class Create {
  at_open,       // a directory that does not exist is made by open
  at_first_put,  // until then it reads as an empty store and nothing is made
};

struct FileStoreOptions {
  std::string directory = {};  // must not be empty
  FileLayout layout = FileLayout::larder;
  // Not empty: entries are made with the first key, and what was made with none of them is a miss,
  // which a put replaces: there is one file for a fingerprint. vyre: invalid_argument.
  Keys keys = {};
  Access access = Access::read_write;
  Create create = Create::at_open;

  Budget budget = {};                     // kept at each put
  std::uint64_t max_payload_bytes = 0;    // 0: the layout's own cap, which it cannot exceed
  std::uint32_t flush_threads = 4;        // of one flush, its caller included
  std::uint32_t stamp_interval_s = 3600;  // how often a hit renews an entry's last use

  EvictionListener on_evict = {};
  Logger log = {};
  FileSystem* file_system = nullptr;  // not owned, must outlive the store; null: the machine's own
};

// The payload caps of the two layouts; put and get share them.
inline constexpr std::uint64_t max_payload_bytes_larder = 1ull << 30;
inline constexpr std::uint64_t max_payload_bytes_vyre = 64ull << 20;

// Opens a directory as a store of one file per fingerprint. Errors: not_a_store (non-empty without
// a marker), wrong_kind, unsupported_version, unsafe_directory, permission_denied, read_only,
// io_error, invalid_argument; nothing on disk was changed but directories made on the way.
Result<std::shared_ptr<Store>> open_file_store(const FileStoreOptions& options);

enum class TierWrite {
  // put returns after this tier has it; its error is the put's error.
  through,
  // Written by the next flush, from a bounded queue that look-ups see; a full queue writes at once.
  // A failure is told by flush alone: it names the entries that the tier did not get.
  behind,
  // Read only: no put, promotion, remove, prune, clear or lease reaches it.
  never,
};

struct Promotion {
  Fingerprint fingerprint;
  std::size_t from_tier = 0;
  std::size_t to_tier = 0;
  std::uint64_t bytes = 0;
  bool stored = false;  // false: the faster tier refused it; the hit is served all the same
};
using PromotionListener = std::function<void(const Promotion&)>;

struct Tier {
  std::shared_ptr<Store> store;
  TierWrite write = TierWrite::through;
};

struct LayeredStoreOptions {
  std::vector<Tier> tiers = {};  // fastest first; at least one
  std::uint64_t behind_capacity_bytes = 64ull << 20;
  PromotionListener on_promote = {};
};

// A hit is promoted into every faster tier that may be written. A tier that fails is passed over;
// the look-up reports its error only when no tier has the entry. put is OK when every `through`
// tier has it, but for those that find it too large, as long as one tier took it; a tier that
// refuses does not keep the others from having it. An entry that flush names is taken out of the
// tier that lost it and of all faster ones. Leases come from the slowest tier that gives them,
// statistics from the slowest that may be written. Metrics: the look-ups are the layered store's
// own, the rest is the saturating sum. The destructor writes what is still queued.
// invalid_argument: no tier, or one without a store. out_of_memory when it cannot be made.
Result<std::shared_ptr<Store>> make_layered_store(const LayeredStoreOptions& options);

}  // namespace larder

#endif  // LARDER_STORE_H_
