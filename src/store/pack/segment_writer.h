// A segment that this process owns: it holds the lock, and nobody else appends.
//
// Crash model. A record is one write behind all others; blocks are allocated ahead of it, and small
// ones are written into zeros that the first of them put behind itself. The zeros are cut off at
// sealing and at the end; after a kill they stay, and an adopter appends behind the last record and
// the last byte that is not zero: it never overwrites; first it wipes what may stand behind the end
// of the file. Unflushed records may be lost by a power
// cut, torn or whole: each verifies for itself. Sealing appends a summary; the trailer follows only
// after a sync of everything before it, of the files that its records lead to as well, and proves
// that sync to others.
#ifndef LARDER_STORE_PACK_SEGMENT_WRITER_H_
#define LARDER_STORE_PACK_SEGMENT_WRITER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "format/pack_index.h"
#include "format/pack_segment.h"
#include "store/pack/segment.h"

namespace larder::pack_store {

// On every segment file: held by its owner.
inline constexpr std::uint64_t owner_lock_at = 1ull << 40;

// Of the file that a record leads to; 0 when it leads to none.
constexpr std::uint64_t large_bytes_of(const format::Record& record) noexcept {
  return record.kind == format::RecordKind::large ? record.raw_bytes : 0;
}

class SegmentWriter {
 public:
  struct Options {
    const format::SlotHash& hash;
    std::uint64_t capacity_bytes = format::max_segment_bytes;
  };

  // Makes segment `number`. exists: somebody has that number.
  static Result<std::unique_ptr<SegmentWriter>> create(Directory& segments,
                                                       const format::SegmentHeader& header,
                                                       const Options& options);

  // Takes over a segment that nobody owns and that has room.
  enum class Refusal { owned, useless };  // by somebody; sealed, full or gone
  using Adopted = std::variant<std::unique_ptr<SegmentWriter>, Refusal>;
  static Result<Adopted> adopt(Directory& segments, const Origin& origin, std::uint32_t number,
                               const Options& options);

  ~SegmentWriter();

  const std::shared_ptr<Segment>& segment() const noexcept { return segment_; }
  std::uint32_t number() const noexcept { return segment_->number(); }

  // Held by whoever calls the functions below it.
  std::mutex& mutex() noexcept { return mutex_; }

  // Files of `large` records count: with a segment leaves what it leads to, and one that led to
  // hundreds of files would empty the store.
  bool fits(std::uint64_t record_bytes, std::uint64_t large_bytes) const noexcept;

  // Writes the record at the end; its place and digest of the recipe are filled in here. After an
  // error the space is dead.
  Result<format::Location> append(const format::Record& record, std::span<const std::byte> payload,
                                  std::string_view recipe);

  // Writes summary and footer: no record can follow.
  Result<void> seal();

  // Appends the proof of durability to a sealed segment that was synced; not when it leads to files
  // that may not be.
  Result<void> prove_durable();
  void withhold_proof() noexcept { may_prove_ = false; }

  // Gives back the blocks allocated ahead, and the zeros.
  void trim() noexcept;

  // What is not known to be on disk: the end of the last synced byte, of the written ones, and the
  // fingerprints between.
  struct Unsynced {
    std::uint64_t end = 0;
    std::size_t count = 0;  // of fingerprints
  };
  bool has_unsynced() const noexcept { return end_ > synced_until_ || !unsynced_.empty(); }
  const std::vector<Fingerprint>& pending() const noexcept { return unsynced_; }
  // Another put relies on a record that is here already: the next flush vouches for it, if that
  // is not so anyway. False after fail(): no flush will.
  bool rely_on(std::uint32_t place, const Fingerprint& fingerprint);
  Unsynced unsynced() const noexcept { return {.end = end_, .count = unsynced_.size()}; }
  void synced(const Unsynced& before) noexcept;  // what unsynced() said before the sync
  std::uint64_t synced_until() const noexcept { return synced_until_; }
  // Whether all before that was synced for certain: not what a dead owner left, before the first
  // sync of it.
  bool is_vouched() const noexcept { return vouched_from_ <= format::records_at; }

  // A sync failed: no record goes in any more, none is synced again, and those that wait are lost:
  // they stay here until they are forgotten, when somebody was told.
  void fail() noexcept { has_failed_ = true; }
  bool has_failed() const noexcept { return has_failed_; }
  void forget_unsynced() noexcept { unsynced_ = {}; }

  // All of its records; null when they are not known: others wrote some of them, or it is sealed.
  const std::vector<format::SummaryEntry>* all_entries() const noexcept {
    return is_sealed_ || adopted_at_ > format::records_at ? nullptr : &entries_;
  }

  bool is_sealed() const noexcept { return is_sealed_; }

  std::uint64_t written_bytes() const noexcept { return end_; }
  // The most that the files may take which its records lead to.
  std::uint64_t most_large_bytes() const noexcept { return large_bytes_; }

  // Whether its name is not known to be durable.
  bool is_new() const noexcept { return is_new_; }
  void name_is_durable() noexcept { is_new_ = false; }

 private:
  SegmentWriter(std::shared_ptr<Segment> segment, const Options& options, std::uint64_t end,
                std::uint64_t synced_until) noexcept;

  Result<void> count_large();
  Result<void> reserve(std::uint64_t until);
  void retract(std::size_t header_bytes) noexcept;
  std::uint64_t zeros_behind(std::uint64_t record_end) const noexcept;
  Result<std::vector<format::SummaryEntry>> complete_summary();

  const std::shared_ptr<Segment> segment_;
  const Options options_;
  const std::uint64_t adopted_at_;  // records before it are not in entries_
  std::uint64_t vouched_from_;      // records before it may be another owner's, unsynced
  std::mutex mutex_;
  std::uint64_t end_;  // of what was written, in whole units
  std::uint64_t reserved_until_ = 0;
  std::uint64_t zeroed_until_ = 0;  // what was not written before it is zeros
  std::uint64_t synced_until_;
  std::uint64_t large_bytes_ = 0;  // of files that its records lead to
  bool is_new_ = true;             // an adopted one too: who made it may have ended before a flush
  bool is_sealed_ = false;
  bool may_prove_ = true;
  bool has_failed_ = false;
  std::uint32_t footer_place_ = 0;
  std::vector<format::SummaryEntry> entries_;
  std::vector<Fingerprint> unsynced_;
};

}  // namespace larder::pack_store

#endif  // LARDER_STORE_PACK_SEGMENT_WRITER_H_
