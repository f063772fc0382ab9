#include "store/pack/look_up.h"

#include <array>

namespace larder::pack_store {

Candidate check_header(const EntryName& name, std::span<const std::byte> header, Found& found) {
  if (header.size() < format::record_header_bytes) return Candidate::damaged;
  const auto whole = header.first(format::record_header_bytes);
  const std::uint32_t place = found.location.place;
  const auto verdict = name.key == nullptr
                           ? format::decode_record(whole, found.segment->key(), place, found.record)
                           : format::decode_authentic(whole, *name.key, place, found.record);
  return check_record(name, verdict, found.record);
}

Candidate check_record(const EntryName& name, format::RecordVerdict verdict,
                       const format::Record& record) {
  if (verdict == format::RecordVerdict::other_key) return Candidate::other;
  if (verdict != format::RecordVerdict::good) return Candidate::damaged;
  const bool is_wanted = record.fingerprint == name.fingerprint && record.key_id == name.key_id &&
                         record.kind != format::RecordKind::removed;
  return is_wanted ? Candidate::wanted : Candidate::other;
}

bool was_cut(Candidate candidate, const Segment& segment) {
  return candidate == Candidate::damaged && segment.is_gone();
}

Result<Candidate> read_header(const EntryName& name, Found& found) {
  std::array<std::byte, format::record_header_bytes> header;
  LARDER_TRY(const std::size_t count,
             found.segment->file()->read_at(header, found.location.offset_bytes()));
  return check_header(name, std::span(header).first(count), found);
}

}  // namespace larder::pack_store
