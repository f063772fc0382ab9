// What push, pull and prewarm print.
#include <fmt/format.h>

#include <algorithm>

#include "commands/transfer.h"
#include "document.h"
#include "text.h"

namespace larder::cli {
namespace {

void print_text(const Transfer& transfer) {
  if (!transfer.is_listed && transfer.entries == 0) {
    fmt::print("{}: could not be listed\n", printable(transfer.tier));
    return;
  }
  std::string line = fmt::format("{}: {} of {} ({})", transfer.tier, transfer.moved,
                                 entries_text(transfer.entries), human_bytes(transfer.moved_bytes));
  line += fmt::format(", {} there already", transfer.already_there);
  if (transfer.absent != 0) line += fmt::format(", {} not in the tier", transfer.absent);
  if (transfer.gone != 0) line += fmt::format(", {} gone meanwhile", transfer.gone);
  if (transfer.other_key != 0) line += fmt::format(", {} of another key", transfer.other_key);
  if (transfer.damaged != 0) line += fmt::format(", {} damaged", transfer.damaged);
  if (transfer.skipped != 0) line += fmt::format(", {} too large", transfer.skipped);
  if (transfer.failed != 0) line += fmt::format(", {} failed", transfer.failed);
  if (transfer.not_tried != 0) line += fmt::format(" ({} not tried)", transfer.not_tried);
  if (transfer.evicted != 0) line += fmt::format(", {} evicted", transfer.evicted);
  if (!transfer.is_listed) line += ", not all could be listed";
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

// What the tier says of one that it was sent tells whose limit it was, and what to do.
void warn_of_too_large(const Transfer& transfer) {
  if (transfer.skipped == 0) return;
  const std::string count = entries_text(transfer.skipped);
  if (transfer.from == From::local_store) {
    warn(fmt::format("{} too large to be sent; {}", count, transfer.too_large->message));
  } else {
    warn(fmt::format("{} in {} left there, over its max-entry-size; raise it", count,
                     transfer.tier));
  }
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

void warn_of_recipes(const Context& context, const std::vector<Transfer>& transfers) {
  if (context.config.location.kind != StoreKind::vyre) return;
  std::uint64_t lost = 0;
  for (const Transfer& transfer : transfers) lost += transfer.with_recipe;
  if (lost == 0) return;
  warn(fmt::format("{} kept without the recipe: the vyre layout has no room for recipes",
                   entries_text(lost)));
}

void print_json(const std::vector<Transfer>& transfers) {
  Document list = Document::list();
  for (const Transfer& transfer : transfers) {
    list.append(Document::object()
                    .set("tier", transfer.tier)
                    .set("left_out", transfer.left_out.has_value())
                    .set("listed", transfer.is_listed)
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
                    .set("not_tried", transfer.not_tried)
                    .set("evicted", transfer.evicted));
  }
  list.print();
}

// Their protocol has no listing, which can be judged from the settings.
bool names_plain_http(const std::vector<Transfer>& transfers) {
  return std::ranges::all_of(transfers, [](const Transfer& transfer) {
    return transfer.tier.starts_with("http") || transfer.tier.starts_with("vyre+http");
  });
}

}  // namespace

int conclude(const Context& context, const std::vector<Transfer>& transfers,
             const std::vector<Error>& not_opened) {
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
  warn_of_recipes(context, transfers);
  bool is_silent = false, is_refused = false;
  for (const Transfer& transfer : transfers) {
    warn_of_other_keys(context, transfer);
    warn_of_too_large(transfer);
    if (transfer.left_out && !none_is_listed) warn("left out: " + transfer.left_out->message);
    const auto& refusal = none_is_listed ? transfer.left_out : transfer.refusal;
    if (refusal) fail(exit_refused, refusal->message);
    if (transfer.silence) fail(exit_unreachable, transfer.silence->message);
    is_refused = is_refused || refusal;
    is_silent = is_silent || transfer.silence;
  }
  int of_not_opened = exit_ok;
  for (const Error& why : not_opened) of_not_opened = fail(why);
  if (is_silent) return exit_unreachable;
  if (is_refused && none_is_listed && names_plain_http(transfers)) return exit_usage;
  return is_refused ? exit_refused : of_not_opened;
}

}  // namespace larder::cli
