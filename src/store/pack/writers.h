// The segments that this process writes, and their way to the disk.
#ifndef LARDER_STORE_PACK_WRITERS_H_
#define LARDER_STORE_PACK_WRITERS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/pack/segment_table.h"
#include "store/pack/segment_writer.h"
#include "store/pack/state_file.h"
#include "store/pack/sync_marks.h"

namespace larder::pack_store {

// Threads that append without waiting for each other.
inline constexpr std::size_t writer_slots = 4;

// Of segments that nobody else can evict.
struct MostSegments {
  std::size_t open = writer_slots;
  // Full ones that wait for a sync. Each holds a descriptor, and a segment's worth of the page
  // cache.
  std::size_t unsynced = 2 * writer_slots;
};

// Any thread may call any function.
class Writers {
 public:
  enum class Adopt { yes, no };

  struct Parts {
    FileSystem& file_system;
    Directory& segments;
    StateFile& state;
    SegmentTable& table;
    Origin origin;
    SegmentWriter::Options options;
    MostSegments most = {};
    Adopt adopt = Adopt::yes;  // segments that their owners left
  };

  explicit Writers(const Parts& parts) : parts_(parts), marks_(parts.state) {}

  // A segment to append to, for one thread at a time.
  struct Claimed {
    std::unique_lock<std::mutex> slot;
    std::shared_ptr<SegmentWriter> writer;
    std::unique_lock<std::mutex> lock;
  };

  // One with room for a record of that length, and for the file that it leads to. Adopts or makes a
  // segment when it has to.
  Result<Claimed> claim(std::uint64_t record_bytes, std::uint64_t large_bytes = 0);

  // Whether the segment is written by this process; then the next flush covers the record too.
  bool rely_on(const format::Location& location, const Fingerprint& fingerprint);

  // Whether the segment is one of these, and a sync of it has covered the record.
  bool has_synced(const format::Location& location);

  // Whether the segment is one of these.
  bool writes(std::uint32_t number);

  // All of its records; nullopt when it is none of these, or they are not known without reading it.
  std::optional<std::vector<format::SummaryEntry>> entries_of(std::uint32_t number);

  // Seals what is open: after the next sync nothing is this process's any more.
  Result<void> seal_all();

  // Gives back what is allocated ahead.
  void trim_all();

  // What a sync could not make durable.
  struct Lost {
    std::vector<Fingerprint> fingerprints;
    std::optional<Error> error = {};
    // It could not be found out whether the store is still in its place. Nothing is lost yet: all
    // of it waits for the next sync.
    std::optional<Error> undecided = {};
    // Segments of which nothing from an offset on may be served any more.
    struct From {
      std::uint32_t segment = 0;
      std::uint64_t offset = 0;
    };
    std::vector<From> distrusted;
  };

  // Syncs every segment that has something unsynced, once; then the names of the new ones; then
  // asks whether all of it is still where the store is. When it is not, everything is lost.
  // Before the first segment, and after it was settled which records are meant, `sync_files` syncs
  // the files that they lead to; false when some are lost: then no segment is proven.
  using InPlace = std::function<Result<bool>()>;
  using SyncFiles = std::function<bool()>;
  // When memory runs out half-way, the next call tells what this one could not.
  Lost sync(const InPlace& in_place, const SyncFiles& sync_files = {});

  // The next sync tells this once more. Before anybody calls that.
  void tell_again(Lost lost) noexcept { lost_ = std::move(lost); }

  // Ends all segments, so that others may evict them. Not before everything is synced.
  void close_all();

  // How many puts wait for a sync, those of `others` included.
  std::size_t pending(std::set<Fingerprint> others = {});

  // Whether nothing waits for a sync, and all that was lost was told.
  bool is_settled();

  // Whether so many full segments wait for a sync that a put should see to it, or that all should
  // wait for it.
  enum class Behind { no, a_little, far };
  Behind behind();

  // Whether any full segment waits for a sync.
  bool has_sealed();

  // What would leave if all that takes more records were sealed and evicted, but for `others`.
  struct Open {
    std::uint64_t record_bytes = 0;
    std::uint64_t most_large_bytes = 0;
  };
  Open open_bytes(const std::set<std::uint32_t>& others);

 private:
  struct Slot {
    std::mutex mutex;  // before the writer's own
    std::shared_ptr<SegmentWriter> writer;
  };
  struct Job {
    std::shared_ptr<SegmentWriter> writer;
    SegmentWriter::Unsynced unsynced;
    std::string bad_name;  // should the sync fail: then there may be no memory for it
  };
  enum class Tried { no, yes };
  // Of what was synced, when it cannot be found out whether it is where the store is.
  enum class Undecided {
    waits,    // for the next sync
    is_lost,  // as others are already: who is told of some must be told of all
  };

  Result<Claimed> claim_in(Slot& slot, std::unique_lock<std::mutex> held,
                           std::uint64_t record_bytes, std::uint64_t large_bytes);
  Result<std::shared_ptr<SegmentWriter>> open_segment(std::uint64_t record_bytes, Adopt adopt);
  Result<std::shared_ptr<SegmentWriter>> adopt_segment();
  std::unexpected<Error> give_back(std::uint64_t number, Error error);
  Result<std::shared_ptr<SegmentWriter>> create_segment(const SegmentWriter::Options& options);
  Result<void> retire_full(const std::shared_ptr<SegmentWriter>& writer);
  void leave_hint(std::uint32_t number);
  std::vector<std::shared_ptr<SegmentWriter>> all();
  static bool has_unsynced(SegmentWriter& writer);
  static std::string bad_name_of(const SegmentWriter& writer);
  std::vector<Job> find_jobs();
  Result<Tried> sync_one(const Job& job);
  void note_failure(SegmentWriter& writer, const std::optional<SyncMarks::Mark>& mark) noexcept;
  Result<bool> is_at_its_name(const SegmentWriter& writer);
  Result<void> sync_names(std::vector<Job>& jobs);
  void finish(Job& job);
  static void withhold_proof(Job& job);
  Result<void> rename_bad(const Job& job);
  void lose(const Job& job, const Error& why);
  void lose_what_came_since(const Error& why);
  void drop(const std::shared_ptr<SegmentWriter>& writer);

  const Parts parts_;
  SyncMarks marks_;
  std::array<Slot, writer_slots> slots_;
  std::mutex sync_mutex_;  // one sync at a time
  Lost lost_;              // guarded by sync_mutex_: not told yet
  std::mutex sealed_mutex_;
  std::vector<std::shared_ptr<SegmentWriter>> sealed_;  // guarded by sealed_mutex_
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_WRITERS_H_
