#include "store/pack/segment.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/try.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

using HeaderCopies = std::array<std::byte, format::records_at>;

std::optional<format::SegmentHeader> either_copy(const HeaderCopies& copies) noexcept {
  const std::span<const std::byte> bytes(copies);
  if (auto first = format::decode_segment_header(bytes.first(format::segment_header_bytes))) {
    return first;
  }
  return format::decode_segment_header(bytes.subspan(format::segment_header_bytes));
}

}  // namespace

Segment::Segment(const format::SegmentIdentity& identity, std::shared_ptr<File> file,
                 std::uint64_t good_until) noexcept
    : identity_(identity),
      key_(format::segment_key(identity)),
      file_(std::move(file)),
      good_until_(good_until) {}

Result<std::shared_ptr<Segment>> Segment::open(Directory& segments, const Origin& origin,
                                               const format::SegmentName& name, OpenMode mode) {
  const std::string path = name.good_until_place
                               ? format::bad_segment_name(name.number, *name.good_until_place)
                               : format::segment_name(name.number);
  LARDER_TRY(std::shared_ptr<File> file, segments.open_file(path, mode));
  LARDER_TRY(const FileInfo info, file->info());
  if (!origin.trusts(info)) {
    return std::unexpected(
        Error{.code = Errc::not_ours, .message = path + ": belongs to another user"});
  }
  HeaderCopies copies = {};
  std::optional<format::SegmentHeader> header;
  if (info.kind == FileKind::regular) {
    LARDER_CHECK_OK(file->read_at(copies, 0));
    header = either_copy(copies);
  }
  if (!header || header->identity.store != origin.store || header->identity.number != name.number) {
    return std::unexpected(
        Error{.code = Errc::corrupt, .message = path + ": not a segment of this store"});
  }
  const std::uint64_t good_until =
      name.good_until_place ? *name.good_until_place * std::uint64_t{format::pack_unit_bytes}
                            : std::numeric_limits<std::uint64_t>::max();
  return std::make_shared<Segment>(header->identity, std::move(file), good_until);
}

Result<std::optional<format::SegmentName>> find_bad_segment(Directory& segments,
                                                            std::uint32_t number) {
  std::optional<format::SegmentName> bad;
  LARDER_CHECK_OK(segments.list([&](std::string_view name) {
    const auto parsed = format::parse_segment_name(name);
    if (parsed && parsed->number == number && parsed->good_until_place) bad = parsed;
    return !bad;
  }));
  return bad;
}

bool Segment::is_known_durable() {
  if (is_durable_.load(std::memory_order_relaxed)) return true;
  const auto end = read_end(*this);
  if (!end || !end->is_durable) return false;
  is_durable_.store(true, std::memory_order_relaxed);
  return true;
}

bool Segment::is_gone() const {
  const auto info = file_->info();
  return info && info->link_count == 0;
}

// The lock stays with the file: the last view and the last reader close it.
Result<Mapping*> Segment::mapping() {
  if (Mapping* mapped = mapping_.load(std::memory_order_acquire)) return mapped;
  const std::lock_guard lock(mapping_mutex_);
  if (!owned_mapping_) {
    LARDER_TRY(const bool locked, file_->try_lock(LockMode::shared, view_lock_at, 1));
    if (!locked) return std::unexpected(Error{.code = Errc::absent, .message = "has left"});
    LARDER_TRY(owned_mapping_, file_->map(OpenMode::read, longest_segment_bytes));
    mapping_.store(owned_mapping_.get(), std::memory_order_release);
  }
  return owned_mapping_.get();
}

void Segment::note_record_end(std::uint64_t offset) noexcept {
  std::uint64_t known = stays_until_.load(std::memory_order_relaxed);
  while (known < offset &&
         !stays_until_.compare_exchange_weak(known, offset, std::memory_order_relaxed)) {
  }
}

// A whole block at a time where the file has it: fewer calls, and the pages are there at once. What
// is not known to stay is checked for what is asked, each time.
Result<void> Segment::check_block(Mapping& mapping, std::uint64_t block, std::uint64_t from,
                                  std::uint64_t until) {
  auto& bits = checked_[block / 64];
  const std::uint64_t bit = std::uint64_t{1} << (block % 64);
  const bool stays = until <= stays_until_.load(std::memory_order_relaxed);
  if (stays && (bits.load(std::memory_order_relaxed) & bit) != 0) return {};
  if (mapping.check(block * block_bytes, block_bytes)) {
    bits.fetch_or(bit, std::memory_order_relaxed);
    return {};
  }
  return mapping.check(from, until - from);
}

Result<std::span<const std::byte>> Segment::mapped(std::uint64_t offset, std::uint64_t bytes) {
  LARDER_TRY(Mapping* const mapped, mapping());
  const std::uint64_t end = offset + bytes;
  if (end > mapped->bytes().size()) {
    return std::unexpected(Error{.code = Errc::io_error, .message = "beyond any segment"});
  }
  for (std::uint64_t block = offset / block_bytes; block * block_bytes < end; ++block) {
    const std::uint64_t from = std::max(offset, block * block_bytes);
    const std::uint64_t until = std::min(end, (block + 1) * block_bytes);
    LARDER_CHECK_OK(check_block(*mapped, block, from, until));
  }
  return std::span<const std::byte>(mapped->bytes().subspan(offset, bytes));
}

}  // namespace larder::pack_store
