// push and pull: every entry of the local store to each remote tier that may be written, and every
// entry of each tier to the local store.
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "document.h"
#include "larder/remote.h"
#include "merge.h"
#include "terminal.h"
#include "text.h"

namespace larder::cli {
namespace {

// What became of the entries of one tier.
struct Transfer {
  std::string tier;
  std::uint64_t entries = 0;  // that there were to move
  std::uint64_t moved = 0;
  std::uint64_t moved_bytes = 0;  // of payloads
  std::uint64_t already_there = 0;
  std::uint64_t skipped = 0;  // too large for the tier
  std::uint64_t failed = 0;
  Error failure = {};  // the last one
};

void note(Transfer& transfer, const Error& error) {
  if (error.code == Errc::too_large) {
    ++transfer.skipped;
    return;
  }
  ++transfer.failed;
  transfer.failure = error;
}

// The server is gone; what is left would fail as well, at once.
bool is_hopeless(const Error& error) {
  return error.code == Errc::unreachable || error.code == Errc::timed_out;
}

void push_entry(Store& local, RemoteStore& tier, const Fingerprint& fingerprint,
                Transfer& transfer) {
  const auto details = local.inspect(fingerprint);
  if (!details) return note(transfer, details.error());
  const auto artifact = local.get(fingerprint);
  if (!artifact) return note(transfer, artifact.error());
  if (!*details || !*artifact) return;  // removed since it was listed
  const std::uint64_t before = tier.metrics().puts;
  const auto stored = tier.put(fingerprint, (*artifact)->bytes(), {.recipe = (*details)->recipe});
  if (!stored) return note(transfer, stored.error());
  if (tier.metrics().puts == before) {
    ++transfer.already_there;
    return;
  }
  ++transfer.moved;
  transfer.moved_bytes += (*artifact)->size();
}

void pull_entry(RemoteStore& tier, Store& local, const Fingerprint& fingerprint,
                Transfer& transfer) {
  const auto there = local.inspect(fingerprint);
  if (there && *there) {
    ++transfer.already_there;
    return;
  }
  const auto found = tier.fetch(fingerprint);
  if (!found) return note(transfer, found.error());
  if (!*found) return;  // removed since it was listed
  const auto stored =
      local.put(fingerprint, (*found)->payload.bytes(), {.recipe = (*found)->recipe});
  if (!stored) return note(transfer, stored.error());
  ++transfer.moved;
  transfer.moved_bytes += (*found)->payload.size();
}

using Move = std::function<void(const Fingerprint&, Transfer&)>;

Transfer move_all(const std::string& tier, Store& from, const char* label, const Move& move) {
  Transfer transfer{.tier = tier};
  const auto entries = entries_by_last_use(from);
  if (!entries) {
    note(transfer, entries.error());
    return transfer;
  }
  Progress progress(label);
  progress.expect(entries->size());
  transfer.entries = entries->size();
  for (const EntryInfo& entry : *entries) {
    move(entry.fingerprint, transfer);
    progress.step();
    if (transfer.failed != 0 && is_hopeless(transfer.failure)) break;
  }
  return transfer;
}

void print_text(const Transfer& transfer) {
  std::string line = fmt::format("{}: {} of {} entries ({})", transfer.tier, transfer.moved,
                                 transfer.entries, human_bytes(transfer.moved_bytes));
  line += fmt::format(", {} there already", transfer.already_there);
  if (transfer.skipped != 0) line += fmt::format(", {} too large", transfer.skipped);
  if (transfer.failed != 0) line += fmt::format(", {} failed", transfer.failed);
  fmt::print("{}\n", printable(line));
}

void print_json(const std::vector<Transfer>& transfers) {
  Document list = Document::list();
  for (const Transfer& transfer : transfers) {
    list.append(Document::object()
                    .set("tier", transfer.tier)
                    .set("entries", transfer.entries)
                    .set("moved", transfer.moved)
                    .set("moved_bytes", transfer.moved_bytes)
                    .set("already_there", transfer.already_there)
                    .set("skipped", transfer.skipped)
                    .set("failed", transfer.failed));
  }
  list.print();
}

int conclude(const Context& context, const std::vector<Transfer>& transfers) {
  if (context.options.format == Format::json) {
    print_json(transfers);
  } else {
    for (const Transfer& transfer : transfers) print_text(transfer);
  }
  int code = exit_ok;
  for (const Transfer& transfer : transfers) {
    if (transfer.failed == 0) continue;
    const bool silent = is_hopeless(transfer.failure);
    code = fail(silent ? exit_unreachable : exit_refused, transfer.failure.message);
  }
  return code;
}

Result<std::vector<RemoteTier>> tiers_of(const Context& context) {
  if (!context.config.remotes.empty()) {
    return open_remotes(context.config.remotes, {.keys = context.keys});
  }
  return std::unexpected(Error{.code = Errc::bad_config,
                               .message = "there is no remote tier; name one with LARDER_REMOTE"});
}

}  // namespace

int run_push(const Context& context) {
  if (const auto code = refuse_change(context)) return *code;
  const auto tiers = tiers_of(context);
  if (!tiers) return fail(tiers.error());
  const auto local = open_for_reading(context);
  if (!local) return fail(local.error());
  std::vector<Transfer> transfers;
  for (const RemoteTier& tier : *tiers) {
    if (tier.write == RemoteWrite::off) continue;
    const auto move = [&](const Fingerprint& fingerprint, Transfer& transfer) {
      push_entry(**local, *tier.store, fingerprint, transfer);
    };
    transfers.push_back(move_all(tier.store->describe(), **local, "pushing", move));
  }
  if (transfers.empty()) {
    return fail(exit_usage, "every remote tier is read-only; name one that may be written");
  }
  return conclude(context, transfers);
}

int run_pull(const Context& context) {
  if (const auto code = refuse_write(context)) return *code;
  const auto tiers = tiers_of(context);
  if (!tiers) return fail(tiers.error());
  const auto local = open_for_writing(context);
  if (!local) return fail(local.error());
  std::vector<Transfer> transfers;
  for (const RemoteTier& tier : *tiers) {
    const auto move = [&](const Fingerprint& fingerprint, Transfer& transfer) {
      pull_entry(*tier.store, **local, fingerprint, transfer);
    };
    transfers.push_back(move_all(tier.store->describe(), *tier.store, "pulling", move));
  }
  const auto flushed = (*local)->flush();
  const int code = conclude(context, transfers);
  return flushed ? code : fail(flushed.error());
}

}  // namespace larder::cli
