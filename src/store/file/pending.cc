#include "store/file/pending.h"

#include <algorithm>
#include <system_error>
#include <thread>

#include "base/try.h"
#include "format/entry_name.h"

namespace larder::file_store {
namespace {

constexpr auto removal_wait = std::chrono::milliseconds(2000);
constexpr std::size_t files_per_thread = 4;  // fewer are not worth a thread

// Calls work(i) for each i below `count` from up to `threads` threads, this one included. A thread
// that cannot be made is done without.
template <class Work>
void in_parallel(std::size_t count, std::size_t threads, const Work& work) {
  std::atomic<std::size_t> next = 0;
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> helpers;
  const std::size_t wanted = std::min(threads, count / files_per_thread + 1);
  for (std::size_t i = 1; i < wanted; ++i) {
    try {
      helpers.emplace_back(run);
    } catch (const std::system_error&) {
      break;
    }
  }
  run();
}

// On a thread of its own, where nobody else would catch what is thrown.
bool sync_file(File& file) noexcept {
  try {
    return file.sync_data().has_value();
  } catch (...) {
    return false;
  }
}

}  // namespace

void Pending::add(const Fingerprint& fingerprint, std::shared_ptr<File> file,
                  const FileInfo& identity, std::uint64_t generation) {
  {
    const std::lock_guard lock(mutex_);
    insert({.fingerprint = fingerprint,
            .file = std::move(file),
            .identity = identity,
            .generation = generation});
    lost_.erase(fingerprint);
  }
  make_room();
}

bool Pending::join(const Fingerprint& fingerprint, std::shared_ptr<File> file,
                   const FileInfo& identity, std::uint64_t generation) {
  {
    const std::lock_guard lock(mutex_);
    if (lost_.contains(fingerprint)) return false;
    const auto found = entries_.find(key_of(fingerprint, identity));
    // The descriptor that wrote the file knows more of its errors than the one just opened. A
    // number without a descriptor says nothing: it may have been given to another file since.
    if (found != entries_.end() && found->second.file) return true;
    insert({.fingerprint = fingerprint,
            .file = std::move(file),
            .identity = identity,
            .generation = generation});
  }
  make_room();
  return true;
}

// With mutex_ held.
void Pending::insert(Entry entry) {
  entry.order = next_order_++;
  Entry& place = entries_[key_of(entry.fingerprint, entry.identity)];
  if (place.file) --open_files_;
  if (entry.file) ++open_files_;
  place = std::move(entry);
}

std::optional<Pending::Entry> Pending::take(const Fingerprint& fingerprint,
                                            const FileInfo& identity) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_of(fingerprint, identity));
  if (found == entries_.end()) return std::nullopt;
  if (found->second.file) --open_files_;
  std::optional<Entry> taken = std::move(found->second);
  entries_.erase(found);
  return taken;
}

void Pending::give_back(Entry entry) {
  const std::lock_guard lock(mutex_);
  insert(std::move(entry));
}

void Pending::damaged(const Fingerprint& fingerprint, const FileInfo& identity) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_of(fingerprint, identity));
  if (found == entries_.end()) return;
  lost_.insert(fingerprint);
  if (found->second.file) --open_files_;
  entries_.erase(found);
}

void Pending::forget_loss(const Fingerprint& fingerprint) {
  const std::lock_guard lock(mutex_);
  lost_.erase(fingerprint);
}

void Pending::make_room() {
  bool too_many_files = false;
  bool too_many_entries = false;
  {
    const std::lock_guard lock(mutex_);
    too_many_files = open_files_ > options_.max_open_files;
    too_many_entries = entries_.size() > options_.max_entries;
  }
  if (too_many_entries) {
    (void)flush();  // what it loses is remembered, and named by the caller's own next flush
  } else if (too_many_files) {
    settle_oldest();
  }
}

Durability Pending::durability() const {
  const std::lock_guard lock(mutex_);
  const std::size_t pending = entries_.size() + flushing_;
  return {.pending = pending,
          .lost = lost_.size(),
          .durable = pending == 0 && lost_.empty() && !flush_runs_};
}

// Syncs the older half of the open files so that their descriptors can go; their names stay
// pending.
void Pending::settle_oldest() {
  const std::lock_guard flushing(flush_mutex_);
  std::vector<Entry> batch;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : entries_) {
      if (entry.file) batch.push_back(entry);
    }
  }
  const std::size_t half = batch.size() / 2;
  std::ranges::nth_element(batch, batch.begin() + static_cast<std::ptrdiff_t>(half), {},
                           &Entry::order);
  batch.resize(half);
  std::vector<Entry*> oldest;
  for (Entry& entry : batch) oldest.push_back(&entry);
  sync_files(oldest);
  for (const Entry& entry : batch) {
    if (entry.data_failed) {
      give_up(entry);
      continue;
    }
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key_of(entry.fingerprint, entry.identity));
    if (found == entries_.end() || found->second.order != entry.order) continue;
    --open_files_;
    found->second.file.reset();
  }
}

Result<void> Pending::flush() {
  const std::lock_guard flushing(flush_mutex_);
  Entries batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(entries_);
    open_files_ = 0;
    flushing_ = batch.size();
    flush_runs_ = true;
  }
  Result<void> tried;
  try {
    tried = flush_batch(batch);
  } catch (...) {
    put_back(batch);  // no memory: nothing is durable that was not before
    throw;
  }
  put_back(batch);
  auto lost = verdict();
  return lost ? tried : lost;
}

void Pending::put_back(Entries& batch) noexcept {
  const std::lock_guard lock(mutex_);
  entries_.merge(batch);  // moves nodes, allocates nothing; what was put meanwhile stays
  open_files_ = static_cast<std::size_t>(std::ranges::count_if(
      entries_, [](const auto& each) { return each.second.file != nullptr; }));
  flushing_ = 0;
  flush_runs_ = false;
}

Result<void> Pending::flush_batch(Entries& batch) {
  if (batch.empty()) return {};
  std::vector<Entry*> entries;
  entries.reserve(batch.size());
  for (auto& [key, entry] : batch) entries.push_back(&entry);
  sync_files(entries);
  auto tried = sync_names(entries);
  for (const Entry* entry : entries) {
    if (entry->data_failed || entry->name_failed) give_up(*entry);
  }
  // What is left in the batch is tried again by the next flush.
  std::erase_if(batch, [&tried](const auto& each) {
    return tried || each.second.data_failed || each.second.name_failed;
  });
  return tried;
}

void Pending::sync_files(std::span<Entry* const> entries) const {
  for (const Entry* entry : entries) {
    // All write-back under way at once; whatever fails here fails in the sync as well.
    if (entry->file) (void)entry->file->start_writeback();
  }
  in_parallel(entries.size(), options_.threads, [entries](std::size_t i) {
    Entry& entry = *entries[i];
    if (entry.file && !entry.data_failed && !sync_file(*entry.file)) entry.data_failed = true;
  });
}

// A folder that is gone has taken its names along; one that cannot be opened just now has not.
Pending::Synced Pending::sync_folder(Directory& root, const std::string& name) noexcept {
  try {
    const auto folder = root.open_directory(name);
    if (folder) return (*folder)->sync() ? Synced::yes : Synced::no;
    const Errc why = folder.error().code;
    return why == Errc::absent || why == Errc::not_ours ? Synced::no : Synced::not_tried;
  } catch (...) {
    return Synced::not_tried;
  }
}

// One fsync for each folder that has an entry, then the root: another process may have made a
// folder and not synced it yet, and this flush vouches for the whole path. Last a look at whether
// the path still leads here: a sync in a deleted directory succeeds, and means nothing.
Result<void> Pending::sync_names(std::span<Entry* const> entries) {
  LARDER_TRY(const auto root, directory_.reader());
  std::map<std::string, Synced> folders;
  for (const Entry* entry : entries) {
    folders.try_emplace(format::shard_name(options_.layout, entry->fingerprint), Synced::yes);
  }
  std::vector<std::pair<const std::string, Synced>*> work;
  for (auto& folder : folders) {
    if (root && !folder.first.empty()) work.push_back(&folder);
  }
  in_parallel(work.size(), options_.threads,
              [&](std::size_t i) { work[i]->second = sync_folder(*root, work[i]->first); });
  const bool root_synced = root && root->sync();
  LARDER_TRY(const bool there, directory_.is_at_its_path());
  const std::uint64_t generation = directory_.generation();
  bool all_tried = true;
  for (Entry* entry : entries) {
    const Synced folder = folders[format::shard_name(options_.layout, entry->fingerprint)];
    if (folder == Synced::not_tried) all_tried = false;
    if (!root_synced || !there || folder == Synced::no || entry->generation != generation) {
      entry->name_failed = true;
    }
  }
  if (all_tried) return {};
  return std::unexpected(Error{.code = Errc::io_error,
                               .message = directory_.path() +
                                          ": a folder could not be opened to be synced; nothing "
                                          "is lost: look at the limit of open files, flush again"});
}

// Whether the name leads to another file by now. Whoever put that one vouches for it.
bool Pending::is_superseded(const Entry& entry, Directory& root) {
  if (entry.name_failed) return false;
  const auto named = root.info_at(format::entry_path(options_.layout, entry.fingerprint));
  return named && !named->same_file(entry.identity);
}

// Somebody who joined the failed file goes down with it: his descriptor may have been opened after
// the error was reported, and would never hear of it.
void Pending::mark_lost(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  lost_.insert(entry.fingerprint);
  const auto joined = entries_.find(key_of(entry.fingerprint, entry.identity));
  if (joined == entries_.end()) return;
  if (joined->second.file) --open_files_;
  entries_.erase(joined);
}

// Takes an entry that may not be on the disk out of the store, so that nobody builds on it. When
// that fails too, the fingerprint still counts as lost, and join() refuses the file.
void Pending::give_up(const Entry& entry) {
  const auto root = directory_.reader();
  const bool root_open = root && *root != nullptr;
  const auto change = locks_.acquire(LockOffset::change_of(entry.fingerprint), removal_wait);
  if (root_open && change && is_superseded(entry, **root)) return;
  mark_lost(entry);
  if (!root_open || !change) return;
  const std::string path = format::entry_path(options_.layout, entry.fingerprint);
  const auto named = (*root)->info_at(path);
  if (named && named->same_file(entry.identity)) (void)(*root)->remove_file(path);
}

Result<void> Pending::verdict() const {
  const std::lock_guard lock(mutex_);
  if (lost_.empty()) return {};
  return std::unexpected(Error{.code = Errc::not_durable,
                               .message = directory_.path() + ": " + std::to_string(lost_.size()) +
                                          (lost_.size() == 1 ? " entry" : " entries") +
                                          " could not be made durable and left the store, first " +
                                          lost_.begin()->hex() +
                                          "; put again, and look at the system's log",
                               .fingerprints = {lost_.begin(), lost_.end()}});
}

}  // namespace larder::file_store
