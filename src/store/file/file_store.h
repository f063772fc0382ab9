// One file per fingerprint. The parts: pending (flush), eviction, and from store/directory
// store_directory (the root), lock_file (locks and kept counters), new_file (files on their way)
// and sweep (what is left of them).
//
// Concurrency model. A reader takes no lock: it opens a name, and what it opened is whole or fails
// verification, since a name is given to whole files only. A put that finds the name free links its
// file there, which fails when somebody was faster. Every other change of a name (replace, remove,
// evict) happens under the lock of that fingerprint, so that nobody takes away or overwrites a file
// that he did not look at under the lock.
//
// Crash model. Replacing: the new file is synced before it takes the name, so that a crash leaves
// the old entry or the new one, whole, and a durable one is never traded for one that is not. New
// names: synced by the flush; until then a crash may leave a file of any content, which fails
// verification.
#ifndef LARDER_STORE_FILE_FILE_STORE_H_
#define LARDER_STORE_FILE_FILE_STORE_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "base/derived_keys.h"
#include "format/entry.h"
#include "larder/pack_store.h"
#include "larder/store.h"
#include "os/fork_aware.h"
#include "store/counters.h"
#include "store/directory/lock_file.h"
#include "store/directory/statistics.h"
#include "store/directory/store_directory.h"
#include "store/file/pending.h"
#include "store/file/unsynced.h"

namespace larder::file_store {

// Where a store stands that is part of another one.
struct Within {
  std::shared_ptr<Directory> root;
  std::size_t max_open_files = 0;  // may wait for a flush: the two share the process's allowance
};

// The keys of the store that the path leads to, made when they are first needed.
class StoreKeys {
 public:
  using Derived = std::vector<DerivedKey>;

  explicit StoreKeys(Keys keys) : keys_(std::move(keys)) {}

  // The first one writes. A vyre directory has no id, and no key.
  std::shared_ptr<const Derived> of(const std::optional<format::StoreId>& store);

 private:
  const Keys keys_;
  std::mutex mutex_;
  format::StoreId id_ = {};                 // guarded by mutex_
  std::shared_ptr<const Derived> derived_;  // guarded by mutex_
};

// What a forked child must not share with its parent: pending entries are the parent's to flush,
// the locks belong to the parent's open file, and a mutex may have been held by a thread that the
// child does not have.
struct ProcessState {
  ProcessState(const FileStoreOptions& options, const std::optional<Within>& within);

  StoreDirectory directory;
  std::shared_ptr<LockFile> locks;
  Pending pending;
  Unsynced unsynced;
  StoreKeys keys;
  Counters counters;
  std::atomic<std::uint64_t> put_bytes_since_scan = 0;
  std::atomic<std::int64_t> last_scan_s = 0;
  std::atomic<bool> warned_of_usage = false;
  KeptStatistics own_statistics;  // of a store that may not write
};

class FileStore final : public Store {
 public:
  // The directory must be absolute; of a store within another one it is a name in that one's root.
  explicit FileStore(FileStoreOptions options, std::optional<Within> within = std::nullopt);
  ~FileStore() override;

  Result<void> open();

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  // The same, whatever key it was made with.
  Result<bool> remove_of_any_key(const Fingerprint& fingerprint);
  // Whether anything stands at its name. Errors: it is not known.
  Result<bool> has_file(const Fingerprint& fingerprint);
  // Whether a file is there with that payload, whatever key it was made with. Errors as inspect.
  Result<bool> holds_payload(const Fingerprint& fingerprint, const Digest& payload_digest);
  // The same, and whether the file and its name are on the disk by then. Damaged ones are no such
  // file. A sync of its bytes that failed once is not tried again: the kernel may have given up
  // what it could not write, and would say OK. Errors: it may not be.
  enum class PayloadSynced : std::uint8_t { yes, no_such_file, failed };
  Result<PayloadSynced> sync_payload(const Fingerprint& fingerprint, const Digest& payload_digest);
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> visit(const EntryVisitor& visitor) override;
  Result<void> visit_strays(const StrayVisitor& visitor, Repair repair) override;
  Result<PruneReport> prune(const Budget& budget, DryRun dry_run) override;
  Result<PruneReport> clear() override;
  Metrics metrics() const override;
  Durability durability() const override;
  Result<std::unique_ptr<Lease>> try_lease(const Fingerprint& fingerprint) override;
  Result<void> add_statistics(const Metrics& delta) override;
  Result<Metrics> statistics() override;
  Result<void> reset_statistics() override;
  std::string describe() const override;

  // For a pack, whose large artifacts these are: as get, but mapped, with what a MappedView cannot
  // promise. corrupt, io_error, unsupported: nothing was removed; let get find out. Not counted.
  Result<std::optional<MappedView>> view(const Fingerprint& fingerprint);

 private:
  // What stands under a fingerprint's name, as a put must know it.
  enum class Standing { absent, same, damaged, different };

  struct Opened {
    std::shared_ptr<File> file;
    FileInfo info;
    ArtifactBuffer bytes;
    format::DecodedEntry decoded;
  };

  struct Writing;  // one put on its way

  struct Found {
    Fingerprint fingerprint;
    FileInfo info;
  };

  struct EvictionTask {
    Budget budget;
    DryRun dry_run = DryRun::no;
    std::uint64_t percent_to_keep = 100;        // of a limit that is exceeded
    std::optional<EvictionReason> reason = {};  // for the listener, instead of the limit's own
    std::optional<Fingerprint> put = {};        // just now: whatever the clock says, it is the last
  };

  struct Scan {
    std::function<Visit(const Found&)> entry;
    std::function<void(const FileInfo&)> other;  // directories, marker, locks: on disk all the same
    // What is under the name of an entry or a folder and is none, or cannot be looked at; unset:
    // the log tells what matters.
    std::function<Visit(std::string_view path, const Error& why)> stray = {};
  };

  ProcessState& state() const { return state_.get(); }
  StoreDirectory& directory() const { return state().directory; }
  store_directory::StatisticsPlace statistics_place() const;

  // read.cc
  Result<std::optional<Opened>> read_entry(const Fingerprint& fingerprint);
  Result<std::shared_ptr<File>> open_entry(const Fingerprint& fingerprint);
  bool claims_other_key(std::span<const std::byte> header, std::uint64_t file_bytes) const;
  Result<std::optional<Opened>> read_payload(const Fingerprint& fingerprint,
                                             const Digest& payload_digest);
  Result<format::DecodedEntry> decode(std::span<const std::byte> file,
                                      const Fingerprint& fingerprint) const;
  Result<std::optional<Opened>> read_opened(std::shared_ptr<File> file,
                                            const Fingerprint& fingerprint) const;
  Result<std::optional<Artifact>> get_verified(const Fingerprint& fingerprint);
  std::string path_of(const Fingerprint& fingerprint) const;
  Result<FileInfo> check_file(File& file, const Fingerprint& fingerprint) const;
  void renew(File& file, const FileInfo& info) const;
  void remove_damaged(const Fingerprint& fingerprint, const FileInfo& seen);

  // write.cc
  bool may_evict() const noexcept;
  Result<void> put_checked(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                           const PutOptions& options);
  Result<void> write_entry(Writing& writing);
  Result<void> write_fresh(Writing& writing);
  Result<Standing> examine(Writing& writing);
  Result<void> open_folder(Writing& writing);
  bool join_pending(Writing& writing);
  Result<void> unlink_entry(Directory& root, const Fingerprint& fingerprint,
                            const std::string& path, const FileInfo& seen);
  Result<bool> install(Writing& writing);
  Result<void> take_turn(Writing& writing);
  Result<bool> replace_entry(Writing& writing);
  void account(const Writing& writing, const FileInfo& info);
  enum class OfKeys { own, any };
  Result<bool> remove_of(const Fingerprint& fingerprint, OfKeys keys);
  Result<bool> remove_locked(Directory& root, const Fingerprint& fingerprint,
                             const std::string& path, OfKeys keys);
  Result<bool> is_of_other_key(const Fingerprint& fingerprint, const FileInfo& info);

  // evict.cc
  Result<void> scan(const Scan& scan);
  Result<bool> scan_folder(Directory& folder, std::string_view shard, const Scan& scan);
  enum class News { no, yes };  // that the log was told
  News passed_over(std::string_view name, const Error& why) const;
  Visit pass_over(const Scan& scan, std::string_view name, const Error& why) const;
  static Error foreign(const FileInfo& info);
  EntryInfo describe_entry(const Found& found);
  Result<PruneReport> evict_existing(const EvictionTask& task);
  Result<PruneReport> evict(const EvictionTask& task, std::chrono::milliseconds wait);
  Result<PruneReport> evict_locked(const EvictionTask& task, std::vector<Eviction>& gone);
  static std::optional<EvictionReason> reason_to_evict(const Budget& budget,
                                                       const PruneReport& held,
                                                       std::uint64_t other_bytes,
                                                       std::uint64_t bytes_to_free,
                                                       std::uint64_t age_s);
  static void lower_to(Budget& budget, std::uint64_t percent, const PruneReport& held,
                       std::uint64_t other_bytes);
  Result<bool> sync_name(const Fingerprint& fingerprint);
  Result<std::uint64_t> missing_free_bytes(const Budget& budget);
  Result<bool> unlink_unused(const Found& found, const std::string& path);
  bool evict_one(const Found& found);
  void keep_budget(std::optional<format::Usage> usage, const Fingerprint& put,
                   std::uint64_t put_bytes);
  bool is_time_to_look_for_age();
  void set_usage(const format::Usage& usage);
  void subtract_usage(const format::Usage& gone);

  void log(LogLevel level, const std::string& line) const;

  const FileStoreOptions options_;
  const std::uint64_t max_payload_bytes_;
  const bool is_within_;  // another store, whose business it is what leaves
  const os::ForkAware<ProcessState> state_;
};

}  // namespace larder::file_store

#endif  // LARDER_STORE_FILE_FILE_STORE_H_
