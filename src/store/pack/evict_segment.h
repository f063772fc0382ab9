// One segment on its way out, in steps.
//
// Crash and concurrency model. The source is locked, so that nobody appends to it or evicts it
// beside us, and none of its dead records can come to life. First all that shall stay is copied,
// under the sequences it had, then the copies are made durable; only then the index is led to them,
// entry by entry, where nobody was faster; and only when no entry leads to the source any more, it
// is unlinked. Killed at any point, the source is still there, or no longer needed; copies that
// nothing leads to are dead space.
//
// A record that leaves may be what kept an older one down at a rebuild. Where there is an older one
// in another segment, a removal with the sequence of the one that leaves takes its place. And a
// record may be dead because of a newer one that a power cut would still take: that one is made
// durable before its predecessor goes, so that a crash leaves the old entry or the new one.
#ifndef LARDER_STORE_PACK_EVICT_SEGMENT_H_
#define LARDER_STORE_PACK_EVICT_SEGMENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "store/pack/evict_older.h"
#include "store/pack/evict_usage.h"
#include "store/pack/large_files.h"
#include "store/pack/shelf.h"

namespace larder::pack_store {

std::string path_of(const format::SegmentName& name);

// What an eviction tells the store about.
struct Gone {
  Eviction eviction;
  bool is_known = true;  // the fingerprint could be read
};

Gone gone_of(const format::Record& record, EvictionReason reason, std::int64_t now_s) noexcept;

// Of an entry whose header cannot be read any more.
Gone nameless(std::uint64_t bytes) noexcept;

// Makes durable what was carried; before that, nothing may lead to it. After an error it is lost,
// and the originals stand.
Result<void> sync_carried(Shelf& shelf, Writers& carriers);

class SegmentEviction {
 public:
  struct Parts {
    Shelf& shelf;
    FileSystem& file_system;
    Writers& carriers;
    OlderRecords& older;
  };

  // What becomes of an entry.
  struct Verdict {
    enum class Fate : std::uint8_t { carry, drop } fate = Fate::drop;
    EvictionReason reason = EvictionReason::bytes;
  };
  struct Asked {
    std::uint64_t place_word = 0;
    std::uint64_t bytes = 0;        // of the record, and of the file that it leads to
    std::uint64_t large_bytes = 0;  // of that file
    bool visited = false;
    std::uint64_t age_s = 0;  // 0 when visited, or when nobody wants to know
  };
  enum class WhenFull { give_up, drop };
  // What stood in sectors that the disk cannot give.
  enum class LostSectors {
    keep,   // the segment: it may be readable again, and hold removals that must not be undone
    leave,  // with the segment
  };

  // Those that have to stay as long as older records of their entries stand in other segments.
  enum class Removals {
    move,  // to another segment, however many there are
    stay,  // with their segment, where it holds little else
  };

  struct Rules {
    std::function<Verdict(const Asked&)> judge;
    WhenFull when_full = WhenFull::give_up;  // when the disk has no room for what shall be carried
    bool needs_age = false;
    LostSectors lost_sectors = LostSectors::keep;
    Removals removals = Removals::move;
  };

  static Verdict carry_all(const Asked&) { return {.fate = Verdict::Fate::carry}; }

  // What has left, and somebody idle has open: when its blocks come back.
  enum class Blocks {
    when_closed,
    at_once,  // for a sync of the directory
  };

  // What the caller lends for one step.
  struct Step {
    std::uint64_t bytes = 0;         // about how much to read and write
    std::function<Blocks()> blocks;  // asked when it leaves
    std::function<bool()> sync_own;  // flushes this process's segments; whether all went well
    std::vector<Gone>& gone;         // appended to, and so is the next one
    std::vector<Error>& told;        // of what costs no entry
  };

  // Null when the segment is gone, or locked by whoever writes or evicts it.
  static Result<std::unique_ptr<SegmentEviction>> begin(const Parts& parts,
                                                        const format::SegmentName& name,
                                                        Rules rules);
  ~SegmentEviction();

  // Whether an error of begin() is that the disk cannot give it, or parts of it.
  static bool is_unreadable(const Error& error) noexcept;

  std::uint32_t number() const noexcept { return on_disk_.name.number; }
  // From the first copy, or the first that leaves the index; then it counts as taking out.
  bool has_begun() const noexcept { return has_begun_; }

  // Before the first step: the bytes of removals that would have to go on, where they are most of
  // it and the rules let them stay; else 0.
  struct Staying {
    std::uint64_t bytes = 0;
    std::uint64_t of_bytes = 0;  // of all records
  };
  Result<Staying> staying_removals();

  // True when the segment is gone. After an error it stays, and this object is of no more use.
  Result<bool> advance(const Step& step);

  // Whether an error of advance() says nothing of other segments: this one cannot be read, or what
  // replaced its entries cannot be made durable now.
  bool is_own_failure(const Error& error) const noexcept {
    return is_unreadable_ || error.code == Errc::timed_out;
  }

  // What it takes on disk.
  std::uint64_t disk_bytes() const noexcept { return on_disk_.disk_bytes; }
  std::uint64_t used_bytes() const noexcept { return on_disk_.used_bytes; }
  std::uint64_t carried_bytes() const noexcept { return carried_bytes_; }
  // Afterwards: whether most of it stands in another segment now, though the rules let it go.
  bool had_to_stay() const noexcept {
    return rules_.removals == Removals::stay &&
           carried_bytes_ - spared_bytes_ > on_disk_.used_bytes / 2;
  }
  // Afterwards: whether somebody has it mapped, so that its blocks have not come back yet. They do
  // when he closes it, or when this is called once more then.
  bool is_viewed() const noexcept { return is_viewed_; }
  void give_back_blocks() noexcept;
  // Where what stays of it is.
  const std::set<std::uint32_t>& destinations() const noexcept { return destinations_; }

 private:
  enum class Phase { copy, settle, swing, bury, leave, gone };
  enum class Fate : std::uint8_t { unseen, dead, carry, drop };
  struct Item {
    format::SummaryEntry entry;
    std::uint64_t moved_to = 0;
    Fate fate = Fate::unseen;
    EvictionReason reason = EvictionReason::bytes;
    bool visited = false;
    bool needs_removal = false;  // when it has been dropped
    bool is_told = false;        // dropped before, and led back to since
  };

  SegmentEviction(const Parts& parts, const SegmentOnDisk& on_disk, Rules rules,
                  std::shared_ptr<Segment> segment);

  std::uint64_t place_word(const Item& item) const noexcept;
  Result<std::size_t> read(std::span<std::byte> into, std::uint64_t offset);
  Result<bool> read_header(const Item& item, format::Record& record);

  void note_begun();
  Result<bool> copy(std::uint64_t bytes);
  Result<std::uint64_t> sort_out(Item& item);
  Result<Verdict> judge(const Item& item);
  Result<std::uint64_t> carry(Item& item);

  Result<void> settle(const Step& step);
  Result<bool> may_uncover(const Item& item) const;
  Result<void> leave_tombstones();
  Result<bool> carry_for_owner(Item& item);
  Result<void> leave_tombstone(const Item& item);

  Result<void> check_destinations() const;
  Result<bool> swing(const Step& step);
  Result<void> swing_one(Item& item, const Step& step);
  Result<void> drop(Item& item, const Step& step);
  void tell(const Item& item, const Step& step);
  Result<void> forget_unlisted(const Step& step);

  Result<void> bury();
  Result<bool> is_led_back() const;
  Result<void> leave(const Step& step);
  bool is_secured(const format::Location& location);
  Result<void> secure_successors(const Step& step);
  bool leaves_for_good(const Step& step);
  void drop_large_files(const Step& step);
  bool is_made_to_last(const format::Location& location, const Step& step);
  bool bury_once_more(const format::Record& record);
  bool may_be_older_than_unread(std::uint64_t place_word) const;
  void look_for_others(std::vector<std::pair<format::Record, Absent>>& left);

  const Parts parts_;
  const SegmentOnDisk on_disk_;
  const Rules rules_;
  const std::shared_ptr<Segment> segment_;
  std::vector<Item> items_;
  bool from_summary_ = false;
  Phase phase_ = Phase::copy;
  std::size_t next_ = 0;
  std::uint64_t carried_bytes_ = 0;
  std::uint64_t spared_bytes_ = 0;  // of these, what the rules let stay
  std::set<std::uint32_t> destinations_;
  std::map<std::uint32_t, std::uint64_t> secured_until_;  // offsets in segments of successors
  // Of those that have a file, which no offset tells of: their places.
  std::unordered_set<std::uint64_t> secured_files_;
  bool has_begun_ = false;
  const std::uint64_t given_up_ = parts_.shelf.given_up();  // before anything has left
  bool leaves_out_tombstones_ = false;
  bool has_removals_ = false;  // of entries that lived until now
  bool is_unreadable_ = false;
  bool is_viewed_ = false;
  bool has_left_for_good_ = false;  // no power cut brings it back
  std::vector<std::byte> buffer_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_SEGMENT_H_
