// prune and clear. What Larder does not recognise as its own is not touched; the store sees to it.
#include <fmt/format.h>

#include <optional>
#include <string>

#include "commands/commands.h"
#include "document.h"
#include "terminal.h"
#include "text.h"

namespace larder::cli {
namespace {

void print(const Context& context, const PruneReport& report, std::string_view verb) {
  if (context.options.format == Format::json) {
    Document::object()
        .set("evicted_entries", report.evicted_entries)
        .set("evicted_bytes", report.evicted_bytes)
        .set("kept_entries", report.kept_entries)
        .set("kept_bytes", report.kept_bytes)
        .set("held_bytes", report.held_bytes)
        .set("dry_run", context.options.dry_run)
        .print();
    return;
  }
  fmt::print("{} {} {} ({}), kept {} ({})\n", verb, report.evicted_entries,
             report.evicted_entries == 1 ? "entry" : "entries", human_bytes(report.evicted_bytes),
             report.kept_entries, human_bytes(report.kept_bytes));
}

// An age is counted in whole seconds; rounding up never evicts what is younger than asked for.
std::optional<std::uint64_t> whole_seconds(std::optional<std::uint64_t> duration_ms) {
  if (!duration_ms) return std::nullopt;
  return *duration_ms / 1000 + (*duration_ms % 1000 == 0 ? 0 : 1);
}

Budget budget_of(const Context& context) {
  const Options& options = context.options;
  Budget budget{.max_bytes = options.max_size_bytes,
                .max_age_s = whole_seconds(options.older_than_ms)};
  const bool nothing_asked = !budget.max_bytes && !budget.max_age_s;
  if (nothing_asked) budget.max_bytes = context.config.max_size_bytes;
  return budget;
}

// What stands between the store and the size that was asked for; "" when nothing does.
std::string obstacle(const PruneReport& report, const Budget& budget, DryRun dry_run) {
  if (!budget.max_bytes || report.kept_bytes <= *budget.max_bytes) return "";
  const std::string kept =
      fmt::format("the store {} {}, more than {}: ",
                  dry_run == DryRun::yes ? "would still take" : "still takes",
                  human_bytes(report.kept_bytes), human_bytes(*budget.max_bytes));
  if (report.held_bytes > 0) {
    return kept + fmt::format(
                      "{} of it is in files that running processes write, or that the disk "
                      "cannot read; prune again when those have ended",
                      human_bytes(report.held_bytes));
  }
  if (report.kept_entries == 0) {
    return kept + "those are its own folders and files, and no entry; it gets no smaller";
  }
  return kept + "something could not leave now; prune again";
}

}  // namespace

int run_prune(const Context& context) {
  if (!context.options.dry_run) {
    if (const auto code = refuse_change(context)) return *code;
  }
  Progress progress("evicting");
  Warnings warnings;
  const DryRun dry_run = context.options.dry_run ? DryRun::yes : DryRun::no;
  const Budget budget = budget_of(context);
  const Context heard = listening(context, warnings);
  auto store = dry_run == DryRun::yes
                   ? open_for_reading(heard)
                   : open_for_writing(heard, [&](const Eviction&) { progress.step(); });
  if (!store) return fail(store.error());
  const auto report = (*store)->prune(budget, dry_run);
  if (!report) return fail_in_store(context, report.error());
  if (dry_run == DryRun::no) keep_statistics(**store);
  print(context, *report, dry_run == DryRun::yes ? "would evict" : "evicted");
  if (const std::string why = obstacle(*report, budget, dry_run); !why.empty()) warn(why);
  warnings.tell();
  return exit_ok;
}

int run_clear(const Context& context) {
  if (const auto code = refuse_change(context)) return *code;
  Progress progress("evicting");
  Warnings warnings;
  auto store =
      open_for_writing(listening(context, warnings), [&](const Eviction&) { progress.step(); });
  if (!store) return fail(store.error());
  const auto report = (*store)->clear();
  if (!report) return fail_in_store(context, report.error());
  keep_statistics(**store);
  print(context, *report, "evicted");
  warnings.tell();
  return exit_ok;
}

}  // namespace larder::cli
