#include "store/file/pending.h"

#include <algorithm>
#include <system_error>
#include <thread>

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
bool sync_folder(Directory& root, const std::string& name) noexcept {
  try {
    const auto folder = root.open_directory(name);
    return folder && (*folder)->sync();
  } catch (...) {
    return false;
  }
}

bool sync_file(File& file) noexcept {
  try {
    return file.sync_data().has_value();
  } catch (...) {
    return false;
  }
}

}  // namespace

void Pending::add(const Fingerprint& fingerprint, std::shared_ptr<File> file,
                  const FileInfo& identity) {
  {
    const std::lock_guard lock(mutex_);
    lost_.erase(fingerprint);
    insert({.fingerprint = fingerprint, .file = std::move(file), .identity = identity});
  }
  make_room();
}

bool Pending::join(const Fingerprint& fingerprint, std::shared_ptr<File> file,
                   const FileInfo& identity) {
  {
    const std::lock_guard lock(mutex_);
    if (lost_.contains(fingerprint)) return false;
    const auto found = entries_.find(fingerprint);
    // The descriptor that wrote the file knows more of its errors than the one just opened.
    if (found != entries_.end() && found->second.identity.same_file(identity)) return true;
    insert({.fingerprint = fingerprint, .file = std::move(file), .identity = identity});
  }
  make_room();
  return true;
}

// With mutex_ held.
void Pending::insert(Entry entry) {
  entry.order = next_order_++;
  entry.generation = directory_.generation();
  Entry& place = entries_[entry.fingerprint];
  if (!place.file) ++open_files_;
  place = std::move(entry);
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

void Pending::drop(const Fingerprint& fingerprint) {
  const std::lock_guard lock(mutex_);
  lost_.erase(fingerprint);
  const auto found = entries_.find(fingerprint);
  if (found == entries_.end()) return;
  if (found->second.file) --open_files_;
  entries_.erase(found);
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
    for (const auto& [fingerprint, entry] : entries_) {
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
    if (entry.failed) {
      give_up(entry);
      continue;
    }
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(entry.fingerprint);
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
  try {
    flush_batch(batch);
  } catch (...) {
    put_back(batch);  // no memory: nothing is durable that was not before
    throw;
  }
  {
    const std::lock_guard lock(mutex_);
    flushing_ = 0;
    flush_runs_ = false;
  }
  return verdict();
}

void Pending::put_back(Entries& batch) noexcept {
  const std::lock_guard lock(mutex_);
  entries_.merge(batch);  // moves nodes, allocates nothing; what was put meanwhile stays
  open_files_ = static_cast<std::size_t>(std::ranges::count_if(
      entries_, [](const auto& each) { return each.second.file != nullptr; }));
  flushing_ = 0;
  flush_runs_ = false;
}

void Pending::flush_batch(Entries& batch) {
  if (batch.empty()) return;
  std::vector<Entry*> entries;
  entries.reserve(batch.size());
  for (auto& [fingerprint, entry] : batch) entries.push_back(&entry);
  sync_files(entries);
  sync_folders(entries);
  // A sync of files in a directory that somebody has deleted succeeds, and means nothing.
  const bool there = directory_.is_at_its_path();
  const std::uint64_t generation = directory_.generation();
  for (Entry* entry : entries) {
    if (!there || entry->generation != generation) entry->failed = true;
    if (entry->failed) give_up(*entry);
  }
}

void Pending::sync_files(std::span<Entry* const> entries) const {
  for (const Entry* entry : entries) {
    // All write-back under way at once; whatever fails here fails in the sync as well.
    if (entry->file) (void)entry->file->start_writeback();
  }
  in_parallel(entries.size(), options_.threads, [entries](std::size_t i) {
    Entry& entry = *entries[i];
    if (entry.file && !entry.failed && !sync_file(*entry.file)) entry.failed = true;
  });
}

// One fsync for each folder that has an entry, then the root: another process may have made a
// folder and not synced it yet, and this flush vouches for the whole path.
void Pending::sync_folders(std::span<Entry* const> entries) {
  const auto root = directory_.reader();
  const bool root_open = root && *root != nullptr;
  std::map<std::string, bool> folders;  // name -> synced
  for (const Entry* entry : entries) {
    folders.try_emplace(format::shard_name(directory_.layout(), entry->fingerprint), false);
  }
  std::vector<std::pair<const std::string, bool>*> work;
  for (auto& folder : folders) {
    if (root_open && !folder.first.empty()) work.push_back(&folder);
  }
  in_parallel(work.size(), options_.threads,
              [&](std::size_t i) { work[i]->second = sync_folder(**root, work[i]->first); });
  const bool root_synced = root_open && (*root)->sync();
  for (Entry* entry : entries) {
    const std::string name = format::shard_name(directory_.layout(), entry->fingerprint);
    if (!root_synced || (!name.empty() && !folders[name])) entry->failed = true;
  }
}

// False when fresh bytes were put meanwhile: then the loss of the old ones means nothing. Somebody
// who joined the failed file goes down with it: his descriptor may have been opened after the error
// was reported, and would never hear of it.
bool Pending::mark_lost(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  const auto newer = entries_.find(entry.fingerprint);
  const bool there = newer != entries_.end();
  if (there && !newer->second.identity.same_file(entry.identity)) return false;
  lost_.insert(entry.fingerprint);
  if (there && newer->second.file) --open_files_;
  if (there) entries_.erase(newer);
  return true;
}

// Takes an entry that may not be on the disk out of the store, so that nobody builds on it. When
// that fails too, the fingerprint still counts as lost, and join() refuses the file.
void Pending::give_up(const Entry& entry) {
  if (!mark_lost(entry)) return;
  const auto root = directory_.reader();
  if (!root || *root == nullptr) return;
  const auto change = locks_.acquire(LockOffset::change_of(entry.fingerprint), removal_wait);
  if (!change) return;
  const std::string path = format::entry_path(directory_.layout(), entry.fingerprint);
  const auto named = (*root)->info_at(path);
  if (named && named->same_file(entry.identity)) (void)(*root)->remove_file(path);
}

Result<void> Pending::verdict() const {
  const std::lock_guard lock(mutex_);
  if (lost_.empty()) return {};
  return std::unexpected(Error{
      .code = Errc::not_durable,
      .message = directory_.path() + ": " + std::to_string(lost_.size()) +
                 " entries could not be made durable and were taken out of the store, first " +
                 lost_.begin()->hex() + "; put them again, and look at the system's log",
      .fingerprints = {lost_.begin(), lost_.end()}});
}

}  // namespace larder::file_store
