// merge: from one store into another one. The settings are those of the store that is written.
#include "merge.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "document.h"
#include "terminal.h"
#include "text.h"

namespace larder::cli {
namespace {

// As the store that is opened, so that the two can be compared.
Result<Location> location_of(const std::string& words) {
  auto location = parse_location(words);
  if (!location || !location->directory.empty()) return location;
  auto directory = default_directory(location->kind);
  if (!directory) return std::unexpected(std::move(directory).error());
  location->directory = *std::move(directory);
  return location;
}

bool is_same_directory(const std::string& a, const std::string& b) {
  if (a == b) return true;
  struct stat at_a{};
  struct stat at_b{};
  return ::stat(a.c_str(), &at_a) == 0 && ::stat(b.c_str(), &at_b) == 0 &&
         at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
}

// What the stores themselves have to say besides.
struct Outcome {
  MergeReport report;
  std::uint64_t evicted = 0;
  std::vector<Stray> lost;               // in FROM, damaged so that nobody can tell whose it was
  std::vector<std::string> passed_over;  // in FROM, could not be looked at
};

std::uint64_t damaged_in(const Outcome& outcome) {
  std::uint64_t count = outcome.report.damaged.size();
  for (const Stray& stray : outcome.lost) count += std::max<std::uint64_t>(stray.entries, 1);
  return count;
}

std::uint64_t refused_in(const Outcome& outcome) {
  return outcome.report.refused.size() + outcome.passed_over.size();
}

void print_troubles(std::string_view word, const std::vector<MergeReport::Trouble>& troubles) {
  for (const auto& [fingerprint, message] : troubles) {
    fmt::print("{} {}: {}\n", coloured(Colour::red, word), fingerprint.hex(), printable(message));
  }
}

void print_text(const Outcome& outcome) {
  const MergeReport& report = outcome.report;
  print_troubles("damaged", report.damaged);
  for (const Stray& stray : outcome.lost) {
    fmt::print("{} {}: {}\n", coloured(Colour::red, "damaged"), printable(stray.location),
               printable(stray.message));
  }
  print_troubles("refused", report.refused);
  for (const std::string& message : outcome.passed_over) {
    fmt::print("{} {}\n", coloured(Colour::red, "refused"), printable(message));
  }
  fmt::print("{} copied ({}), {} already there, {} damaged, {} refused, {} evicted\n",
             report.copied, human_bytes(report.copied_bytes), report.already_there,
             damaged_in(outcome), refused_in(outcome), outcome.evicted);
}

Document list_of(const std::vector<MergeReport::Trouble>& troubles) {
  Document list = Document::list();
  for (const auto& [fingerprint, message] : troubles) {
    list.append(Document::object().set("fingerprint", fingerprint.hex()).set("message", message));
  }
  return list;
}

void print_json(const Outcome& outcome) {
  const MergeReport& report = outcome.report;
  Document damaged = list_of(report.damaged);
  for (const Stray& stray : outcome.lost) {
    damaged.append(Document::object()
                       .set("location", stray.location)
                       .set("message", stray.message)
                       .set("entries", stray.entries));
  }
  Document passed_over = Document::list();
  for (const std::string& message : outcome.passed_over) passed_over.append(message);
  Document::object()
      .set("copied", report.copied)
      .set("copied_bytes", report.copied_bytes)
      .set("already_there", report.already_there)
      .set("other_key", report.other_key)
      .set("damaged", damaged)
      .set("refused", list_of(report.refused))
      .set("passed_over", passed_over)
      .set("recipes_dropped", report.recipes_dropped)
      .set("evicted", outcome.evicted)
      .print();
}

int conclude(const Outcome& outcome) {
  const MergeReport& report = outcome.report;
  if (report.recipes_dropped != 0) {
    warn(fmt::format("{} left behind: the vyre layout has no room for recipes",
                     report.recipes_dropped == 1
                         ? "one recipe was"
                         : fmt::format("{} recipes were", report.recipes_dropped)));
  }
  if (const std::uint64_t damaged = damaged_in(outcome); damaged != 0) {
    warn(
        fmt::format("{} damaged in FROM, where they stay; `larder --store FROM verify --repair` "
                    "removes them",
                    damaged));
  }
  if (report.other_key != 0) {
    warn(
        fmt::format("{} of another key in FROM {} not copied; add the key that made them to the "
                    "key file, as a later line",
                    report.other_key, report.other_key == 1 ? "was" : "were"));
  }
  const std::uint64_t refused = refused_in(outcome);
  if (refused == 0) return exit_ok;
  return fail(exit_refused, fmt::format("{} not copied, as said above; the rest is; mend the cause "
                                        "and merge again",
                                        refused));
}

Result<std::shared_ptr<Store>> open_source(const Location& location, const Keys& keys,
                                           const Logger& log) {
  return open_store({.location = location,
                     .access = Access::read_only,
                     .create = Create::at_first_put,
                     .keys = keys,
                     .log = log});
}

// What the entries do not show: it cannot be copied, whatever it was. What is foreign is nobody's.
Result<void> look_for_strays(Store& from, Outcome& outcome) {
  return from.visit_strays([&outcome](const Stray& stray) {
    if (stray.code == Errc::corrupt) {
      outcome.lost.push_back(stray);
    } else if (stray.code != Errc::not_ours) {
      outcome.passed_over.push_back(stray.location + ": " + stray.message);
    }
    return Visit::go_on;
  });
}

Result<void> copy(Store& from, Store& to, std::span<const EntryInfo> entries, Recipes recipes,
                  Outcome& outcome) {
  {
    Progress progress("merging");
    outcome.report = merge(from, to, entries, recipes, progress);
  }
  auto flushed = to.flush();
  keep_statistics(to);
  return flushed;
}

Recipes recipes_of(const Context& context) {
  return context.config.location.kind == StoreKind::vyre ? Recipes::drop : Recipes::keep;
}

}  // namespace

int run_merge(const Context& context) {
  if (const auto code = refuse_write(context)) return *code;
  const auto source = location_of(context.options.from);
  if (!source) return fail(source.error());
  const std::string& target = context.config.location.directory;
  if (is_same_directory(source->directory, target)) {
    return fail(exit_usage, fmt::format("merge: FROM and TO are the same store, {}", target));
  }
  if (::access(source->directory.c_str(), F_OK) != 0 && errno == ENOENT) {
    warn(fmt::format("{} does not exist; there is nothing to merge", source->directory));
  }
  auto from = open_source(*source, context.keys, context.log);
  if (!from) return fail(from.error());
  std::atomic<std::uint64_t> evicted = 0;
  auto to = open_for_writing(context, [&evicted](const Eviction&) { ++evicted; });
  if (!to) return fail(to.error());
  Outcome outcome;
  std::vector<EntryInfo> entries;
  const auto listed = list_by_last_use(**from, entries);
  if (!listed) return fail(listed.error());
  const auto strays = look_for_strays(**from, outcome);
  if (!strays) return fail(strays.error());
  const auto copied = copy(**from, **to, entries, recipes_of(context), outcome);
  if (!copied) return fail(copied.error());
  outcome.evicted = evicted;
  context.options.format == Format::json ? print_json(outcome) : print_text(outcome);
  return conclude(outcome);
}

}  // namespace larder::cli
