// visit, prune, clear, and the eviction that keeps the budget.
//
// One process evicts at a time; a put that finds another one at it goes on. The least recently used
// entries leave first, by a stamp (the modification time) that hits renew at most once an hour; a
// stamp from the future counts as now. An entry is unlinked under its lock, when the name still
// leads to the file that the scan saw and nobody has used it since. No sync: an entry that a power
// cut brings back costs space only, and the next scan finds it. (But one that was put and not yet
// flushed may have replaced another: see unlink_unused.)
#include <algorithm>
#include <chrono>
#include <tuple>
#include <vector>

#include "base/guarded.h"
#include "base/try.h"
#include "format/entry_name.h"
#include "store/file/file_store.h"

namespace larder::file_store {
namespace {

constexpr auto prune_wait = std::chrono::seconds(30);
constexpr auto entry_wait = std::chrono::milliseconds(200);
constexpr std::uint64_t low_water_percent = 90;  // so that not every put has to evict
constexpr std::uint64_t rescan_fraction = 16;    // of the budget, put by this process

}  // namespace

// One name that cannot be looked at must not stop the others from being counted and evicted.
// What is gone meanwhile, a link where a folder should be, or another process at work, is no news.
FileStore::News FileStore::passed_over(std::string_view name, const Error& why) const {
  if (why.code == Errc::absent || why.code == Errc::not_ours || why.code == Errc::timed_out) {
    return News::no;
  }
  log(LogLevel::warning, directory().path() + "/" + std::string(name) +
                             ": passed over: " + why.message + "; look at the system's log");
  return News::yes;
}

// What a scan passes over is a stray for who asks for those; the others hear of it in the log.
Visit FileStore::pass_over(const Scan& scan, std::string_view name, const Error& why) const {
  if (scan.stray) return why.code == Errc::absent ? Visit::go_on : scan.stray(name, why);
  passed_over(name, why);
  return Visit::go_on;
}

// Entries of one folder. False when the visitor wants no more.
Result<bool> FileStore::scan_folder(Directory& folder, std::string_view shard, const Scan& scan) {
  bool go_on = true;
  LARDER_CHECK_OK(folder.list([&](std::string_view name) {
    const auto fingerprint = format::parse_file_name(options_.layout, shard, name);
    const auto path = [&] {
      return (shard.empty() ? "" : std::string(shard) + "/") + std::string(name);
    };
    const auto info = folder.info_at(name);
    if (!info) {
      go_on = pass_over(scan, path(), info.error()) == Visit::go_on;
      return go_on;
    }
    if (fingerprint && info->kind == FileKind::regular && directory().trusts(info->owner)) {
      go_on = scan.entry({.fingerprint = *fingerprint, .info = *info}) == Visit::go_on;
      return go_on;
    }
    if (options_.layout == FileLayout::larder) scan.other(*info);
    if (fingerprint && scan.stray) go_on = scan.stray(path(), foreign(*info)) == Visit::go_on;
    return go_on;
  }));
  return go_on;
}

// Calls back for every entry, and for whatever else is on disk because of the store.
Result<void> FileStore::scan(const Scan& scan) {
  LARDER_TRY(const auto root, directory().reader());
  if (!root) return {};
  LARDER_TRY(const FileInfo root_info, root->info());
  scan.other(root_info);
  if (options_.layout == FileLayout::vyre) {
    if (const auto lock = root->info_at(format::lock_name)) scan.other(*lock);
    LARDER_CHECK_OK(scan_folder(*root, {}, scan));
    return {};
  }
  std::vector<std::string> shards;
  LARDER_CHECK_OK(root->list([&](std::string_view name) {
    if (format::is_shard_name(options_.layout, name)) {
      shards.emplace_back(name);
    } else if (const auto info = root->info_at(name); info && info->kind == FileKind::regular) {
      scan.other(*info);
    }
    return true;
  }));
  for (const std::string& shard : shards) {
    const auto folder = root->open_directory(shard);
    if (!folder) {
      if (pass_over(scan, shard, folder.error()) == Visit::stop) return {};
      continue;
    }
    if (const auto info = (*folder)->info()) scan.other(*info);
    const auto go_on = scan_folder(**folder, shard, scan);
    if (!go_on && pass_over(scan, shard, go_on.error()) == Visit::stop) return {};
    if (go_on && !*go_on) return {};
  }
  return {};
}

Result<void> FileStore::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    return scan({.entry = [&](const Found& found) { return visitor(describe_entry(found)); },
                 .other = [](const FileInfo&) {}});
  });
}

// With the length that the entry's header claims.
EntryInfo FileStore::describe_entry(const Found& found) {
  std::array<std::byte, format::header_bytes> header;
  std::size_t count = 0;
  if (options_.layout == FileLayout::larder) {
    const auto file = open_entry(found.fingerprint);
    if (file && *file) count = (*file)->read_at(header, 0).value_or(0);
  }
  const auto read = std::span(header).first(count);
  return {
      .fingerprint = found.fingerprint,
      .payload_bytes = format::claimed_payload_bytes(options_.layout, read, found.info.size_bytes),
      .disk_bytes = found.info.disk_bytes,
      .last_used_s = found.info.modified_s,
      .other_key = claims_other_key(read, found.info.size_bytes)};
}

Result<PruneReport> FileStore::prune(const Budget& budget, DryRun dry_run) {
  return guarded([&]() -> Result<PruneReport> {
    std::vector<Eviction> none;
    if (dry_run == DryRun::yes) return evict_locked({.budget = budget, .dry_run = dry_run}, none);
    return evict_existing({.budget = budget});
  });
}

Result<PruneReport> FileStore::clear() {
  return guarded([&]() -> Result<PruneReport> {
    return evict_existing({.budget = {.max_entries = 0}, .reason = EvictionReason::cleared});
  });
}

Result<PruneReport> FileStore::evict_existing(const EvictionTask& task) {
  LARDER_TRY(const auto existing, directory().reader());
  if (!existing) return PruneReport{};
  LARDER_CHECK_OK(directory().writer());
  return evict(task, prune_wait);
}

// Which limit wants this entry gone, looking at what the store would still hold.
std::optional<EvictionReason> FileStore::reason_to_evict(const Budget& budget,
                                                         const PruneReport& held,
                                                         std::uint64_t other_bytes,
                                                         std::uint64_t bytes_to_free,
                                                         std::uint64_t age_s) {
  if (budget.max_age_s && age_s > *budget.max_age_s) return EvictionReason::age;
  if (budget.max_entries && held.kept_entries > *budget.max_entries) {
    return EvictionReason::entries;
  }
  if (budget.max_bytes && held.kept_bytes + other_bytes > *budget.max_bytes) {
    return EvictionReason::bytes;
  }
  if (held.evicted_bytes < bytes_to_free) return EvictionReason::free_space;
  return std::nullopt;
}

// With the eviction lock held, unless it is a dry run.
Result<PruneReport> FileStore::evict_locked(const EvictionTask& task, std::vector<Eviction>& gone) {
  Budget budget = task.budget;
  std::vector<Found> entries;
  std::uint64_t other_bytes = 0, unseen = 0;
  PruneReport report;
  LARDER_CHECK_OK(scan({.entry =
                            [&](const Found& found) {
                              entries.push_back(found);
                              report.kept_bytes += found.info.disk_bytes;
                              return Visit::go_on;
                            },
                        .other = [&](const FileInfo& info) { other_bytes += info.disk_bytes; },
                        .stray =
                            [&](std::string_view path, const Error& why) {
                              unseen += passed_over(path, why) == News::yes ? 1 : 0;
                              return Visit::go_on;
                            }}));
  report.kept_entries = entries.size();
  LARDER_TRY(const std::uint64_t bytes_to_free, missing_free_bytes(budget));
  lower_to(budget, task.percent_to_keep, report, other_bytes);
  const std::int64_t now_s = directory().file_system().now_s();
  std::ranges::sort(entries, {}, [now_s, &task](const Found& found) {
    return std::tuple(found.fingerprint == task.put, std::min(found.info.modified_s, now_s),
                      found.fingerprint);
  });
  for (const Found& found : entries) {
    const auto age_s =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_s - found.info.modified_s));
    const auto reason = reason_to_evict(budget, report, other_bytes, bytes_to_free, age_s);
    if (!reason) break;  // sorted by age: nobody after this one is older
    if (task.dry_run == DryRun::no) {
      if (!evict_one(found)) continue;
      gone.push_back({.fingerprint = found.fingerprint,
                      .reason = task.reason.value_or(*reason),
                      .bytes = found.info.disk_bytes,
                      .age_s = age_s});
    }
    report.kept_entries -= 1;
    report.kept_bytes -= found.info.disk_bytes;
    report.evicted_entries += 1;
    report.evicted_bytes += found.info.disk_bytes;
  }
  report.kept_bytes += other_bytes;
  if (task.dry_run == DryRun::no) {
    set_usage({.bytes = report.kept_bytes, .entries = report.kept_entries});
  }
  report.kept_entries += unseen;
  return report;
}

// A limit that is exceeded is gone under by some percent, so that not every put has to evict.
void FileStore::lower_to(Budget& budget, std::uint64_t percent, const PruneReport& held,
                         std::uint64_t other_bytes) {
  const auto part = [percent](std::uint64_t value) {
    return value / 100 * percent + value % 100 * percent / 100;
  };
  if (budget.max_bytes && held.kept_bytes + other_bytes > *budget.max_bytes) {
    budget.max_bytes = part(*budget.max_bytes);
  }
  if (budget.max_entries && held.kept_entries > *budget.max_entries) {
    budget.max_entries = part(*budget.max_entries);
  }
}

Result<std::uint64_t> FileStore::missing_free_bytes(const Budget& budget) {
  if (!budget.min_free_bytes) return 0;
  LARDER_TRY(const auto root, directory().reader());
  if (!root) return 0;
  LARDER_TRY(const SpaceInfo space, root->space());
  return *budget.min_free_bytes > space.free_bytes ? *budget.min_free_bytes - space.free_bytes : 0;
}

// False when it was used or replaced since the scan.
Result<bool> FileStore::unlink_unused(const Found& found, const std::string& path) {
  LARDER_TRY(const auto root, directory().reader());
  if (!root) return false;
  LARDER_TRY(const auto held,
             state().locks->acquire(LockOffset::change_of(found.fingerprint), entry_wait));
  LARDER_TRY(const FileInfo named, root->info_at(path));
  if (!named.same_file(found.info) || named.modified_s != found.info.modified_s) return false;
  auto pending = state().pending.take(found.fingerprint, named);
  const auto removed = root->remove_file(path);
  if (pending) {
    // Until a sync covers the removal, a power cut may bring back what had the name before: the
    // next flush sees to the folder. The number of the file may be another one's from now on.
    if (removed) pending->file.reset();
    if (removed) pending->identity = {};
    state().pending.give_back(*std::move(pending));
  }
  LARDER_CHECK_OK(removed);
  return true;
}

bool FileStore::evict_one(const Found& found) {
  const std::string path = format::entry_path(options_.layout, found.fingerprint);
  const auto gone = unlink_unused(found, path);
  if (!gone) passed_over(path, gone.error());
  if (!gone || !*gone) return false;
  state().counters.add(&Metrics::evictions);
  state().counters.add(&Metrics::evicted_bytes, found.info.disk_bytes);
  return true;
}

// Evicts with the eviction lock, and tells the listener when it is free again.
Result<PruneReport> FileStore::evict(const EvictionTask& task, std::chrono::milliseconds wait) {
  std::vector<Eviction> gone;
  auto report = [&]() -> Result<PruneReport> {
    LARDER_TRY(const auto held, state().locks->acquire(LockOffset::eviction(), wait));
    return evict_locked(task, gone);
  }();
  if (options_.on_evict) {
    for (const Eviction& eviction : gone) options_.on_evict(eviction);
  }
  return report;
}

// After a put. Other processes put too: the usage that all keep together decides; it may have
// drifted (a kill between a put and its accounting, files deleted by hand), so that now and then
// the files themselves are counted.
void FileStore::keep_budget(std::optional<format::Usage> usage, const Fingerprint& put,
                            std::uint64_t put_bytes) {
  const Budget& budget = options_.budget;
  ProcessState& process = state();
  const std::uint64_t since_scan = process.put_bytes_since_scan += put_bytes;
  const std::uint64_t rescan_at =
      budget.max_bytes ? *budget.max_bytes / rescan_fraction : since_scan + 1;
  const bool over = !usage || since_scan > rescan_at || is_time_to_look_for_age() ||
                    (budget.max_bytes && usage->bytes > *budget.max_bytes) ||
                    (budget.max_entries && usage->entries > *budget.max_entries) ||
                    missing_free_bytes(budget).value_or(0) > 0;
  if (!over) return;
  const auto evicted = evict({.budget = budget, .percent_to_keep = low_water_percent, .put = put},
                             std::chrono::milliseconds(0));
  if (evicted) {
    process.put_bytes_since_scan = 0;
    process.last_scan_s = directory().file_system().now_s();
  } else if (evicted.error().code != Errc::timed_out) {  // else another process is at it
    log(LogLevel::warning, directory().path() + ": eviction failed: " + evicted.error().message);
  }
}

// At the first put of a process, and then often enough that nothing gets much older than allowed.
bool FileStore::is_time_to_look_for_age() {
  if (!options_.budget.max_age_s) return false;
  const std::int64_t since = directory().file_system().now_s() - state().last_scan_s;
  const auto period = static_cast<std::int64_t>(*options_.budget.max_age_s / rescan_fraction);
  return since < 0 || since > period;
}

void FileStore::set_usage(const format::Usage& usage) {
  const auto kept = state().locks->update_statistics(
      [&](format::Statistics& statistics) { statistics.usage = usage; });
  if (!kept) log(LogLevel::debug, "usage not kept: " + kept.error().message);
}

void FileStore::subtract_usage(const format::Usage& gone) {
  const auto kept = state().locks->update_statistics([&](format::Statistics& statistics) {
    if (!statistics.usage) return;
    statistics.usage->bytes -= std::min(statistics.usage->bytes, gone.bytes);
    statistics.usage->entries -= std::min(statistics.usage->entries, gone.entries);
  });
  if (!kept) log(LogLevel::debug, "usage not kept: " + kept.error().message);
}

}  // namespace larder::file_store
