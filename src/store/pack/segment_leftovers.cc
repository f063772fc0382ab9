#include "store/pack/segment_leftovers.h"

#include <string>
#include <vector>

#include "format/pack_segment.h"
#include "store/pack/segment_writer.h"

namespace larder::pack_store {
namespace {

bool is_headless(const Result<FileInfo>& info) {
  return info && info->kind == FileKind::regular && info->size_bytes < format::segment_header_bytes;
}

void remove_if_left(Directory& segments, const std::string& name) {
  const auto file = segments.open_file(name, OpenMode::read_write);
  if (!file) return;
  const auto locked = (*file)->try_lock(LockMode::exclusive, owner_lock_at, 1);
  if (!locked || !*locked) return;
  // Before the lock was ours a header may have been written, or somebody else has removed it.
  const auto info = (*file)->info();
  const auto named = segments.info_at(name);
  if (!is_headless(info) || !named || !named->same_file(*info)) return;
  (void)segments.remove_file(name);
}

}  // namespace

void remove_headless_segments(Directory& segments) {
  std::vector<std::string> headless;
  (void)segments.list([&](std::string_view name) {
    const auto parsed = format::parse_segment_name(name);
    const bool is_segment = parsed && !parsed->good_until_place;
    if (is_segment && is_headless(segments.info_at(name))) headless.emplace_back(name);
    return true;
  });
  for (const std::string& name : headless) remove_if_left(segments, name);
}

}  // namespace larder::pack_store
