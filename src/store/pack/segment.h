// An open segment, for reading. Any thread may call any function.
#ifndef LARDER_STORE_PACK_SEGMENT_H_
#define LARDER_STORE_PACK_SEGMENT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "format/pack_segment.h"
#include "larder/file_system.h"
#include "store/pack/origin.h"

namespace larder::pack_store {

// On every segment file: held, shared, by whoever has mapped it.
inline constexpr std::uint64_t view_lock_at = (1ull << 40) + 1;

// Room for the records of a full segment and for its summary.
inline constexpr std::uint64_t longest_segment_bytes = 96ull << 20;

class Segment : public std::enable_shared_from_this<Segment> {
 public:
  Segment(const format::SegmentIdentity& identity, std::shared_ptr<File> file,
          std::uint64_t good_until) noexcept;

  // absent: there is no such segment. corrupt: neither header is good, so that nothing in it can be
  // verified. not_ours: another user's, or no file. `good_until` bounds what may be believed.
  static Result<std::shared_ptr<Segment>> open(Directory& segments, const Origin& origin,
                                               const format::SegmentName& name, OpenMode mode);

  std::uint32_t number() const noexcept { return identity_.number; }
  const format::SegmentKey& key() const noexcept { return key_; }
  const std::shared_ptr<File>& file() const noexcept { return file_; }
  std::uint64_t good_until() const noexcept { return good_until_.load(std::memory_order_relaxed); }

  // Whether a good trailer proves that the disk has all of it. Asked of the file until it does.
  bool is_known_durable();

  // From now on nothing from there on is served.
  void distrust_from(std::uint64_t offset) noexcept { good_until_.store(offset); }

  // Whether a record there may be believed at all.
  bool covers(std::uint64_t offset, std::uint64_t bytes) const noexcept {
    return offset >= format::records_at && offset + bytes <= good_until();
  }

  // Whether its file was removed: then nobody's index leads to it, and what it held may be cut off.
  bool is_gone() const;

  // The bytes where they lie, mapped; io_error when the file does not have them, absent when it is
  // about to be cut. They may change at any time: see MappedView.
  Result<std::span<const std::byte>> mapped(std::uint64_t offset, std::uint64_t bytes);

  // A record that ends there was verified: its owner will not cut the file before it.
  void note_record_end(std::uint64_t offset) noexcept;

 private:
  static constexpr std::uint64_t block_bytes = 64u << 10;
  static constexpr std::size_t block_count = longest_segment_bytes / block_bytes;

  Result<Mapping*> mapping();
  Result<void> check_block(Mapping& mapping, std::uint64_t block, std::uint64_t from,
                           std::uint64_t until);

  const format::SegmentIdentity identity_;
  const format::SegmentKey key_;
  const std::shared_ptr<File> file_;
  std::atomic<std::uint64_t> good_until_;
  std::atomic<bool> is_durable_ = false;

  std::mutex mapping_mutex_;
  std::unique_ptr<Mapping> owned_mapping_;  // guarded by mapping_mutex_
  std::atomic<Mapping*> mapping_ = nullptr;
  // Behind the last record that was seen there may be zeros that will be cut off.
  std::atomic<std::uint64_t> stays_until_ = 0;
  // One bit for each block whose pages were brought in once without a fault.
  std::array<std::atomic<std::uint64_t>, block_count / 64> checked_ = {};
};

// The name of a segment whose sync failed; nullopt when there is none of that number.
Result<std::optional<format::SegmentName>> find_bad_segment(Directory& segments,
                                                            std::uint32_t number);

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SEGMENT_H_
