// Everything of a pack store that belongs to one open directory: when the directory is deleted or
// replaced, the store takes a new shelf.
#ifndef LARDER_STORE_PACK_SHELF_H_
#define LARDER_STORE_PACK_SHELF_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/derived_keys.h"
#include "larder/pack_store.h"
#include "store/directory/lock_file.h"
#include "store/file/file_store.h"
#include "store/pack/index.h"
#include "store/pack/read_epochs.h"
#include "store/pack/rebuild.h"
#include "store/pack/segment_leftovers.h"
#include "store/pack/segment_table.h"
#include "store/pack/state_file.h"
#include "store/pack/sync_marks.h"
#include "store/pack/writers.h"

namespace larder::pack_store {

// A 64th of the budget, or of the file system where that is smaller: a full disk, or an exceeded
// budget, costs whole segments.
std::uint64_t segment_capacity(const Budget& budget, const SpaceInfo& space) noexcept;

class Evictor;

class Shelf {
 public:
  struct Parts {
    const PackStoreOptions& options;
    FileSystem& file_system;
    store_directory::StoreDirectory::Root root;
    std::shared_ptr<store_directory::LockFile> locks;
    ReadEpochs& epochs;
    std::string path;
  };

  // Opens what is in the root, and makes what is missing unless the store is read-only. After an
  // unclean end, the index is rebuilt first. Errors as open_pack_store.
  static Result<std::unique_ptr<Shelf>> open(const Parts& parts);

  // Lets go of everything. When nothing is unflushed and nobody else is here, the index is made
  // durable, so that the next open need not rebuild it.
  ~Shelf();

  Shelf(const Shelf&) = delete;
  Shelf& operator=(const Shelf&) = delete;

  bool read_only() const noexcept { return parts_.options.access == Access::read_only; }
  std::uint64_t generation() const noexcept { return parts_.root.generation; }

  // Whether this is still what the store's path leads to: root, segments and state at their names.
  Result<bool> is_in_place();

  // Before the first change of the index: see StateFile.
  Result<void> prepare_to_change();

  // Whether entries may be missing from the index that are in the segments: it is being made anew
  // beside this process, or whoever did that was killed. Then nothing may be taken for dead because
  // the index lacks it; the next open makes it whole.
  bool index_is_partial() const;

  // Whether a rebuild could find entries that have left the index: their records stand in segments,
  // or older ones do, and no removal that is known to be durable tells of it. Noted before they
  // leave.
  // As long as another process evicts, too, or anybody removes: he may have been killed.
  bool has_forgotten() const {
    return state_->word(format::StateWord::forgotten).load() != 0 ||
           state_->word(format::StateWord::taking_out).load() > own_evictions_.load();
  }
  // Whether anybody may be taking entries out of the index, but for so many evictions of the
  // caller.
  bool others_take_out(std::uint64_t own_evictions) const {
    return state_->word(format::StateWord::taking_out).load() > own_evictions;
  }
  void note_forgotten() {
    std::uint64_t nothing = 0;
    (void)state_->word(format::StateWord::forgotten).compare_exchange_strong(nothing, 1);
  }
  // Another number than before, when what somebody took out is counted there no longer, and is not
  // known to be on the disk: to be asked after that one. That something was forgotten, as each
  // eviction notes before it takes anything out, changes nothing.
  std::uint64_t given_up() const;
  void note_given_up();
  // Around what an eviction copies and lets go of. Who is killed in between stays counted until the
  // next rebuild by a process that is alone.
  void begin_eviction() {
    ++own_evictions_;
    state_->word(format::StateWord::taking_out).fetch_add(1);
  }
  void end_eviction() {
    state_->word(format::StateWord::taking_out).fetch_sub(1);
    --own_evictions_;
  }

  // The same around what a removal takes out of the index: an emptied slot goes without a trace
  // when the index grows. It counts for this process, too. Unless it is said to be settled, it is
  // noted as forgotten.
  class TakingOut {
   public:
    explicit TakingOut(Shelf& shelf) : shelf_(shelf) {
      shelf_.state_->word(format::StateWord::taking_out).fetch_add(1);
    }
    ~TakingOut();
    TakingOut(const TakingOut&) = delete;
    TakingOut& operator=(const TakingOut&) = delete;

    void settle() noexcept { is_settled_ = true; }
    // It lasts until a sync that begins from now on.
    void keep_until_synced() noexcept {
      is_kept_ = true;
      ++shelf_.taken_out_unsynced_;
    }

   private:
    Shelf& shelf_;
    bool is_settled_ = false;
    bool is_kept_ = false;
  };
  std::uint64_t taken_out_unsynced() const noexcept { return taken_out_unsynced_; }
  // So many of those are on the disk now, or it is noted that they are not.
  void end_taken_out_unsynced(std::uint64_t count) {
    taken_out_unsynced_ -= count;
    end_taken_out(count);
  }

  // Whether the index was made without a segment that could not be read; and whether that may hold
  // something newer.
  bool was_made_without_some() const { return may_be_older_than_unread(0); }
  bool may_be_older_than_unread(std::uint64_t sequence) const {
    return sequence < state_->word(format::StateWord::unread_below).load();
  }

  // Whether this has made an index of its own, and now there may be a shared one: the store is to
  // be opened anew. Only of one that was opened read-only.
  bool has_own_index() const noexcept { return has_own_index_; }
  bool is_outdated() { return has_own_index_ && may_share_index(); }

  // How many whole entries the segments hold and the index lacks: it was damaged, or a put was
  // killed. Of segments that somebody is at work on nothing is said. Reads them all. Errors: could
  // not be found out.
  Result<std::uint64_t> count_hidden();
  // Makes the index anew when there are any, beside whoever is here; returns how many there were.
  // Also when whoever made it anew did not come to the end: then it is not known how many.
  Result<std::uint64_t> heal_index();
  // The same for who comes often, and would read all of the store each time: once in a process, and
  // again when segments can be compared that others were at work on, when there is another index,
  // or when note_index_may_lack() said so. Other damage comes while nobody has the store open.
  Result<void> heal_index_at_first();
  // A slot has led to damage, which may have been its own; or to a copy that is not on the disk.
  void note_index_may_lack() noexcept { may_lack_more_ = true; }
  // Of which the index may still lack entries, since somebody was at work there.
  std::set<std::uint32_t> uncompared_segments();
  // To be taken before a look at the index; then, whether all that the segments hold could be found
  // in it: else it was being made anew, and what was absent may be there.
  struct IndexSeen {
    std::uint64_t rebuilds = 0;
    bool is_partial = false;
  };
  IndexSeen see_index() const noexcept;
  bool index_was_whole_since(const IndexSeen& seen) const noexcept {
    return !seen.is_partial && rebuilds() == seen.rebuilds;
  }
  // Whether the index is still the one that was compared, or has grown out of it. Who made it anew
  // may not have read all.
  bool index_was_compared() const noexcept { return rebuilds() == compared_at_rebuilds_.load(); }

  // What an index would be that is made of the segments now, in private memory. Reads them all.
  // Errors: not all of it can be known.
  Result<std::unique_ptr<Index>> index_of_segments();

  // A segment has left: its name has to be off the disk before an index without it is called clean.
  void note_unlinked() noexcept { has_unlinked_ = true; }

  // To the store's log, with its path.
  void tell(LogLevel level, std::string_view message) const;

  // Makes the names of segments durable, for upkeep. By a handle of its own: a failure is told once
  // to each, and one that upkeep is told must not be lost to the flush that it concerns.
  Result<void> sync_names();

  // Closes what is open of segments that others have unlinked, when there are any.
  void drop_gone_segments();

  // About how many entries there are, for people.
  void count_entries(std::int64_t change) noexcept {
    state_->word(format::StateWord::entries).fetch_add(static_cast<std::uint64_t>(change));
  }

  // The next sequence: unique in the store, and higher than any that was given before.
  std::uint64_t next_sequence() noexcept {
    return state_->word(format::StateWord::sequence).fetch_add(1);
  }

  // The keys of this store object: the first one writes. One with id 0 when it has none.
  std::span<const DerivedKey> keys() const noexcept { return keys_; }
  bool has_key(std::uint64_t id) const noexcept { return find_key(keys_, id) != nullptr; }

  std::uint64_t tag_of(const Fingerprint& fingerprint, std::uint64_t key_id) const noexcept {
    return hash_(fingerprint, key_id);
  }
  std::uint64_t tag_of(const format::Record& record) const noexcept {
    return hash_(record.fingerprint, record.key_id);
  }
  const format::SlotHash& hash() const noexcept { return hash_; }
  const Origin& origin() const noexcept { return origin_; }

  Directory& root() noexcept { return *parts_.root.directory; }
  bool has_segments() const noexcept { return segments_directory_ != nullptr; }
  Directory& segments_directory() noexcept { return *segments_directory_; }
  LeftoverParts leftover_parts();
  StateFile& state() noexcept { return *state_; }
  SyncMarks marks() const noexcept { return SyncMarks(*state_); }
  Index& index() noexcept { return *index_; }
  SegmentTable& segments() noexcept { return *segments_; }
  // Where records end and files of their own begin: no record may fill more than a quarter of a
  // segment.
  std::uint64_t largest_record_payload() const noexcept;
  Writers& writers() noexcept { return *writers_; }
  Evictor& evictor() noexcept { return *evictor_; }
  file_store::FileStore& large() noexcept { return *large_; }
  store_directory::LockFile& locks() noexcept { return *parts_.locks; }

 private:
  // Locks on `state`.
  static constexpr std::uint64_t presence_at = 1ull << 41;
  static constexpr std::uint64_t door_at = presence_at + 1;

  explicit Shelf(const Parts& parts);

  Result<void> open_directories();
  Result<void> check_segments_directory();
  Result<void> open_state();
  Result<void> make_parts();
  Result<void> make_writers();
  Result<void> enter();
  enum class MadeAnew : std::uint8_t { by_this_process, by_another };
  Result<MadeAnew> make_index_anew(const IndexSeen& seen);
  Result<void> make_index_anew_alone();
  Result<void> make_index_good(bool alone);
  std::uint64_t rebuilds() const noexcept;
  Result<void> enter_read_only();
  void tell_torn(const Rebuilt& rebuilt) const;
  Result<Rebuilt> rebuild_index(IndexPlace place);
  void take_over(const Rebuilt& rebuilt, bool alone);
  Error of_part(std::string_view name, Error error) const;
  Error busy() const;
  Result<bool> pass_door(LockMode mode);
  Result<bool> come_in();
  Result<bool> share_index();
  bool may_share_index();
  struct Comparison {
    std::set<std::uint64_t> hidden;   // places of whole entries that the index lacks
    std::set<std::uint32_t> at_work;  // segments that somebody is at work on, and it lacks some of
  };
  enum class OwnSegments : std::uint8_t { left_out, compared };  // that this process writes
  Result<Comparison> compare_once(OwnSegments own);
  Result<Comparison> compare_index(OwnSegments own);
  Result<bool> comparison_is_due();
  void note_compared(std::set<std::uint32_t> but_for, std::uint64_t at_rebuilds);
  void end_taken_out(std::uint64_t count) {
    state_->word(format::StateWord::taking_out).fetch_sub(count);
  }
  Result<std::uint64_t> compare_and_heal();
  Result<void> note_made_anew(std::uint64_t hidden);
  Result<bool> is_good(const format::Record& record);
  Result<bool> is_alone();
  Result<bool> index_is_good(bool alone);
  bool is_last();
  Result<std::shared_ptr<Segment>> open_segment(std::uint32_t number);
  Result<std::vector<format::Record>> unproven_large_in_use();
  bool sync_unproven_files();
  bool sync_unproven();
  bool sync_unproven(const format::SegmentName& name);
  bool is_suspect(std::uint32_t number);
  bool is_gone(std::uint32_t number);
  void forget_settled_marks();
  void close_cleanly();

  const Parts parts_;
  const Origin origin_;
  const format::SlotHash hash_;
  const std::vector<DerivedKey> keys_;
  std::unique_ptr<Directory> segments_directory_;  // null: a read-only store that has none yet
  std::unique_ptr<Directory> upkeep_directory_;    // the same, by a handle of its own
  std::unique_ptr<Directory> carriers_directory_;  // the same, for the names of what is carried
  std::unique_ptr<StateFile> state_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<SegmentTable> segments_;
  std::uint64_t segment_bytes_ = 0;  // of a full one that this process writes
  std::unique_ptr<Writers> writers_;
  std::shared_ptr<file_store::FileStore> large_;
  // Of a rebuild, by a process that was alone; and the records there that lead to files.
  std::vector<format::SegmentName> unproven_;
  std::vector<format::Record> unproven_large_;
  bool has_entered_ = false;
  bool has_own_index_ = false;
  std::atomic<bool> may_lack_more_ = false;  // than `uncompared_` says
  std::mutex heal_mutex_;                    // before the next one
  std::atomic<std::uint64_t> compared_at_rebuilds_ = ~0ull;
  std::atomic<std::uint64_t> made_at_rebuilds_ = 0;  // the index that this process made anew last
  std::mutex uncompared_mutex_;
  std::optional<std::set<std::uint32_t>> uncompared_;  // segments; nullopt: all of them
  std::atomic<bool> is_complete_ = true;               // the index that this process made anew last
  std::uint64_t own_since_generation_ = 0;
  // Set when the shared index could not be read and is perhaps good: others may go on with it.
  std::optional<std::uint64_t> own_since_sequence_;
  std::optional<FileInfo> refused_state_;
  std::mutex change_mutex_;
  std::atomic<bool> has_changed_ = false;  // set with change_mutex_ held
  std::atomic<std::uint64_t> gone_seen_ = 0;
  std::atomic<std::uint64_t> own_evictions_ = 0;
  std::atomic<std::uint64_t> taken_out_unsynced_ = 0;
  std::atomic<bool> has_unlinked_ = false;
  std::unique_ptr<Evictor> evictor_;  // null when there are no segments
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SHELF_H_
