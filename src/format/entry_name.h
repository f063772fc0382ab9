// Fingerprint <-> the name of its file (docs/FORMAT.md).
#ifndef LARDER_FORMAT_ENTRY_NAME_H_
#define LARDER_FORMAT_ENTRY_NAME_H_

#include <optional>
#include <string>
#include <string_view>

#include "larder/fingerprint.h"
#include "larder/store.h"

namespace larder::format {

// "ab", the folder of an entry; empty in the flat vyre layout.
std::string shard_name(FileLayout layout, const Fingerprint& fingerprint);

// "<64 hex>.art" or "<64 hex>.bin".
std::string file_name(FileLayout layout, const Fingerprint& fingerprint);

// The two joined: relative to the root.
std::string entry_path(FileLayout layout, const Fingerprint& fingerprint);

// Whether a name in the root may be a folder of entries. Never in the vyre layout.
bool is_shard_name(FileLayout layout, std::string_view name) noexcept;

// The fingerprint of an entry file of that exact name in that folder; nullopt for any other name.
std::optional<Fingerprint> parse_file_name(FileLayout layout, std::string_view shard,
                                           std::string_view name) noexcept;

// ".larder-<32 hex>.tmp", in the root: files on their way to a name.
std::string temporary_name(std::string_view random_hex);
bool is_temporary_name(std::string_view name) noexcept;

inline constexpr std::string_view marker_name = "LARDER";
inline constexpr std::string_view lock_name = ".larder-lock";
inline constexpr std::string_view config_name = "larder.conf";

}  // namespace larder::format

#endif  // LARDER_FORMAT_ENTRY_NAME_H_
