#include "commands/transfer.h"

#include <algorithm>
#include <utility>

#include "remote.h"

namespace larder::cli {
namespace {

bool is_silence(Errc code) { return code == Errc::unreachable || code == Errc::timed_out; }

using Fetched = Result<std::optional<RemoteEntry>>;

// Asked::no when every silence among them is one of the breaker's. What is too large, or no entry
// of ours, counts as skipped too.
Asked was_asked(const std::vector<Fetched>& all, const RemoteMetrics& done) {
  const auto is_silent = [](const Fetched& each) { return !each && is_silence(each.error().code); };
  const auto is_passed_over = [](const Fetched& each) {
    return !each && (each.error().code == Errc::too_large || each.error().code == Errc::not_ours);
  };
  const auto silent = static_cast<std::uint64_t>(std::ranges::count_if(all, is_silent));
  const auto passed_over = static_cast<std::uint64_t>(std::ranges::count_if(all, is_passed_over));
  return silent + passed_over > done.skipped ? Asked::yes : Asked::no;
}

void keep(Store& local, const Fingerprint& fingerprint, const RemoteEntry& entry,
          Transfer& transfer) {
  const auto stored = local.put(fingerprint, entry.payload.bytes(), {.recipe = entry.recipe});
  if (!stored) return transfer.note_local(stored.error());
  ++transfer.moved;
  transfer.moved_bytes += entry.payload.size();
  if (!entry.recipe.empty()) ++transfer.with_recipe;
}

}  // namespace

void Transfer::remember(const Error& error) {
  std::optional<Error>& first = is_silence(error.code) ? silence : refusal;
  if (!first) first = error;
}

void Transfer::note(const Error& error, Asked asked) {
  if (error.code == Errc::too_large) {
    ++skipped;
    unanswered = 0;
    if (!too_large) too_large = error;
    return;
  }
  ++(error.code == Errc::corrupt ? damaged : failed);
  unanswered = is_silence(error.code) ? unanswered + 1 : 0;
  // What the tier was not asked for says nothing but that something failed before.
  const bool is_known = asked == Asked::no && is_silence(error.code) && (silence || refusal);
  if (!is_known) remember(error);
}

void Transfer::note_local(const Error& error) {
  if (!refusal) refusal = error;
  ++(error.code == Errc::corrupt ? damaged : failed);
}

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

Result<Tiers> tiers_of(const Context& context, Access access) {
  if (context.config.remotes.empty()) {
    return std::unexpected(
        Error{.code = Errc::bad_config,
              .message = "there is no remote tier; name one with LARDER_REMOTE"});
  }
  const OpenRemotesOptions options{
      .state_directory = state_directory(context), .keys = context.keys, .for_transfers = true};
  Tiers tiers;
  for (const RemoteSetting& setting : context.config.remotes) {
    const bool is_read_only =
        setting.store.access == Access::read_only || setting.write == RemoteWrite::off;
    if (access == Access::read_write && is_read_only) continue;
    auto opened = open_remotes({setting}, options);
    if (opened) {
      tiers.opened.push_back(std::move(opened->front()));
    } else {
      tiers.left_out.push_back(std::move(opened).error());
    }
  }
  if (tiers.opened.empty() && !tiers.left_out.empty()) {
    return std::unexpected(std::move(tiers.left_out.front()));
  }
  return tiers;
}

std::vector<Fingerprint> fetch_missing(RemoteStore& server, Store& local, Batch wanted,
                                       Transfer& transfer) {
  std::vector<Fingerprint> missing, absent;
  for (const Fingerprint& fingerprint : wanted) {
    const auto there = local.inspect(fingerprint);
    if (there && *there) {
      ++transfer.already_there;
    } else {
      missing.push_back(fingerprint);
    }
  }
  const RemoteMetrics before = server.remote_metrics();
  const auto found = server.fetch_many(missing);
  if (!found) {
    for (std::size_t i = 0; i < missing.size(); ++i) transfer.note(found.error(), Asked::yes);
    return missing;
  }
  const RemoteMetrics done = server.remote_metrics().since(before);
  const Asked asked = was_asked(*found, done);
  transfer.other_key += done.other_key;
  transfer.absent -= done.other_key;  // where they are counted once more below
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const Fetched& entry = (*found)[i];
    if (!entry) transfer.note(entry.error(), asked);
    if (entry) transfer.note_answer();
    if (entry && !*entry) ++transfer.absent;
    if (entry && *entry) {
      keep(local, missing[i], **entry, transfer);
    } else {
      absent.push_back(missing[i]);
    }
  }
  return absent;
}

}  // namespace larder::cli
