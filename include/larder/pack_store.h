// The pack store: artifacts in append-only segments behind a shared, mapped hash index.
//
// The fastest store on disk and the one that open() takes. Any number of processes share a
// directory without a daemon; readers take no lock. docs/FORMAT.md has the bytes, ARCHITECTURE.md
// the reasons.
#ifndef LARDER_PACK_STORE_H_
#define LARDER_PACK_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "larder/error.h"
#include "larder/fingerprint.h"
#include "larder/keys.h"
#include "larder/store.h"

namespace larder LARDER_PUBLIC {

// A payload where it lies in a mapped segment, or in the mapped file of a large artifact. Verified
// when it was handed out, and weaker than an Artifact from then on: whoever may write the file can
// change the bytes later, and when another program cuts the file short, or the disk fails to give a
// page back, touching them raises SIGBUS. Larder itself never changes or shortens what a view
// shows. The file stays mapped, and its disk space in use, as long as a view of it lives; a view
// may outlive its store. Cheap to copy.
class MappedView {
 public:
  MappedView(std::span<const std::byte> bytes, std::shared_ptr<const void> keeps) noexcept
      : bytes_(bytes), keeps_(std::move(keeps)) {}

  // 64-byte aligned, but for what was compressed.
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> keeps_;
};

enum class Compression { none, zstd };

struct PackStoreOptions {
  std::string directory = {};  // must not be empty
  // Not empty: entries are made with the first key, and what was made with none of them is a miss.
  // Entries of one fingerprint under different keys stand beside each other.
  Keys keys = {};
  Access access = Access::read_write;
  Create create = Create::at_open;

  Budget budget = {};                   // kept at each put, and when removals are written
  std::uint64_t max_payload_bytes = 0;  // 0: max_payload_bytes_larder, which it cannot exceed
  // Of new artifacts in segments, where it saves an eighth or more. All are read, whatever it says.
  Compression compression = Compression::none;

  EvictionListener on_evict = {};
  Logger log = {};
  FileSystem* file_system = nullptr;  // not owned, must outlive the store; null: the machine's own
};

class PackStore : public Store {
 public:
  // As get, but without copying; see MappedView for what it cannot promise. Compressed artifacts
  // are read into memory as get does, and so is what cannot be mapped.
  virtual Result<std::optional<MappedView>> view(const Fingerprint& fingerprint) = 0;

  // Upkeep that puts do in small steps, all of it, and what they leave undone: evicts to the
  // budget, writes segments anew of which little is in use, gives back disk space that is allocated
  // ahead, and cleans up after processes that were killed. For hosts with an idle thread: it reads
  // and writes up to the whole store. Errors: timed_out when another process evicts for five
  // seconds, read_only, those of reading and writing.
  virtual Result<void> maintain() = 0;
};

// Opens a directory as a pack store. Errors: not_a_store (non-empty without a marker), wrong_kind,
// unsupported_version, unsafe_directory, permission_denied, read_only, no_space, io_error,
// invalid_argument; unsupported when the directory is on a file system where mappings are not known
// to be coherent (the message names it): use a file store there, as open_store() does. Nothing on
// disk was changed but directories made on the way. An open that finds an unclean end rebuilds the
// index; other processes then wait for it, timed_out after ten seconds.
//
// visit passes over entries whose header is damaged, and with it their fingerprint; it tells the
// log how many, with a warning for each segment. visit_strays names their places, and that of a
// segment of which nothing can be read; its repair takes them out of the index, and removes such a
// segment unless a process writes it.
//
// Last uses are known only as "since the last eviction step or before": EntryInfo::last_used_s is
// the time of the put, or of the step that kept the entry because it had been used. Budget's
// max_age_s counts from there: an entry may stay for up to twice as long after its last use.
Result<std::shared_ptr<PackStore>> open_pack_store(const PackStoreOptions& options);

}  // namespace larder

#endif  // LARDER_PACK_STORE_H_
