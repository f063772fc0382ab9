// put and remove. The order of every step is told in file_store.h.
#include <array>

#include "base/guarded.h"
#include "base/same_bytes.h"
#include "base/try.h"
#include "format/entry_name.h"
#include "store/directory/explain.h"
#include "store/directory/new_file.h"
#include "store/file/file_store.h"

namespace larder::file_store {
namespace {

constexpr auto change_wait = std::chrono::milliseconds(2000);
constexpr auto room_wait = std::chrono::milliseconds(500);  // for another process that evicts
constexpr int attempts_without_turn = 2;  // then the change lock is taken before looking
constexpr int put_attempts = 8;           // each lost to another process's change
constexpr std::uint64_t reserve_from_bytes = 128u << 10;  // below it one write is the early answer
constexpr std::uint64_t folder_bytes = 4096;

// What creating a file in a deleted directory fails with: ENOENT, and EPERM on ext4.
bool is_sign_of_deletion(Errc code) noexcept {
  return code == Errc::absent || code == Errc::permission_denied;
}

std::string in_the_way(const std::string& path) {
  return path + ": not an entry of yours stands in the way; move it away";
}

}  // namespace

struct FileStore::Writing {
  const Fingerprint& fingerprint;
  std::span<const std::byte> payload;
  format::EncodedEntry encoded;
  std::uint64_t key_id = 0;
  std::string path;              // for messages
  std::uint64_t generation = 0;  // of the root
  std::shared_ptr<Directory> root;
  std::shared_ptr<Directory> folder;
  bool made_folder = false;
  std::optional<store_directory::NewFile> fresh;
  std::shared_ptr<File> seen_file;
  FileInfo seen = {};
  std::optional<LockFile::Held> turn = {};  // the change lock, once it is held
};

Result<void> FileStore::put(const Fingerprint& fingerprint, std::span<const std::byte> payload,
                            const PutOptions& options) {
  return guarded([&]() -> Result<void> {
    auto done = put_checked(fingerprint, payload, options);
    if (!done && done.error().code == Errc::no_space && may_evict()) {
      // A full disk: give back as much as this entry needs, once, and try once more. When all
      // entries together hold less than that, their loss would be for nothing.
      const std::uint64_t needed = payload.size() + 2 * reserve_from_bytes;
      const std::uint64_t held = metrics().bytes;
      if (held >= needed && evict({.budget = {.max_bytes = held - needed}}, room_wait)) {
        done = put_checked(fingerprint, payload, options);
      }
    } else if (!done && is_sign_of_deletion(done.error().code) &&
               !directory().is_at_its_path().value_or(true)) {
      // Somebody deleted the directory under us: make it anew, once.
      done = put_checked(fingerprint, payload, options);
    }
    if (done) return done;
    Error told = store_directory::with_remedy(std::move(done).error(), directory().path());
    done = std::unexpected(std::move(told));
    state().counters.add(put_rejection(done.error().code));
    return done;
  });
}

// What a store within another one let go of, the other one would take for there. Without a budget
// the files of a vyre directory are nobody's to evict.
bool FileStore::may_evict() const noexcept {
  const Budget& budget = options_.budget;
  if (is_within_) return false;
  return options_.layout == FileLayout::larder || budget.max_bytes || budget.max_entries ||
         budget.min_free_bytes;
}

Result<void> FileStore::put_checked(const Fingerprint& fingerprint,
                                    std::span<const std::byte> payload, const PutOptions& options) {
  const std::string path =
      directory().path() + "/" + format::entry_path(options_.layout, fingerprint);
  if (payload.size() > max_payload_bytes_) {
    return std::unexpected(
        Error{.code = Errc::too_large,
              .message = path + ": the payload has " + std::to_string(payload.size()) +
                         " bytes, the cap of this store is " + std::to_string(max_payload_bytes_) +
                         "; use the result without caching it"});
  }
  const auto budget_bytes = options_.budget.max_bytes;
  if (budget_bytes && payload.size() > *budget_bytes) {
    return std::unexpected(store_directory::over_budget(payload.size(), {*budget_bytes}, path));
  }
  if (options.recipe.size() > Recipe::max_encoded_bytes) {
    return std::unexpected(Error{.code = Errc::invalid_argument,
                                 .message = path + ": the recipe is over 4096 bytes; pass what "
                                                   "Recipe::encode returns"});
  }
  LARDER_TRY(StoreDirectory::Root root, directory().writer_root());
  const auto keys = state().keys.of(root.id);
  Writing writing{.fingerprint = fingerprint,
                  .payload = payload,
                  .encoded = format::encode_entry(options_.layout, fingerprint, payload,
                                                  options.recipe, keys->front()),
                  .key_id = keys->front().id,
                  .path = path,
                  .generation = root.generation,
                  .root = std::move(root.directory),
                  .folder = {},
                  .fresh = {},
                  .seen_file = {}};
  auto written = write_entry(writing);
  if (!written) {
    return std::unexpected(store_directory::at_path(std::move(written).error(), path));
  }
  return written;
}

Result<void> FileStore::write_entry(Writing& writing) {
  ProcessState& process = state();
  for (int attempt = 0; attempt < put_attempts; ++attempt) {
    if (attempt == attempts_without_turn) LARDER_CHECK_OK(take_turn(writing));
    LARDER_TRY(const Standing standing, examine(writing));
    if (standing == Standing::same && join_pending(writing)) {
      process.counters.add(&Metrics::puts_unchanged);
      return {};
    }
    if (!writing.fresh) LARDER_CHECK_OK(write_fresh(writing));
    LARDER_TRY(const bool installed,
               standing == Standing::absent ? install(writing) : replace_entry(writing));
    if (!installed) {
      if (attempt < attempts_without_turn) writing.turn.reset();
      continue;
    }
    writing.turn.reset();
    const std::shared_ptr<File> file = writing.fresh->take();
    LARDER_TRY(const FileInfo info, file->info());
    process.unsynced.forget(info);
    process.pending.add(writing.fingerprint, file, info, writing.generation);
    process.counters.add(&Metrics::puts);
    process.counters.add(&Metrics::put_bytes, writing.payload.size());
    account(writing, info);
    return {};
  }
  return std::unexpected(Error{
      .code = Errc::timed_out,
      .message = writing.path + ": other processes keep changing this entry; try again later"});
}

Result<void> FileStore::write_fresh(Writing& writing) {
  LARDER_TRY(auto fresh,
             store_directory::NewFile::create(directory().file_system(), *writing.root));
  const std::uint64_t bytes = writing.encoded.file_bytes();
  if (bytes > reserve_from_bytes) {
    auto reserved = fresh.file().reserve(bytes);
    if (!reserved && reserved.error().code != Errc::unsupported) return reserved;
  }
  LARDER_CHECK_OK(fresh.file().write_at(writing.encoded.pieces(), 0));
  writing.fresh.emplace(std::move(fresh));
  return {};
}

Result<FileStore::Standing> FileStore::examine(Writing& writing) {
  writing.seen_file.reset();
  LARDER_TRY(auto file, open_entry(writing.fingerprint));
  if (!file) return Standing::absent;
  LARDER_TRY(writing.seen, file->info());
  if (writing.seen.kind != FileKind::regular || !directory().trusts(writing.seen.owner)) {
    return std::unexpected(Error{.code = Errc::not_ours, .message = in_the_way(writing.path)});
  }
  writing.seen_file = file;
  const auto read = read_opened(std::move(file), writing.fingerprint);
  // What cannot be read is replaced like what is damaged: by a file that is synced first.
  if (!read || (*read)->decoded.verdict == format::Verdict::damaged) return Standing::damaged;
  if ((*read)->decoded.verdict != format::Verdict::good) return Standing::different;
  const auto& decoded = (*read)->decoded;
  ArtifactBuffer bytes = (*read)->bytes;
  const auto payload = bytes.bytes().subspan(decoded.payload_offset, decoded.payload_bytes);
  // Under an older key it would be a miss as soon as that is given up.
  const bool is_same = decoded.key_id == writing.key_id && same_bytes(payload, writing.payload);
  return is_same ? Standing::same : Standing::different;
}

// The folder of the entry, made if need be, unless it is open already.
Result<void> FileStore::open_folder(Writing& writing) {
  if (writing.folder) return {};
  const std::string shard = format::shard_name(options_.layout, writing.fingerprint);
  if (shard.empty()) {
    writing.folder = writing.root;
    return {};
  }
  auto opened = writing.root->open_directory(shard);
  if (!opened && opened.error().code == Errc::absent) {
    auto made = writing.root->make_directory(shard);
    if (!made && made.error().code != Errc::exists) {
      return std::unexpected(std::move(made).error());
    }
    writing.made_folder = made.has_value();
    opened = writing.root->open_directory(shard);
  }
  if (!opened && opened.error().code == Errc::not_ours) {
    opened.error().message = in_the_way(directory().path() + "/" + shard);
  }
  if (!opened) return std::unexpected(std::move(opened).error());
  writing.folder = *std::move(opened);
  return {};
}

// False when the name was taken, or the folder deleted, in between.
Result<bool> FileStore::install(Writing& writing) {
  LARDER_CHECK_OK(open_folder(writing));
  auto published = writing.fresh->publish(*writing.folder,
                                          format::file_name(options_.layout, writing.fingerprint));
  if (published) return true;
  if (published.error().code == Errc::exists) return false;
  if (published.error().code != Errc::absent) return std::unexpected(std::move(published).error());
  // The folder was deleted: made anew at the next attempt. The root itself: the caller's to mend.
  if (writing.folder == writing.root) return std::unexpected(std::move(published).error());
  writing.folder.reset();
  return false;
}

// Joining may sync older files to make room; others shall not wait for that.
bool FileStore::join_pending(Writing& writing) {
  const bool had_turn = writing.turn.has_value();
  writing.turn.reset();
  if (!state().unsynced.contains(writing.seen) &&
      state().pending.join(writing.fingerprint, writing.seen_file, writing.seen,
                           writing.generation)) {
    return true;
  }
  if (had_turn) (void)take_turn(writing);
  return false;
}

Result<void> FileStore::take_turn(Writing& writing) {
  LARDER_TRY(auto held,
             state().locks->acquire(LockOffset::change_of(writing.fingerprint), change_wait));
  writing.turn.emplace(std::move(held));
  return {};
}

// False when the name no longer leads to what examine saw.
Result<bool> FileStore::replace_entry(Writing& writing) {
  LARDER_CHECK_OK(writing.fresh->file().sync_data());
  if (!writing.turn) LARDER_CHECK_OK(take_turn(writing));
  const std::string path = format::entry_path(options_.layout, writing.fingerprint);
  const auto named = writing.root->info_at(path);
  if (!named && named.error().code == Errc::absent) return false;
  if (!named) return std::unexpected(named.error());
  if (!named->same_file(writing.seen)) return false;
  LARDER_CHECK_OK(open_folder(writing));
  LARDER_CHECK_OK(writing.fresh->replace(*writing.folder,
                                         format::file_name(options_.layout, writing.fingerprint)));
  (void)state().pending.take(writing.fingerprint, writing.seen);
  return true;
}

// Adds the entry to the usage that all processes keep together, and evicts when it is too much.
void FileStore::account(const Writing& writing, const FileInfo& info) {
  const bool replaced = writing.seen_file != nullptr;
  const std::uint64_t before = replaced ? writing.seen.disk_bytes : 0;
  const std::uint64_t added = info.disk_bytes + (writing.made_folder ? folder_bytes : 0);
  std::optional<format::Usage> usage;
  const auto kept = state().locks->update_statistics([&](format::Statistics& statistics) {
    if (!statistics.usage) return;
    const std::uint64_t sum = statistics.usage->bytes + added;
    statistics.usage->bytes = sum > before ? sum - before : 0;
    if (!replaced) ++statistics.usage->entries;
    usage = statistics.usage;
  });
  if (kept) return keep_budget(usage, writing.fingerprint, info.disk_bytes);
  // The entry is in its place all the same. Once per process: the next put would say the same.
  if (!state().warned_of_usage.exchange(true)) {
    log(LogLevel::warning, directory().path() +
                               ": the budget cannot be kept, since the lock file "
                               "cannot be used: " +
                               kept.error().message);
  }
}

Result<bool> FileStore::remove(const Fingerprint& fingerprint) {
  return remove_of(fingerprint, OfKeys::own);
}

Result<bool> FileStore::remove_of_any_key(const Fingerprint& fingerprint) {
  return remove_of(fingerprint, OfKeys::any);
}

Result<bool> FileStore::remove_of(const Fingerprint& fingerprint, OfKeys keys) {
  return guarded([&]() -> Result<bool> {
    const std::string path = format::entry_path(options_.layout, fingerprint);
    LARDER_TRY(const auto existing, directory().reader());
    if (!existing) return false;
    if (const auto there = existing->info_at(path); !there && there.error().code == Errc::absent) {
      return false;
    }
    LARDER_TRY(const auto root, directory().writer());
    LARDER_TRY(const auto held,
               state().locks->acquire(LockOffset::change_of(fingerprint), change_wait));
    LARDER_TRY(const bool removed, remove_locked(*root, fingerprint, path, keys));
    if (removed) state().counters.add(&Metrics::removals);
    return removed;
  });
}

// With the lock of the fingerprint held; `seen` is what the name leads to.
Result<void> FileStore::unlink_entry(Directory& root, const Fingerprint& fingerprint,
                                     const std::string& path, const FileInfo& seen) {
  auto pending = state().pending.take(fingerprint, seen);
  auto removed = root.remove_file(path);
  if (!removed && pending) state().pending.give_back(*std::move(pending));
  return removed;
}

// By its header. What has none, or a damaged one, or is shown to nobody, is anybody's to remove.
Result<bool> FileStore::is_of_other_key(const Fingerprint& fingerprint, const FileInfo& info) {
  if (options_.layout == FileLayout::vyre) return false;
  const auto file = open_entry(fingerprint);
  if (!file && file.error().code != Errc::permission_denied) return std::unexpected(file.error());
  if (!file || !*file) return false;
  std::array<std::byte, format::header_bytes> header;
  LARDER_TRY(const std::size_t count, (*file)->read_at(header, 0));
  return claims_other_key(std::span(header).first(count), info.size_bytes);
}

Result<bool> FileStore::remove_locked(Directory& root, const Fingerprint& fingerprint,
                                      const std::string& path, OfKeys keys) {
  const auto there = root.info_at(path);
  if (!there && there.error().code == Errc::absent) return false;
  if (!there) return std::unexpected(there.error());
  if (there->kind != FileKind::regular || !directory().trusts(there->owner)) {
    return std::unexpected(
        Error{.code = Errc::not_ours, .message = in_the_way(directory().path() + "/" + path)});
  }
  if (keys == OfKeys::own) {
    LARDER_TRY(const bool is_others, is_of_other_key(fingerprint, *there));
    if (is_others) return false;
  }
  state().pending.forget_loss(fingerprint);
  LARDER_CHECK_OK(unlink_entry(root, fingerprint, path, *there));
  subtract_usage({.bytes = there->disk_bytes, .entries = 1});
  const std::string shard = format::shard_name(options_.layout, fingerprint);
  if (shard.empty()) {
    LARDER_CHECK_OK(root.sync());
  } else {
    LARDER_TRY(const auto folder, root.open_directory(shard));
    LARDER_CHECK_OK(folder->sync());
  }
  return true;
}

}  // namespace larder::file_store
