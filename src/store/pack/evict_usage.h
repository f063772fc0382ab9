// What a pack store takes on disk, counted file by file, and what is in it.
#ifndef LARDER_STORE_PACK_EVICT_USAGE_H_
#define LARDER_STORE_PACK_EVICT_USAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "store/pack/shelf.h"

namespace larder::pack_store {

// Answers to IndexTable::IsOther for who need not read: who expects a place passes everything else
// by; who puts back what he took out gives way to whatever stands there now.
inline bool always_other(std::uint64_t) noexcept { return true; }
inline bool never_other(std::uint64_t) noexcept { return false; }

struct SegmentOnDisk {
  format::SegmentName name;
  std::uint64_t used_bytes = 0;  // without the blocks that its writer has allocated ahead
  std::uint64_t disk_bytes = 0;
};

SegmentOnDisk on_disk_of(const format::SegmentName& name, const FileInfo& info) noexcept;

struct OnDisk {
  std::vector<SegmentOnDisk> segments;  // oldest first
  std::uint64_t large_bytes = 0;        // artifacts in files of their own, and their folders
  std::uint64_t index_bytes = 0;
  std::uint64_t other_bytes = 0;  // the rest: state, locks, marker, folders

  // All of it but the index, whose size every process knows at once, and the blocks allocated
  // ahead. This is what `state` keeps.
  std::uint64_t used_bytes() const noexcept;
  // As `du` counts.
  std::uint64_t disk_bytes() const noexcept;
};

std::uint64_t count_entries(const IndexTable& table) noexcept;

// The word of the slot that leads to exactly that place, with its marks. Errors, here and below: it
// is not known.
Result<std::optional<std::uint64_t>> find_word(Shelf& shelf, std::uint64_t tag,
                                               std::uint64_t place_word);
// The place that the index has for a tag.
Result<std::optional<std::uint64_t>> find_place(Shelf& shelf, std::uint64_t tag);

// The header there; nullopt when it is damaged or gone. `keep` as in SegmentTable::find.
Result<std::optional<format::Record>> read_record(Shelf& shelf, const format::Location& location,
                                                  std::shared_ptr<Segment>& keep);
// The same; nullopt also when it cannot be read now.
std::optional<format::Record> describe_record(Shelf& shelf, const format::Location& location);
// One after another in the order of their segments.
std::optional<format::Record> describe_record(Shelf& shelf, const format::Location& location,
                                              std::shared_ptr<Segment>& keep);

// What goes away meanwhile is not counted. Files of their own are known from the usage that their
// store keeps, or found one by one.
enum class LargeFiles { as_kept, one_by_one };
Result<OnDisk> look_at_disk(Shelf& shelf, LargeFiles large);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_EVICT_USAGE_H_
