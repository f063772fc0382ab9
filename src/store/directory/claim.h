// What makes a directory a store: its owner and mode, and the marker.
#ifndef LARDER_STORE_DIRECTORY_CLAIM_H_
#define LARDER_STORE_DIRECTORY_CLAIM_H_

#include <cstdint>
#include <optional>
#include <string>

#include "format/pack_record.h"
#include "larder/file_system.h"

namespace larder::store_directory {

enum class Kind : std::uint8_t { file, vyre, pack };

// As the marker and the schemes of locations call it.
std::string_view kind_name(Kind kind) noexcept;

struct Claim {
  // False: empty, or left by a creation that was cut short; may be made a store. True: the marker
  // says that it is ours (vyre: the name of the layout said so).
  bool ours = false;
  std::optional<format::StoreId> id = {};  // of the marker; a vyre directory has none
  // It says something else, or nothing; what stands beside it is ours, and says the above. Of a
  // file store nothing may tell the id.
  bool marker_is_damaged = false;
  std::string damaged_text = {};
};

// unsafe_directory when another user owns the root, or others may write into it or swap it.
Result<void> check_owner_and_mode(FileSystem& file_system, Directory& root, std::string_view path);

// not_a_store, wrong_kind, unsupported_version: somebody else's, not to be touched.
Result<Claim> examine_claim(FileSystem& file_system, Directory& root, Kind kind,
                            std::string_view path);

// The kind that the marker of the directory tells, or what stands beside a damaged one; nullopt
// where there is none, or nothing to tell by: what is wrong with it, opening will say.
std::optional<Kind> marked_kind(FileSystem& file_system, const std::string& path);

// Makes the marker of an unclaimed directory, durably, or finds that another process just did: of
// which kind, only another look tells.
Result<void> write_marker(FileSystem& file_system, Directory& root, Kind kind);

// Puts a marker with the id of `claim` (another one, where nothing tells it) in the place of the
// damaged one that was seen, durably, unless another process just did: only another look tells.
Result<void> mend_marker(FileSystem& file_system, Directory& root, Kind kind, const Claim& claim);

// Makes the name of `path` durable: of the directory itself, wherever a link may have led.
Result<void> sync_parent(FileSystem& file_system, const std::string& path);

// Makes `path` and what is missing above it, each durable in its parent before the next.
Result<void> make_directories(FileSystem& file_system, const std::string& path);

}  // namespace larder::store_directory

#endif  // LARDER_STORE_DIRECTORY_CLAIM_H_
