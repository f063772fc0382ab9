// What a remote store does besides looking up and writing.
#include <algorithm>
#include <utility>

#include "base/guarded.h"
#include "base/try.h"
#include "format/entry_name.h"
#include "store/remote/remote_store.h"

namespace larder {
namespace {

constexpr FileLayout layout = FileLayout::larder;
constexpr std::chrono::minutes longest_listing(10);
constexpr std::size_t most_listed = 50'000'000;  // 4 GB; a server may go on for ever

// Of a name without the namespace: "ab/ab....art".
std::optional<Fingerprint> fingerprint_of(std::string_view name) noexcept {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return format::parse_file_name(layout, name.substr(0, slash), name.substr(slash + 1));
}

std::uint64_t without(std::uint64_t bytes, std::uint64_t overhead) noexcept {
  return bytes < overhead ? 0 : bytes - overhead;
}

// A server may tell one twice.
void leave_each_once(std::vector<EntryInfo>& entries) {
  std::ranges::sort(entries, {}, &EntryInfo::fingerprint);
  const auto repeated = std::ranges::unique(entries, {}, &EntryInfo::fingerprint);
  entries.erase(repeated.begin(), repeated.end());
}

}  // namespace

// Listing takes as long as it takes; it is each page that has to come in time. Who has answered is
// not asked once more for another server's sake.
Result<void> RemoteStoreImpl::list(For purpose, std::vector<EntryInfo>& entries) {
  State& now = state_.get();
  // Before anybody is admitted: what the server was not asked says nothing about it.
  LARDER_CHECK_OK(now.transport->can_list());
  if (!admit(now)) return not_asked();
  const auto keep = [&](const remote::Object& object) {
    if (entries.size() == most_listed) return Visit::stop;
    // A server may tell of others than it was asked for.
    if (!object.name.starts_with(prefix_)) return Visit::go_on;
    const auto fingerprint = fingerprint_of(object.name.substr(prefix_.size()));
    if (fingerprint) {
      entries.push_back({.fingerprint = *fingerprint,
                         .payload_bytes = without(object.bytes, format::smallest_file(layout)),
                         .disk_bytes = object.bytes});
    }
    return Visit::go_on;
  };
  const auto question = [&](remote::Transport& transport, const remote::Patience& patience) {
    entries.clear();
    return transport.list(prefix_, keep, patience);
  };
  const Attempts attempts({options_.timeouts.connect, options_.timeouts.data, longest_listing});
  auto listed = purpose == For::looking ? ask<For::looking>(now, attempts, question)
                                        : ask<For::reading>(now, attempts, question);
  if (entries.size() == most_listed) {
    entries.clear();
    return std::unexpected(Error{.code = Errc::too_large,
                                 .message = options_.url + ": lists more than 50 million entries, "
                                                           "which is not believed; look at it"});
  }
  leave_each_once(entries);
  if (!listed) return std::unexpected(std::move(listed).error());
  if (*listed) return std::unexpected(**std::move(listed));
  return {};
}

Result<void> RemoteStoreImpl::visit(const EntryVisitor& visitor) {
  return guarded([&]() -> Result<void> {
    std::vector<EntryInfo> entries;
    auto listed = list(For::reading, entries);
    for (const EntryInfo& entry : entries) {
      if (visitor(entry) == Visit::stop) break;
    }
    return listed;
  });
}

// What else is on the server is none of ours.
Result<void> RemoteStoreImpl::visit_strays(const StrayVisitor&, Repair) { return {}; }

Result<PruneReport> RemoteStoreImpl::evict(const std::vector<EntryInfo>& entries,
                                           const Budget& budget, DryRun dry_run) {
  State& now = state_.get();
  PruneReport report{.kept_entries = entries.size()};
  for (const EntryInfo& entry : entries) report.kept_bytes += entry.disk_bytes;
  for (const EntryInfo& entry : entries) {
    const bool over = report.kept_entries > budget.max_entries.value_or(report.kept_entries) ||
                      report.kept_bytes > budget.max_bytes.value_or(report.kept_bytes);
    if (!over) break;
    if (dry_run == DryRun::no) {
      const Attempts attempts(options_.timeouts);
      LARDER_TRY(const bool removed, remove_object(now, attempts, entry.fingerprint));
      if (removed) now.counters.add(&Metrics::evictions);
      if (removed) now.counters.add(&Metrics::evicted_bytes, entry.disk_bytes);
    }
    ++report.evicted_entries;
    report.evicted_bytes += entry.disk_bytes;
    --report.kept_entries;
    report.kept_bytes -= entry.disk_bytes;
  }
  return report;
}

Result<PruneReport> RemoteStoreImpl::prune(const Budget& budget, DryRun dry_run) {
  return guarded([&]() -> Result<PruneReport> {
    if (budget.min_free_bytes || budget.max_age_s) {
      return std::unexpected(
          Error{.code = Errc::unsupported,
                .message = options_.url + ": neither ages nor free space are known of a remote "
                                          "tier; let the server evict, or give a number or size"});
    }
    if (dry_run == DryRun::no) LARDER_CHECK_OK(check_put(0, 0));
    // That it lists is not to hide that nothing is ever removed.
    const For purpose = dry_run == DryRun::yes ? For::reading : For::looking;
    std::vector<EntryInfo> entries;
    LARDER_CHECK_OK(list(purpose, entries));
    auto report = evict(entries, budget, dry_run);
    if (report && report->evicted_entries == 0) tell_alive(state_.get());
    return report;
  });
}

Result<PruneReport> RemoteStoreImpl::clear() { return prune({.max_entries = 0}, DryRun::no); }

Result<std::optional<std::int64_t>> RemoteStoreImpl::server_time_s() {
  return guarded([&]() -> Result<std::optional<std::int64_t>> {
    State& now = state_.get();
    if (!admit(now)) return not_asked();
    return ask(now, Attempts(options_.timeouts),
               [](auto& transport, const auto& patience) { return transport.time_s(patience); });
  });
}

Result<void> RemoteStoreImpl::flush() {
  return guarded([&]() -> Result<void> {
    State& now = state_.get();
    now.counters.add(&Metrics::flushes);
    keep_metrics(now);
    return {};
  });
}

Metrics RemoteStoreImpl::metrics() const {
  return guarded_or({}, [&] { return state_.get().counters.snapshot(); });
}

RemoteMetrics RemoteStoreImpl::remote_metrics() const {
  return guarded_or({}, [&] {
    const State& now = state_.get();
    const Tally& tally = now.tally;
    const Metrics m = now.counters.snapshot();
    return RemoteMetrics{.lookups = tally.lookups,
                         .hits = m.hits,
                         .absent = m.absent,
                         .corrupt = m.corrupt,
                         .errors = tally.errors,
                         .timeouts = tally.timeouts,
                         .skipped = m.skipped,
                         .uploads = m.puts,
                         .uploads_unchanged = m.puts_unchanged,
                         .upload_failures = tally.upload_failures,
                         .uploads_skipped = tally.uploads_skipped,
                         .retries = tally.retries,
                         .breaker_openings = now.breaker.openings(),
                         .bytes_in = tally.bytes_in,
                         .bytes_out = tally.bytes_out,
                         .other_key = tally.other_key};
  });
}

Result<std::unique_ptr<Lease>> RemoteStoreImpl::try_lease(const Fingerprint& fingerprint) {
  return guarded([&]() -> Result<std::unique_ptr<Lease>> {
    return state_.get().leases.try_lease(fingerprint);
  });
}

Result<void> RemoteStoreImpl::add_statistics(const Metrics& delta) {
  return guarded([&]() -> Result<void> {
    state_.get().statistics.add(delta);
    return {};
  });
}

Result<Metrics> RemoteStoreImpl::statistics() {
  return guarded([&]() -> Result<Metrics> { return state_.get().statistics.get(); });
}

Result<void> RemoteStoreImpl::reset_statistics() {
  return guarded([&]() -> Result<void> {
    State& now = state_.get();
    now.statistics.reset();
    const std::scoped_lock lock(now.kept_mutex);
    now.kept = remote_metrics();
    file_.reset_counters();
    return {};
  });
}

}  // namespace larder
