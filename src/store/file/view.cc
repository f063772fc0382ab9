// view: the same checks as get, made where the bytes lie. The file of an entry is never changed,
// only replaced or unlinked, so that a mapping shows what was verified until somebody else
// interferes.
#include <algorithm>

#include "base/try.h"
#include "store/file/file_store.h"

namespace larder::file_store {

// A page that cannot be had is told by the check, not by a signal.
Result<std::optional<MappedView>> FileStore::view(const Fingerprint& fingerprint) {
  LARDER_TRY(const auto file, open_entry(fingerprint));
  if (!file) return std::nullopt;
  LARDER_TRY(const FileInfo info, check_file(*file, fingerprint));
  const auto damaged = [&] {
    return std::unexpected(
        Error{.code = Errc::corrupt, .message = path_of(fingerprint) + ": damaged"});
  };
  if (info.size_bytes < format::smallest_file(options_.layout)) return damaged();
  LARDER_TRY(const std::shared_ptr<Mapping> mapping, file->map(OpenMode::read, info.size_bytes));
  const std::span<const std::byte> bytes = mapping->bytes().first(info.size_bytes);
  LARDER_CHECK_OK(mapping->check(0, std::min<std::uint64_t>(bytes.size(), format::header_bytes)));
  if (!format::header_is_plausible(options_.layout, bytes, info.size_bytes)) return damaged();
  LARDER_CHECK_OK(mapping->check(0, bytes.size()));
  LARDER_TRY(const auto decoded, decode(bytes, fingerprint));
  if (decoded.verdict == format::Verdict::other_key) return std::nullopt;
  if (decoded.verdict != format::Verdict::good) return damaged();
  renew(*file, info);
  return MappedView(bytes.subspan(decoded.payload_offset, decoded.payload_bytes), mapping);
}

}  // namespace larder::file_store
