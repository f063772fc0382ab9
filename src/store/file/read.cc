// get and inspect: open without following anything, look at what was opened, read it into private
// memory, verify it there. Nothing is mapped here, so that a file that shrinks is a miss and not a
// signal; see view.cc for who asks for that.
#include <algorithm>
#include <array>
#include <cerrno>

#include "base/guarded.h"
#include "base/try.h"
#include "format/entry_name.h"
#include "store/file/file_store.h"

namespace larder::file_store {
namespace {

constexpr auto removal_wait = std::chrono::milliseconds(0);  // a reader waits for nobody
constexpr std::uint64_t look_first_from_bytes = 1u << 20;

std::unexpected<Error> fail(Errc code, const std::string& path, std::string_view why) {
  return std::unexpected(Error{.code = code, .message = path + ": " + std::string(why)});
}

}  // namespace

// Null when there is no entry.
Result<std::shared_ptr<File>> FileStore::open_entry(const Fingerprint& fingerprint) {
  const std::string path = format::entry_path(options_.layout, fingerprint);
  for (int attempt = 0;; ++attempt) {
    LARDER_TRY(const auto root, directory().reader());
    if (!root) return nullptr;
    auto opened = root->open_file(path, OpenMode::read);
    if (opened) return std::shared_ptr<File>(*std::move(opened));
    if (opened.error().code == Errc::absent) return nullptr;
    if (opened.error().os_error != ESTALE || attempt > 0) {
      opened.error().message = directory().path() + "/" + path + ": " + opened.error().message;
      return std::unexpected(std::move(opened).error());
    }
    directory().forget();
  }
}

std::string FileStore::path_of(const Fingerprint& fingerprint) const {
  return directory().path() + "/" + format::entry_path(options_.layout, fingerprint);
}

bool FileStore::claims_other_key(std::span<const std::byte> header,
                                 std::uint64_t file_bytes) const {
  const auto key_id = format::claimed_key_id(options_.layout, header, file_bytes);
  if (!key_id) return false;
  const std::vector<std::uint64_t> own = options_.keys.ids();
  return own.empty() ? *key_id != 0 : std::ranges::find(own, *key_id) == own.end();
}

Result<format::DecodedEntry> FileStore::decode(std::span<const std::byte> file,
                                               const Fingerprint& fingerprint) const {
  if (options_.keys.empty()) return format::decode_entry(options_.layout, file, fingerprint);
  LARDER_TRY(const StoreDirectory::Root root, directory().reader_root());
  const auto keys = state().keys.of(root.id);
  return format::decode_entry(options_.layout, file, fingerprint, *keys);
}

// What may be read at all.
Result<FileInfo> FileStore::check_file(File& file, const Fingerprint& fingerprint) const {
  LARDER_TRY(const FileInfo info, file.info());
  const std::string path = path_of(fingerprint);
  if (info.kind != FileKind::regular) return fail(Errc::not_ours, path, "not a regular file");
  if (!directory().trusts(info.owner)) return fail(Errc::not_ours, path, "belongs to another user");
  if (info.size_bytes > format::largest_file(options_.layout, max_payload_bytes_)) {
    return fail(Errc::too_large, path, "larger than any entry of this store; not read");
  }
  return info;
}

// nullopt: see the verdict of what was read; errors: it was not read.
Result<std::optional<FileStore::Opened>> FileStore::read_opened(
    std::shared_ptr<File> file, const Fingerprint& fingerprint) const {
  LARDER_TRY(const FileInfo info, check_file(*file, fingerprint));
  if (info.size_bytes > look_first_from_bytes) {
    // A huge file of garbage shall not cost its size in memory.
    std::array<std::byte, format::header_bytes> header;
    LARDER_TRY(const std::size_t head, file->read_at(header, 0));
    if (!format::header_is_plausible(options_.layout, std::span(header).first(head),
                                     info.size_bytes)) {
      return Opened{.file = std::move(file), .info = info, .bytes = {}, .decoded = {}};
    }
  }
  LARDER_TRY(ArtifactBuffer bytes, ArtifactBuffer::allocate(info.size_bytes));
  LARDER_TRY(const std::size_t count, file->read_at(bytes.bytes(), 0));
  Opened opened{.file = std::move(file), .info = info, .bytes = std::move(bytes), .decoded = {}};
  // Fewer bytes than the file had a moment ago: cut while it was read.
  if (count == info.size_bytes) {
    LARDER_TRY(opened.decoded, decode(opened.bytes.bytes(), fingerprint));
  }
  // The size of the file leaves room for a recipe; the cap is on the payload.
  if (opened.decoded.payload_bytes > max_payload_bytes_) {
    return fail(Errc::too_large, path_of(fingerprint),
                "larger than any payload of this store; use it without caching it");
  }
  return opened;
}

Result<std::optional<FileStore::Opened>> FileStore::read_entry(const Fingerprint& fingerprint) {
  LARDER_TRY(auto file, open_entry(fingerprint));
  if (!file) return std::nullopt;
  return read_opened(std::move(file), fingerprint);
}

Result<std::optional<Artifact>> FileStore::get_verified(const Fingerprint& fingerprint) {
  LARDER_TRY(auto entry, read_entry(fingerprint));
  if (!entry) return std::nullopt;
  if (entry->decoded.verdict == format::Verdict::good) {
    renew(*entry->file, entry->info);
    const auto& decoded = entry->decoded;
    return std::move(entry->bytes).share(decoded.payload_offset, decoded.payload_bytes);
  }
  // A miss, and somebody's: not to be removed.
  if (entry->decoded.verdict == format::Verdict::other_key) return std::nullopt;
  remove_damaged(fingerprint, entry->info);
  return fail(Errc::corrupt, path_of(fingerprint),
              "damaged; compile again, the next put replaces it");
}

// The time of last use, by which eviction chooses. A hint: a failure costs an earlier eviction.
void FileStore::renew(File& file, const FileInfo& info) const {
  if (directory().read_only()) return;
  const std::int64_t now = directory().file_system().now_s();
  std::int64_t age = now - info.modified_s;
  if (age == -1) age = 0;  // the clock of the file system may be a tick ahead
  if (age >= 0 && age < std::int64_t{options_.stamp_interval_s}) return;
  (void)file.touch();
}

// Under the lock of the fingerprint, and only when the name still leads to the file that was read:
// an entry that another process has just repaired stays.
void FileStore::remove_damaged(const Fingerprint& fingerprint, const FileInfo& seen) {
  if (directory().read_only()) return;
  const std::string path = format::entry_path(options_.layout, fingerprint);
  const auto root = directory().reader();
  if (!root || *root == nullptr) return;
  const auto held = state().locks->acquire(LockOffset::change_of(fingerprint), removal_wait);
  if (!held) return;
  const auto named = (*root)->info_at(path);
  if (!named || !named->same_file(seen)) return;
  state().pending.damaged(fingerprint, seen);
  if (const auto removed = (*root)->remove_file(path); !removed) {
    log(LogLevel::warning, directory().path() + "/" + path +
                               ": damaged and cannot be removed: " + removed.error().message);
    return;
  }
  subtract_usage({.bytes = seen.disk_bytes, .entries = 1});
  state().counters.add(&Metrics::removals);
}

Result<std::optional<Artifact>> FileStore::get(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<Artifact>> {
    auto found = get_verified(fingerprint);
    Counters& counters = state().counters;
    if (!found) {
      counters.count_lookup(lookup_outcome(found.error().code));
    } else if (!*found) {
      counters.count_lookup(&Metrics::absent);
    } else {
      counters.count_lookup(&Metrics::hits);
      counters.add(&Metrics::hit_bytes, (*found)->size());
    }
    return found;
  });
}

Result<std::optional<EntryDetails>> FileStore::inspect(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::optional<EntryDetails>> {
    LARDER_TRY(auto entry, read_entry(fingerprint));
    if (!entry) return std::nullopt;
    const std::string path = path_of(fingerprint);
    const format::DecodedEntry& decoded = entry->decoded;
    const auto bytes = entry->bytes.bytes();
    if (decoded.verdict == format::Verdict::other_key) return std::nullopt;
    if (decoded.verdict != format::Verdict::good) return fail(Errc::corrupt, path, "damaged");
    if (!format::recipe_is_good(bytes, decoded)) {
      return fail(Errc::corrupt, path,
                  "its recipe is damaged, its payload is good; remove it, and put it again");
    }
    const auto payload = bytes.subspan(decoded.payload_offset, decoded.payload_bytes);
    return EntryDetails{.info = {.fingerprint = fingerprint,
                                 .payload_bytes = decoded.payload_bytes,
                                 .disk_bytes = entry->info.disk_bytes,
                                 .last_used_s = entry->info.modified_s},
                        .key_id = decoded.key_id,
                        .layout = options_.layout == FileLayout::larder ? "larder 1" : "vyre",
                        .location = path,
                        .codec = "none",
                        .recipe = std::string(decoded.recipe),
                        .payload_digest = {blake3(payload)}};
  });
}

// nullopt when no file is there with that payload.
Result<std::optional<FileStore::Opened>> FileStore::read_payload(const Fingerprint& fingerprint,
                                                                 const Digest& payload_digest) {
  LARDER_TRY(auto entry, read_entry(fingerprint));
  if (!entry || entry->decoded.verdict == format::Verdict::damaged) return std::nullopt;
  const auto& decoded = entry->decoded;
  const auto payload = entry->bytes.bytes().subspan(decoded.payload_offset, decoded.payload_bytes);
  if (blake3(payload) != payload_digest) return std::nullopt;
  return entry;
}

Result<bool> FileStore::has_file(const Fingerprint& fingerprint) {
  LARDER_TRY(const auto root, directory().reader());
  if (!root) return false;
  const auto info = root->info_at(format::entry_path(options_.layout, fingerprint));
  if (!info && info.error().code != Errc::absent) return std::unexpected(info.error());
  return info.has_value();
}

Result<bool> FileStore::holds_payload(const Fingerprint& fingerprint,
                                      const Digest& payload_digest) {
  return guarded([&]() -> Result<bool> {
    LARDER_TRY(const auto entry, read_payload(fingerprint, payload_digest));
    return entry.has_value();
  });
}

Result<FileStore::PayloadSynced> FileStore::sync_payload(const Fingerprint& fingerprint,
                                                         const Digest& payload_digest) {
  return guarded([&]() -> Result<PayloadSynced> {
    LARDER_TRY(const auto entry, read_payload(fingerprint, payload_digest));
    if (!entry) return PayloadSynced::no_such_file;
    Unsynced& unsynced = state().unsynced;
    if (unsynced.contains(entry->info)) return PayloadSynced::failed;
    if (!entry->file->sync_data()) {
      unsynced.add(entry->info);
      return PayloadSynced::failed;
    }
    LARDER_TRY(const bool is_there, sync_name(fingerprint));
    return is_there ? PayloadSynced::yes : PayloadSynced::no_such_file;
  });
}

// False when the store is not at its path any more.
Result<bool> FileStore::sync_name(const Fingerprint& fingerprint) {
  LARDER_TRY(const auto root, directory().reader());
  if (!root) return false;
  const std::string folder_name = format::shard_name(options_.layout, fingerprint);
  if (!folder_name.empty()) {
    LARDER_TRY(const auto folder, root->open_directory(folder_name));
    LARDER_CHECK_OK(folder->sync());
  }
  LARDER_CHECK_OK(root->sync());
  return directory().is_at_its_path();
}

}  // namespace larder::file_store
