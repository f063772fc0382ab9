#include "store/pack/segment_writer.h"

#include <algorithm>
#include <array>

#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/segment_scan.h"

namespace larder::pack_store {
namespace {

using format::pack_unit_bytes;

// What is allocated ahead counts for the budget's overshoot: little of a small segment.
constexpr std::uint64_t reserve_parts = 16;
constexpr std::uint64_t most_reserved_ahead = 1u << 20;

constexpr std::uint64_t most_read_for_large = 64u << 10;  // at each adoption

constexpr std::array<std::byte, zero_step_bytes> zeros = {};

std::uint32_t place_of(std::uint64_t offset) noexcept {
  return static_cast<std::uint32_t>(offset / pack_unit_bytes);
}

// A file that was just made is taken for a leftover by who sweeps before it is locked.
Result<void> own(File& file) {
  LARDER_TRY(const bool locked, file.try_lock(LockMode::exclusive, owner_lock_at, 1));
  LARDER_TRY(const FileInfo info, file.info());
  if (locked && info.link_count > 0) return {};
  return std::unexpected(Error{.code = Errc::exists, .message = "somebody has that segment"});
}

Result<void> write_header(File& file, const format::SegmentHeader& header) {
  const auto bytes = format::encode_segment_header(header);
  const std::array<std::span<const std::byte>, 2> twice{bytes, bytes};
  return file.write_at(twice, 0);
}

}  // namespace

SegmentWriter::SegmentWriter(std::shared_ptr<Segment> segment, const Options& options,
                             std::uint64_t end, std::uint64_t synced_until) noexcept
    : segment_(std::move(segment)),
      options_(options),
      adopted_at_(end),
      vouched_from_(end),
      end_(end),
      synced_until_(synced_until) {}

SegmentWriter::~SegmentWriter() { trim(); }

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(Directory& segments,
                                                             const format::SegmentHeader& header,
                                                             const Options& options) {
  const std::string name = format::segment_name(header.identity.number);
  LARDER_TRY(std::shared_ptr<File> file, segments.create_file(name));
  LARDER_CHECK_OK(own(*file));
  if (auto begun = write_header(*file, header); !begun) {
    // On a full disk each put makes one.
    (void)segments.remove_file(name);
    return std::unexpected(std::move(begun).error());
  }
  auto segment = std::make_shared<Segment>(header.identity, std::move(file),
                                           std::numeric_limits<std::uint64_t>::max());
  return std::unique_ptr<SegmentWriter>(
      new SegmentWriter(std::move(segment), options, format::records_at, 0));
}

Result<SegmentWriter::Adopted> SegmentWriter::adopt(Directory& segments, const Origin& origin,
                                                    std::uint32_t number, const Options& options) {
  auto opened = Segment::open(segments, origin, {.number = number}, OpenMode::read_write);
  if (!opened) {
    const Errc code = opened.error().code;
    if (code == Errc::absent || code == Errc::corrupt || code == Errc::not_ours) {
      return Refusal::useless;
    }
    return std::unexpected(std::move(opened).error());
  }
  File& file = *(*opened)->file();
  LARDER_TRY(const bool locked, file.try_lock(LockMode::exclusive, owner_lock_at, 1));
  if (!locked) return Refusal::owned;
  LARDER_TRY(const FileInfo info, file.info());
  LARDER_TRY(const SegmentEnd ending, read_end(**opened));
  LARDER_TRY(const std::uint64_t end, read_written_end(**opened, info.size_bytes));
  const bool has_room = end + options.capacity_bytes / 16 <= options.capacity_bytes;
  if (info.link_count == 0 || ending.footer || !has_room) return Refusal::useless;
  // Behind the end, up to the end of its last block, a power cut may have left what was written
  // there: whole records, which would be back if another cut took the next append and left the
  // length that it gave the file. Cutting the file off where it ends wipes that.
  if (!file.trim(info.size_bytes)) return Refusal::useless;
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(*std::move(opened), options, end, end));
  LARDER_CHECK_OK(writer->count_large());
  writer->zeroed_until_ = format::round_to_unit(info.size_bytes);
  return writer;
}

// Of an adopted segment. Where there is much to read, it is taken for full of them.
Result<void> SegmentWriter::count_large() {
  large_bytes_ = options_.capacity_bytes;
  if (end_ - format::records_at > most_read_for_large) return {};
  std::uint64_t sum = 0;
  const auto add = [&](const format::Record& record, std::uint32_t) {
    sum += large_bytes_of(record);
  };
  LARDER_TRY(const Scanned scanned, scan_records(*segment_, {.until = end_}, add));
  if (!scanned.has_gaps) large_bytes_ = sum;
  return {};
}

bool SegmentWriter::fits(std::uint64_t record_bytes, std::uint64_t large_bytes) const noexcept {
  if (is_sealed_ || has_failed_) return false;
  if (end_ + record_bytes > options_.capacity_bytes) return false;
  return large_bytes == 0 || large_bytes_ == 0 ||
         end_ + record_bytes + large_bytes_ + large_bytes <= options_.capacity_bytes;
}

// unsupported: then a full disk shows at the write.
Result<void> SegmentWriter::reserve(std::uint64_t until) {
  if (until <= reserved_until_) return {};
  const std::uint64_t step = std::clamp<std::uint64_t>(options_.capacity_bytes / reserve_parts,
                                                       zero_step_bytes, most_reserved_ahead);
  const std::uint64_t target =
      std::max(until, std::min((until / step + 1) * step, options_.capacity_bytes));
  auto reserved = segment_->file()->reserve(target);
  // On a disk that is nearly full the step may not fit, and the record yet.
  const bool step_is_too_much = !reserved && reserved.error().code == Errc::no_space;
  if (step_is_too_much && target != until) reserved = segment_->file()->reserve(until);
  if (!reserved && reserved.error().code != Errc::unsupported) return reserved;
  reserved_until_ = step_is_too_much ? until : target;
  return {};
}

// Where a small record reaches beyond the zeros, how many follow it in the same write: the page
// cache then holds the segment in large folios, which halves what each later read and write of a
// few KiB costs, and most flushes find the size of the file unchanged. Only into blocks that are
// allocated: zeros must not fill a disk.
std::uint64_t SegmentWriter::zeros_behind(std::uint64_t record_end) const noexcept {
  if (record_end <= zeroed_until_ || record_end - end_ > zero_step_bytes) return 0;
  const std::uint64_t step_end =
      (record_end + zero_step_bytes - 1) / zero_step_bytes * zero_step_bytes;
  const std::uint64_t until = std::min({step_end, reserved_until_, options_.capacity_bytes});
  return until > record_end ? until - record_end : 0;
}

// Of a write that failed, all of the record may stand there: the next rebuild would find a value,
// or a removal, of which the caller was told that there is none. Where this fails as well, it does.
void SegmentWriter::retract(std::size_t header_bytes) noexcept {
  const std::array pieces{std::span(zeros).first(header_bytes)};
  best_effort([&] { (void)segment_->file()->write_at(pieces, end_); });
}

Result<format::Location> SegmentWriter::append(const format::Record& record,
                                               std::span<const std::byte> payload,
                                               std::string_view recipe) {
  const std::uint32_t place = place_of(end_);
  const format::RecordHeader header = format::encode_record(record, segment_->key(), place);
  const std::uint64_t bytes = record.total_bytes();
  LARDER_CHECK_OK(reserve(end_ + bytes));
  const std::uint64_t ahead = zeros_behind(end_ + bytes);
  const std::uint64_t padding = bytes - header.size() - payload.size() - recipe.size();
  const std::array<std::span<const std::byte>, 5> pieces{
      header, payload, std::as_bytes(std::span(recipe.data(), recipe.size())),
      std::span(zeros).first(padding), std::span(zeros).first(ahead)};
  auto written = segment_->file()->write_at(pieces, end_);
  if (!written) retract(header.size());
  end_ += bytes;
  if (!written) return std::unexpected(std::move(written).error());
  if (ahead > 0) zeroed_until_ = end_ + ahead;
  const format::SummaryEntry entry =
      format::summary_entry(record, options_.hash(record.fingerprint, record.key_id), place);
  entries_.push_back(entry);
  large_bytes_ += large_bytes_of(record);
  unsynced_.push_back(record.fingerprint);
  return format::Location{.segment = number(), .place = place, .units = entry.hit_units};
}

// Of an adopted segment, the records that others wrote are read first. Whether the files that those
// lead to were ever synced, nobody knows.
Result<std::vector<format::SummaryEntry>> SegmentWriter::complete_summary() {
  std::vector<format::SummaryEntry> all;
  const auto note = [&](const format::Record& record, std::uint32_t place) {
    all.push_back(
        format::summary_entry(record, options_.hash(record.fingerprint, record.key_id), place));
    if (record.kind == format::RecordKind::large) withhold_proof();
  };
  LARDER_TRY(const Scanned scanned, scan_records(*segment_, {.until = adopted_at_}, note));
  // A summary without them would make their loss final.
  if (scanned.has_gaps) {
    return std::unexpected(
        Error{.code = Errc::io_error, .message = "parts of a segment cannot be read"});
  }
  all.insert(all.end(), entries_.begin(), entries_.end());
  return all;
}

Result<void> SegmentWriter::seal() {
  if (is_sealed_ || has_failed_) return {};
  is_sealed_ = true;  // whatever comes of it: no record may follow a summary
  std::vector<format::SummaryEntry> read;
  if (adopted_at_ > format::records_at) {
    LARDER_TRY(read, complete_summary());
  } else {
    read = std::move(entries_);
  }
  entries_ = {};
  const auto bytes = format::encode_summary(read, segment_->key(), place_of(end_));
  const std::array pieces{std::span<const std::byte>(bytes)};
  LARDER_CHECK_OK(segment_->file()->write_at(pieces, end_));
  end_ += bytes.size();
  footer_place_ = place_of(end_ - format::footer_bytes);
  trim();
  // A hint: what is on its way to the disk makes the next flush shorter.
  (void)segment_->file()->start_writeback();
  return {};
}

Result<void> SegmentWriter::prove_durable() {
  if (footer_place_ == 0 || !may_prove_) return {};
  std::array<std::byte, format::footer_bytes> bytes = {};
  const std::uint64_t at = std::uint64_t{footer_place_} * pack_unit_bytes;
  LARDER_TRY(const std::size_t count, segment_->file()->read_at(bytes, at));
  const auto footer = format::decode_footer(std::span(bytes).first(count), footer_place_);
  if (!footer) return {};  // then others read the records one by one, and vouch for nothing
  const auto trailer = format::encode_trailer(*footer, segment_->key(), footer_place_);
  const std::array pieces{std::span<const std::byte>(trailer)};
  return segment_->file()->write_at(pieces, at + format::footer_bytes);
}

void SegmentWriter::trim() noexcept {
  if (std::max(reserved_until_, zeroed_until_) <= end_) return;
  // Space that is not given back costs its bytes until the segment goes.
  best_effort([this] { (void)segment_->file()->trim(end_); });
  reserved_until_ = 0;
  zeroed_until_ = 0;
}

void SegmentWriter::synced(const Unsynced& before) noexcept {
  synced_until_ = before.end;
  vouched_from_ = 0;
  unsynced_.erase(unsynced_.begin(), unsynced_.begin() + static_cast<std::ptrdiff_t>(before.count));
}

bool SegmentWriter::rely_on(std::uint32_t place, const Fingerprint& fingerprint) {
  if (has_failed_) return false;
  if (std::uint64_t{place} * pack_unit_bytes < vouched_from_) unsynced_.push_back(fingerprint);
  return true;
}

}  // namespace larder::pack_store
