// The pack store. The parts: shelf (one open directory: state, index, segments, writers), read,
// write, flush, evict, inspect, visit, strays; rebuild makes the index anew.
//
// Concurrency model. A reader takes no lock: it probes the index, reads the record into private
// memory and verifies it there; what the index says is never believed. A put appends to a segment
// that its process owns, and then swings one slot of the index by compare-and-swap. Sequences
// decide which of two records of a fingerprint is newer, for a rebuild: a put therefore publishes
// only over the entry that it saw before it took its sequence, and begins anew when it finds
// another one.
//
// Crash model. The segments are the truth, and what a flush has synced in them is durable; the
// index and `state` are hints. See segment_writer.h, state_file.h, index.h and rebuild.cc.
#ifndef LARDER_STORE_PACK_PACK_STORE_IMPL_H_
#define LARDER_STORE_PACK_PACK_STORE_IMPL_H_

#include <atomic>
#include <condition_variable>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "format/codec.h"
#include "larder/pack_store.h"
#include "os/fork_aware.h"
#include "store/counters.h"
#include "store/directory/statistics.h"
#include "store/pack/evictor.h"
#include "store/pack/large_files.h"
#include "store/pack/look_up.h"
#include "store/pack/read_epochs.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {

// What a forked child must not share with its parent: segments that the parent writes, locks on its
// open files, mutexes that a thread may have held which the child does not have.
struct ProcessState {
  ProcessState(const PackStoreOptions& options, FileSystem& file_system);
  ~ProcessState();

  store_directory::StoreDirectory directory;
  std::shared_ptr<store_directory::LockFile> locks;
  ReadEpochs epochs;
  Counters counters;
  format::Zstd zstd;
  KeptStatistics own_statistics;  // of a store that may not write

  std::mutex shelf_mutex;              // held while a shelf is taken up
  std::shared_ptr<Shelf> owned_shelf;  // guarded by shelf_mutex
  std::atomic<Shelf*> shelf = nullptr;

  // One sync at a time, until what it lost is noted: whoever flushes then knows of all before.
  std::mutex sync_mutex;
  std::mutex catch_up_mutex;  // before sync_mutex: of puts that sync for all
  std::mutex flush_mutex;
  std::condition_variable flush_ended;
  bool is_flushing = false;             // guarded by flush_mutex
  std::uint64_t flushes_asked_for = 0;  // guarded by flush_mutex
  std::uint64_t flushes_done = 0;       // guarded by flush_mutex: asked for until that number

  std::mutex lost_mutex;
  // With the number of the loss, counted from 1; guarded by lost_mutex.
  std::map<Fingerprint, std::uint64_t> lost;
  std::string lost_because;  // guarded by lost_mutex
  std::atomic<std::uint64_t> losses = 0;
  std::atomic<bool> has_lost = false;
  // Which entry a file of its own belongs to, until the next flush; guarded by lost_mutex.
  std::map<Fingerprint, Fingerprint> unflushed_large;
};

class PackStoreImpl final : public PackStore {
 public:
  explicit PackStoreImpl(PackStoreOptions options);
  ~PackStoreImpl() override;

  Result<void> open();

  Result<std::optional<Artifact>> get(const Fingerprint& fingerprint) override;
  Result<std::optional<std::size_t>> get_into(const Fingerprint& fingerprint,
                                              std::span<std::byte> into) override;
  Result<std::vector<Lookup>> get_many(std::span<const Fingerprint> fingerprints) override;
  Result<std::optional<MappedView>> view(const Fingerprint& fingerprint) override;
  Result<void> put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                   const PutOptions& options) override;
  Result<bool> remove(const Fingerprint& fingerprint) override;
  Result<std::optional<EntryDetails>> inspect(const Fingerprint& fingerprint) override;
  Result<void> flush() override;
  Result<void> maintain() override;
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

 private:
  ProcessState& state() const { return state_.get(); }
  store_directory::StatisticsPlace statistics_place() const;

  // Null when there is no store yet, and for reading none is made.
  Result<Shelf*> shelf_for_reading();
  Result<Shelf*> shelf_for_writing();
  Result<Shelf*> take_shelf(ProcessState& process, store_directory::StoreDirectory::Root root);
  void leave_shelf(Shelf& shelf);

  // read.cc
  static bool is_not_in_index(const ProcessState& process, const Fingerprint& fingerprint);
  template <class Answer, class Reader>
  Result<std::optional<Answer>> read_one_of(Shelf& shelf, const EntryName& name,
                                            const Reader& reader);
  template <class Answer, class Reader, class SizeOf>
  Result<std::optional<Answer>> answer(const Fingerprint& fingerprint, const Reader& reader,
                                       const SizeOf& size_of);
  template <class Answer, class Reader>
  Result<std::optional<Answer>> find_and_read(const Fingerprint& fingerprint, const Reader& reader);
  Result<Candidate> read_artifact(Shelf& shelf, const EntryName& name, Found& found,
                                  std::optional<Artifact>& artifact);
  Result<Candidate> copy_into(Shelf& shelf, const EntryName& name, Found& found,
                              std::span<std::byte> into);
  Result<Candidate> read_into(Shelf& shelf, const EntryName& name, Found& found,
                              std::span<std::byte> into, std::optional<std::size_t>& length);
  static std::optional<MappedView> view_of(Artifact artifact);
  Result<Candidate> read_view(Shelf& shelf, const EntryName& name, Found& found,
                              std::optional<MappedView>& view);
  static Result<Candidate> view_large(Shelf& shelf, const Found& found,
                                      std::optional<MappedView>& view);
  static Result<Candidate> read_large(Shelf& shelf, const Found& found,
                                      std::optional<Artifact>& artifact);
  Result<Candidate> unpack(const Found& found, std::span<const std::byte> stored,
                           std::optional<Artifact>& artifact);
  void mark_visited(const Found& found) const;
  void forget_damaged(Shelf& shelf, const EntryName& name, const Found& found);
  void count_removal(Shelf& shelf);
  Result<bool> forget_slot(Shelf& shelf, std::uint64_t tag, std::uint64_t place_word);
  std::unexpected<Error> damaged(const Found& found) const;
  std::unexpected<Error> over_cap(const Fingerprint& fingerprint) const;

  // write.cc and remove.cc
  struct Writing;
  enum class Done { no, yes };
  Result<std::uint64_t> largest_record_payload();
  Result<void> put_checked(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                           const PutOptions& options, std::uint64_t losses_before);
  Result<void> write_until_published(Writing& writing);
  void count_put(const Writing& writing);
  Result<Done> put_large_once(Shelf& shelf, Writing& writing);
  void make_way(Shelf& shelf, Writing& writing, ReadEpochs::Guard& guard);
  Result<Done> put_once(Shelf& shelf, Writing& writing, ReadEpochs::Guard& guard);
  Result<Done> examine(Shelf& shelf, Writing& writing);
  Result<bool> holds_same(Shelf& shelf, Writing& writing, Found& found);
  static Result<bool> may_rely_on(Shelf& shelf, const Fingerprint& fingerprint, const Found& found);
  Result<void> store_large(Shelf& shelf, Writing& writing, const Fingerprint& key);
  Result<Done> rely_on_large(Shelf& shelf, Writing& writing);
  Error contended(const Fingerprint& fingerprint) const;
  Result<Done> append_and_publish(Shelf& shelf, Writing& writing);
  Result<void> retire_older_keys(Shelf& shelf, const Fingerprint& fingerprint,
                                 std::uint64_t losses_before);
  struct Removing;
  struct Removed {
    bool was_there = false;
    std::uint64_t written_bytes = 0;  // of removals
  };
  Result<Removed> remove_from(Shelf& shelf, const EntryName& name);
  Result<void> remove_until_gone(Shelf& shelf, Removing& removing);
  Result<store_directory::LockFile::Held> wait_for_rebuild(Shelf& shelf,
                                                           const Fingerprint& fingerprint);
  Result<Done> remove_once(Shelf& shelf, const Found& found, Removing& removing);
  Result<Done> confirm_removal(Shelf& shelf, Removing& removing);
  Result<void> finish_removal(Shelf& shelf, Removing& removing);
  static IndexTable::IsOther other_than(Shelf& shelf, const EntryName& name);

  // flush.cc
  Result<void> flush_in_turn();
  Result<void> flush_now();
  enum class Synced { all, not_all };
  Result<Synced> sync_shelf(ProcessState& process, Shelf& shelf);
  Dropping dropping(Shelf& shelf, std::uint64_t given_up);
  Result<Synced> sync_large(ProcessState& process, Shelf& shelf);
  std::set<Fingerprint> owners_of_unflushed_large() const;
  // `losses_before`, here and below: what `losses` was.
  bool was_lost_since(const Fingerprint& fingerprint, std::uint64_t losses_before);
  void note_lost(ProcessState& process, std::span<const Fingerprint> fingerprints,
                 const std::string& why);
  Result<void> settle_losses(ProcessState& process, Shelf& shelf, Writers::Lost& lost);
  static Result<void> distrust(Shelf& shelf, const std::vector<Writers::Lost::From>& distrusted);
  // Unless it was lost again after that many losses.
  void forget_loss(const Fingerprint& fingerprint, std::uint64_t losses_until);
  Result<void> lost_error();

  // get_many.cc
  void get_batch(Shelf& shelf, std::span<const Fingerprint> fingerprints,
                 std::span<Lookup> answers);
  static void verify_batch(std::span<const std::span<const std::byte>> payloads,
                           std::span<bool> is_good, std::span<const Digest> expected);

  // inspect.cc
  static Result<std::string> read_recipe(const Found& found);
  static Result<std::optional<EntryDetails>> inspect_large(Shelf& shelf, const Found& found);
  Result<std::optional<EntryDetails>> inspect_named(Shelf& shelf, const EntryName& name);
  Result<std::optional<EntryDetails>> inspect_in(Shelf& shelf, const Fingerprint& fingerprint);
  Result<std::optional<EntryDetails>> inspect_found(Shelf& shelf, const Found& found,
                                                    const Artifact& artifact);

  // visit.cc
  enum class NoEntry { gone, missing, damaged, unreadable };  // missing: its file is not there
  struct OddSlot {
    std::uint64_t tag = 0;
    std::uint64_t place_word = 0;
    NoEntry why = NoEntry::damaged;
  };
  using OddSlots = std::map<std::uint32_t, std::vector<OddSlot>>;  // by segment
  struct Described {
    EntryInfo info;
    std::uint64_t key_id = 0;
    std::optional<NoEntry> file_trouble = {};
  };
  static std::optional<NoEntry> trouble_with_file(Shelf& shelf, const format::Record& record);
  static std::expected<Described, NoEntry> describe_slot(Shelf& shelf, std::uint64_t tag,
                                                         std::uint64_t word,
                                                         std::shared_ptr<Segment>& keep);
  static bool is_hidden(Shelf& shelf, const IndexTable& table, const Described& entry);
  static std::expected<EntryInfo, NoEntry> describe_entry(Shelf& shelf, const IndexTable& table,
                                                          std::uint64_t tag, std::uint64_t word,
                                                          std::shared_ptr<Segment>& keep);
  // What leads to no entry that can be shown; nullopt when the visitor wanted no more.
  static Result<std::optional<OddSlots>> walk(Shelf& shelf, const EntryVisitor& visitor);
  static void drop_left(Shelf& shelf, OddSlots& odd);
  void tell_odd(Shelf& shelf, const OddSlots& odd);

  // strays.cc
  std::string path_of_segment(const format::SegmentName& name) const;
  static Result<void> list_segments(Shelf& shelf,
                                    const std::function<Visit(const format::SegmentName&)>& each);
  static std::optional<Error> trouble_with(Shelf& shelf, const format::SegmentName& name);
  std::vector<Stray> strays_of(Shelf& shelf, const format::SegmentName& name,
                               const std::vector<OddSlot>& slots, Repair repair);
  static std::string_view what_ails(NoEntry why);
  std::vector<Stray> stray_places(Shelf& shelf, const std::string& path,
                                  const std::vector<OddSlot>& slots, Repair repair);
  std::optional<Stray> missing_segment(Shelf& shelf, std::uint32_t number,
                                       const std::vector<OddSlot>& slots, Repair repair);
  enum class Told : std::uint8_t { nothing, trouble };
  std::optional<Stray> stray_index(Shelf& shelf, Repair repair, Told told);
  Result<bool> forget_lost(Shelf& shelf, const OddSlot& slot);
  Result<void> forget_slots(Shelf& shelf, const std::vector<OddSlot>& slots);
  Result<void> remove_segment(Shelf& shelf, const format::SegmentName& name,
                              const std::vector<OddSlot>& slots);

  // evict.cc
  bool make_room(Shelf& shelf, std::uint64_t put_bytes, ReadEpochs::Guard& guard);
  Result<void> catch_up(Shelf& shelf);
  Result<void> keep_up(Shelf& shelf, std::uint64_t put_bytes, ReadEpochs::Guard& guard);
  std::optional<std::set<std::uint32_t>> heal_index(Shelf& shelf);
  // What becomes of segments when the index could not be compared with them at all.
  enum class NotCompared : std::uint8_t { leaves, stays };
  using Upkeep = std::function<Result<void>(Shelf& shelf, Evictor::Caller& evicting)>;
  Result<void> keep_compared(ReadEpochs::Guard& guard, NotCompared not_compared,
                             const Upkeep& upkeep);
  void evict_for(Shelf& shelf, std::uint64_t put_bytes, ReadEpochs::Guard& guard);
  Evictor::Caller caller(Shelf& shelf, ReadEpochs::Guard& guard);
  void tell(const Evictor::Caller& evicted);

  void log(LogLevel level, const std::string& line) const;

  const PackStoreOptions options_;
  FileSystem& file_system_;
  const std::uint64_t max_payload_bytes_;
  const os::ForkAware<ProcessState> state_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_PACK_STORE_IMPL_H_
