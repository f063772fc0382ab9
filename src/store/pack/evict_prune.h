// Which entries a prune takes, before anything is changed.
#ifndef LARDER_STORE_PACK_EVICT_PRUNE_H_
#define LARDER_STORE_PACK_EVICT_PRUNE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "store/pack/evict_usage.h"

namespace larder::pack_store {

// Segments are the units of disk space: a segment of which an entry leaves is written anew without
// it, and without its dead records. What is in segments that others write can be forgotten, but
// frees nothing. What was used least recently leaves first; what was read since the last eviction
// step counts as used now. Where only that saves it from its age, its record is written anew with
// the time: else the mark, which has none, would save it at the next prune too, and for ever.
class PrunePlan {
 public:
  struct Parts {
    Shelf& shelf;
    const Budget& budget;
    const OnDisk& disk;
    std::uint64_t free_bytes = 0;
    std::int64_t now_s = 0;
    std::function<bool(const format::SegmentName&)> may_go;  // nobody else holds it
  };

  static Result<PrunePlan> make(const Parts& parts);

  // By place word: what leaves, and why.
  using Leaving = std::unordered_map<std::uint64_t, EvictionReason>;
  const Leaving& leaving() const noexcept { return leaving_; }

  // Place words of entries that are to be written anew with another time of last use, while their
  // segments stay: others write them.
  const std::vector<std::uint64_t>& renewed() const noexcept { return renewed_; }

  bool changes_nothing() const noexcept {
    return leaving_.empty() && renewed_.empty() && segments().empty();
  }

  // Everything that is there, in the same form.
  static Result<Leaving> all_of(Shelf& shelf, EvictionReason reason);

  // Those to be written anew, oldest first.
  std::vector<format::SegmentName> segments() const;
  // Whether nothing lives in it: then no entry leaves with it, or is renewed.
  bool is_dead(std::uint32_t segment) const { return sources_.at(segment).live_bytes == 0; }
  std::uint64_t disk_bytes(std::uint32_t segment) const { return sources_.at(segment).disk_bytes; }
  // As if it had been carried out.
  const PruneReport& report() const noexcept { return report_; }

 private:
  struct Entry {
    std::uint64_t word = 0;  // with marks
    std::uint64_t sequence = 0;
    std::uint64_t record_bytes = 0;
    std::uint64_t large_bytes = 0;
    std::uint32_t used_s = 0;
    bool visited = false;
  };
  struct Source {
    format::SegmentName name;
    std::uint64_t disk_bytes = 0;
    std::uint64_t live_bytes = 0;
    bool may_go = false;
    bool is_touched = false;
  };

  explicit PrunePlan(const Parts& parts);

  Result<void> find_entries(const Parts& parts);
  void compact_hollow(const Parts& parts);
  void choose(const Parts& parts);
  void spare(const Parts& parts);
  void touch(Source& source);
  static bool is_too_old(const Parts& parts, const Entry& entry) noexcept;
  std::optional<EvictionReason> reason(const Parts& parts, const Entry& entry,
                                       const Source& source) const;
  void renew(const Entry& entry, Source& source);
  bool wants_bytes(const Parts& parts) const;
  static std::uint64_t freed_by(const Entry& entry, const Source& source) noexcept;
  void leave(const Entry& entry, Source& source, EvictionReason reason);

  std::vector<Entry> entries_;
  std::map<std::uint32_t, Source> sources_;
  Leaving leaving_;
  std::vector<std::uint64_t> renewed_;
  std::uint64_t before_ = 0;
  PruneReport report_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_PRUNE_H_
