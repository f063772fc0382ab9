// Making the index anew from the segments, which are the truth.
#ifndef LARDER_STORE_PACK_REBUILD_H_
#define LARDER_STORE_PACK_REBUILD_H_

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/derived_keys.h"
#include "store/pack/index.h"
#include "store/pack/segment_scan.h"
#include "store/pack/segment_table.h"
#include "store/pack/state_file.h"

namespace larder::pack_store {

struct RebuildParts {
  Directory& segments_directory;
  const Origin& origin;
  const format::SlotHash& hash;
  std::span<const DerivedKey> keys;  // what claims to be of one of them must be authentic
  SegmentTable& segments;
  Index& index;
  StateFile& state;
  LargeCheck large_is_good;
};

struct Rebuilt {
  std::uint64_t entries = 0;
  std::uint64_t highest_sequence = 0;
  std::uint64_t next_segment = 0;
  // Whose records no trailer proves to be on the disk.
  std::vector<format::SegmentName> unproven = {};
  // Places in them of what a kill, a power cut or damage has left of records.
  std::map<std::uint32_t, std::vector<std::uint32_t>> torn = {};
  bool is_complete = true;   // false: some part of the disk could not be read
  bool has_copies = false;   // of records that do not say that there is an older one
  bool hides_older = false;  // one of these is an older value
};

enum class IndexPlace {
  shared,             // nobody else is here
  beside_others,      // who put meanwhile: the new index is in use before the segments are read
  in_private_memory,  // of a reader, for long
  for_comparison,     // the same; what is moved or removed meanwhile may be missed, or still there
};

// Reads every segment, starts a new index and fills it with the newest record of each fingerprint,
// unless the newest one is a removal. Others may look up and put meanwhile: what they put is not
// lost, what they remove does not come back, what they look for may be missed. Beside others,
// `state` says from before the start to the end that the index is partial: after an error or a kill
// it goes on saying that. With the index lock held, unless the index is private; beside others with
// the eviction lock, too: who evicts takes for dead what the index lacks.
Result<Rebuilt> rebuild(const RebuildParts& parts, IndexPlace place);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_REBUILD_H_
