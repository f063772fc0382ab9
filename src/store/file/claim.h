// What makes a directory a store: its owner and mode, and the marker.
#ifndef LARDER_STORE_FILE_CLAIM_H_
#define LARDER_STORE_FILE_CLAIM_H_

#include <string>

#include "larder/file_system.h"
#include "larder/store.h"

namespace larder::file_store {

enum class Claim {
  ours,       // the marker says so (vyre: the name of the layout said so)
  unclaimed,  // empty, or left by a creation that was cut short: may be made a store
};

// unsafe_directory when another user owns the root, or others may write into it or swap it.
Result<void> check_owner_and_mode(FileSystem& file_system, Directory& root, std::string_view path);

// not_a_store, wrong_kind, unsupported_version: somebody else's, not to be touched.
Result<Claim> examine_claim(Directory& root, FileLayout layout, std::string_view path);

// Makes the marker of an unclaimed directory, durably, or finds that another process just did.
Result<void> write_marker(FileSystem& file_system, Directory& root);

// Makes the name of `path` durable: of the directory itself, wherever a link may have led.
Result<void> sync_parent(FileSystem& file_system, const std::string& path);

// Makes `path` and what is missing above it, each durable in its parent before the next.
Result<void> make_directories(FileSystem& file_system, const std::string& path);

}  // namespace larder::file_store

#endif  // LARDER_STORE_FILE_CLAIM_H_
