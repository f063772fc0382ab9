// push and pull: every entry of the local store to each remote tier that may be written, and every
// entry of each tier to the local store.
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "commands/transfer.h"
#include "larder/remote.h"
#include "merge.h"
#include "terminal.h"

namespace larder::cli {
namespace {

void push_entry(Store& local, RemoteStore& server, const Fingerprint& fingerprint,
                Transfer& transfer) {
  const auto details = local.inspect(fingerprint);
  if (!details) return transfer.note_local(details.error());
  const auto artifact = local.get(fingerprint);
  if (!artifact) return transfer.note_local(artifact.error());
  if (!*details || !*artifact) {
    ++transfer.gone;
    return;
  }
  const RemoteMetrics before = server.remote_metrics();
  const auto stored = server.put(fingerprint, (*artifact)->bytes(), {.recipe = (*details)->recipe});
  const RemoteMetrics done = server.remote_metrics().since(before);
  if (!stored) {
    return transfer.note(stored.error(), done.uploads_skipped == 0 ? Asked::yes : Asked::no);
  }
  transfer.note_answer();
  if (done.uploads == 0) {
    ++transfer.already_there;
    return;
  }
  ++transfer.moved;
  transfer.moved_bytes += (*artifact)->size();
}

// A pack may have one entry twice, each made with a key of its own.
std::vector<Fingerprint> to_move(const std::vector<EntryInfo>& entries, Transfer& transfer) {
  std::vector<Fingerprint> fingerprints;
  for (const EntryInfo& entry : entries) {
    if (!entry.other_key) fingerprints.push_back(entry.fingerprint);
    if (entry.other_key) ++transfer.other_key;
  }
  fingerprints = without_repeats(fingerprints);
  transfer.entries = fingerprints.size() + transfer.other_key;
  return fingerprints;
}

Transfer move_all(RemoteStore& tier, From from, Store& store, const Move& move) {
  Transfer transfer{.tier = tier.describe(), .from = from};
  std::vector<EntryInfo> entries;
  const auto listed = list_by_last_use(store, entries);
  transfer.is_listed = listed.has_value();
  if (!listed && listed.error().code == Errc::unsupported && entries.empty()) {
    transfer.left_out = listed.error();
  } else if (!listed) {
    transfer.remember(listed.error());  // what other servers listed is moved all the same
  }
  move_in_batches(tier, to_move(entries, transfer), from == From::tier ? "pulling" : "pushing",
                  transfer, move);
  return transfer;
}

}  // namespace

int run_push(const Context& context) {
  if (const auto code = refuse_change(context)) return *code;
  const auto tiers = tiers_of(context, Access::read_write);
  if (!tiers) return fail(tiers.error());
  if (tiers->opened.empty()) {
    return fail(exit_usage, "every remote tier is read-only; name one that may be written");
  }
  const auto local = open_for_reading(context);
  if (!local) return fail(local.error());
  std::vector<Transfer> transfers;
  for (const RemoteTier& tier : tiers->opened) {
    const auto move = [&](RemoteStore& server, Batch batch, Transfer& transfer) {
      for (const Fingerprint& fingerprint : batch) {
        push_entry(**local, server, fingerprint, transfer);
      }
    };
    transfers.push_back(move_all(*tier.store, From::local_store, **local, move));
  }
  return conclude(context, transfers, tiers->left_out);
}

int run_pull(const Context& context) {
  if (const auto code = refuse_write(context)) return *code;
  const auto tiers = tiers_of(context, Access::read_only);
  if (!tiers) return fail(tiers.error());
  const auto local = open_for_writing(context);
  if (!local) return fail(local.error());
  std::vector<Transfer> transfers;
  for (const RemoteTier& tier : tiers->opened) {
    const auto move = [&](RemoteStore& server, Batch batch, Transfer& transfer) {
      fetch_missing(server, **local, batch, transfer);
    };
    const std::uint64_t evicted = (*local)->metrics().evictions;
    transfers.push_back(move_all(*tier.store, From::tier, *tier.store, move));
    transfers.back().evicted = (*local)->metrics().evictions - evicted;
  }
  const auto flushed = (*local)->flush();
  const int code = conclude(context, transfers, tiers->left_out);
  return flushed ? code : fail(flushed.error());
}

}  // namespace larder::cli
