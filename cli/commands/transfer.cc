#include "commands/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "commands/commands.h"
#include "document.h"
#include "remote.h"
#include "terminal.h"
#include "text.h"

namespace larder::cli {
namespace {

constexpr std::size_t most_at_once = 64;

bool is_silence(Errc code) { return code == Errc::unreachable || code == Errc::timed_out; }

void print_text(const Transfer& transfer) {
  std::string line = fmt::format("{}: {} of {} ({})", transfer.tier, transfer.moved,
                                 entries_text(transfer.entries), human_bytes(transfer.moved_bytes));
  line += fmt::format(", {} there already", transfer.already_there);
  if (transfer.absent != 0) line += fmt::format(", {} not in the tier", transfer.absent);
  if (transfer.gone != 0) line += fmt::format(", {} gone meanwhile", transfer.gone);
  if (transfer.other_key != 0) line += fmt::format(", {} of another key", transfer.other_key);
  if (transfer.damaged != 0) line += fmt::format(", {} damaged", transfer.damaged);
  if (transfer.skipped != 0) line += fmt::format(", {} too large", transfer.skipped);
  if (transfer.failed != 0) line += fmt::format(", {} failed", transfer.failed);
  if (transfer.evicted != 0) line += fmt::format(", {} evicted", transfer.evicted);
  fmt::print("{}\n", printable(line));
}

void warn_of_other_keys(const Context& context, const Transfer& transfer) {
  if (transfer.other_key == 0) return;
  const bool is_sent = transfer.from == From::local_store;
  warn(fmt::format(
      "{} of another key in {} {} {}; {}", transfer.other_key,
      is_sent ? "the local store" : transfer.tier, transfer.other_key == 1 ? "was" : "were",
      is_sent ? "not sent to " + transfer.tier : "left there",
      context.keys.empty() ? "name the file of the key with --key-file"
                           : "add the key that made them to the key file, as a later line"));
}

void warn_of_evictions(const std::vector<Transfer>& transfers) {
  std::uint64_t evicted = 0;
  for (const Transfer& transfer : transfers) evicted += transfer.evicted;
  if (evicted == 0) return;
  warn(
      fmt::format("{} left the local store to make room; raise LARDER_MAX_SIZE, or free some space "
                  "on the disk, and fetch again",
                  entries_text(evicted)));
}

void print_json(const std::vector<Transfer>& transfers) {
  Document list = Document::list();
  for (const Transfer& transfer : transfers) {
    list.append(Document::object()
                    .set("tier", transfer.tier)
                    .set("left_out", transfer.left_out.has_value())
                    .set("entries", transfer.entries)
                    .set("moved", transfer.moved)
                    .set("moved_bytes", transfer.moved_bytes)
                    .set("already_there", transfer.already_there)
                    .set("absent", transfer.absent)
                    .set("gone", transfer.gone)
                    .set("other_key", transfer.other_key)
                    .set("damaged", transfer.damaged)
                    .set("skipped", transfer.skipped)
                    .set("failed", transfer.failed)
                    .set("evicted", transfer.evicted));
  }
  list.print();
}

}  // namespace

void Transfer::note(const Error& error) {
  if (error.code == Errc::too_large) {
    ++skipped;
    return;
  }
  // Those behind the first only say that the tier is not asked again.
  if (failed + damaged == 0) failure = error;
  ++(error.code == Errc::corrupt ? damaged : failed);
  unanswered = is_silence(error.code) ? unanswered + 1 : 0;
}

void Transfer::note_local(const Error& error) {
  if (failed + damaged == 0) failure = error;
  ++(error.code == Errc::corrupt ? damaged : failed);
}

bool Transfer::is_hopeless() const { return servers == 1 && unanswered >= most_at_once; }

std::vector<Fingerprint> without_repeats(const std::vector<Fingerprint>& fingerprints) {
  std::vector<std::size_t> places;
  places.reserve(fingerprints.size());
  for (std::size_t place = 0; place < fingerprints.size(); ++place) places.push_back(place);
  std::ranges::stable_sort(places, {}, [&](std::size_t place) { return fingerprints[place]; });
  const auto repeated =
      std::ranges::unique(places, {}, [&](std::size_t place) { return fingerprints[place]; });
  places.erase(repeated.begin(), repeated.end());
  std::ranges::sort(places);
  std::vector<Fingerprint> once;
  once.reserve(places.size());
  for (const std::size_t place : places) once.push_back(fingerprints[place]);
  return once;
}

Batch move_in_batches(Batch entries, const char* label, Transfer& transfer,
                      const std::function<void(Batch)>& move) {
  Progress progress(label);
  progress.expect(entries.size());
  while (!entries.empty() && !transfer.is_hopeless()) {
    const Batch batch = entries.first(std::min(entries.size(), most_at_once));
    move(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) progress.step();
    entries = entries.subspan(batch.size());
  }
  transfer.failed += entries.size();
  return entries;
}

Result<std::vector<RemoteTier>> tiers_of(const Context& context) {
  if (!context.config.remotes.empty()) {
    return open_remotes(
        context.config.remotes,
        {.state_directory = state_directory(context), .keys = context.keys, .asks_at_once = true});
  }
  return std::unexpected(Error{.code = Errc::bad_config,
                               .message = "there is no remote tier; name one with LARDER_REMOTE"});
}

std::vector<Fingerprint> fetch_missing(RemoteStore& tier, Store& local,
                                       std::span<const Fingerprint> wanted, Transfer& transfer) {
  std::vector<Fingerprint> missing, absent;
  for (const Fingerprint& fingerprint : wanted) {
    const auto there = local.inspect(fingerprint);
    if (there && *there) {
      ++transfer.already_there;
    } else {
      missing.push_back(fingerprint);
    }
  }
  const std::uint64_t others_before = tier.remote_metrics().other_key;
  const auto found = tier.fetch_many(missing);
  if (!found) {
    for (std::size_t i = 0; i < missing.size(); ++i) transfer.note(found.error());
    return missing;
  }
  const std::uint64_t of_others = tier.remote_metrics().other_key - others_before;
  transfer.other_key += of_others;
  transfer.absent -= of_others;  // where they are counted once more below
  const std::uint64_t evicted_before = local.metrics().evictions;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const auto& entry = (*found)[i];
    if (!entry) transfer.note(entry.error());
    if (entry) transfer.note_answer();
    if (entry && !*entry) ++transfer.absent;
    if (!entry || !*entry) {
      absent.push_back(missing[i]);
      continue;
    }
    const auto stored =
        local.put(missing[i], (*entry)->payload.bytes(), {.recipe = (*entry)->recipe});
    if (!stored) {
      transfer.note_local(stored.error());
      continue;
    }
    ++transfer.moved;
    transfer.moved_bytes += (*entry)->payload.size();
  }
  transfer.evicted += local.metrics().evictions - evicted_before;
  return absent;
}

int conclude(const Context& context, const std::vector<Transfer>& transfers) {
  const bool none_is_listed =
      std::ranges::all_of(transfers, [](auto& each) { return each.left_out.has_value(); });
  if (context.options.format == Format::json) {
    print_json(transfers);
  } else {
    for (const Transfer& transfer : transfers) {
      if (!transfer.left_out) print_text(transfer);
    }
  }
  warn_of_evictions(transfers);
  int code = exit_ok;
  for (const Transfer& transfer : transfers) {
    warn_of_other_keys(context, transfer);
    if (transfer.left_out && none_is_listed) code = fail(*transfer.left_out);
    if (transfer.left_out && !none_is_listed) warn("left out: " + transfer.left_out->message);
    if (transfer.failed + transfer.damaged == 0) continue;
    const bool silent = is_silence(transfer.failure.code);
    code = fail(silent ? exit_unreachable : exit_refused, transfer.failure.message);
  }
  return code;
}

}  // namespace larder::cli
