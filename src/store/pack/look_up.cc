#include "store/pack/look_up.h"

#include <array>

namespace larder::pack_store {

Candidate check_header(const Fingerprint& fingerprint, std::span<const std::byte> header,
                       Found& found) {
  if (header.size() < format::record_header_bytes) return Candidate::damaged;
  const auto verdict =
      format::decode_record(header.first(format::record_header_bytes), found.segment->key(),
                            found.location.place, found.record);
  return check_record(fingerprint, verdict, found.record);
}

Candidate check_record(const Fingerprint& fingerprint, format::RecordVerdict verdict,
                       const format::Record& record) {
  if (verdict == format::RecordVerdict::other_key) return Candidate::other;
  if (verdict != format::RecordVerdict::good) return Candidate::damaged;
  const bool is_wanted =
      record.fingerprint == fingerprint && record.kind != format::RecordKind::removed;
  return is_wanted ? Candidate::wanted : Candidate::other;
}

Result<Candidate> read_header(const Fingerprint& fingerprint, Found& found) {
  std::array<std::byte, format::record_header_bytes> header;
  LARDER_TRY(const std::size_t count,
             found.segment->file()->read_at(header, found.location.offset_bytes()));
  return check_header(fingerprint, std::span(header).first(count), found);
}

}  // namespace larder::pack_store
