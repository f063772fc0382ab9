#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "document.h"
#include "repair.h"
#include "terminal.h"
#include "text.h"

namespace larder::cli {
namespace {

struct Trouble {
  Fingerprint fingerprint;
  std::string message;
  bool repaired = false;
};

struct Verdict {
  std::uint64_t good = 0;
  std::uint64_t good_bytes = 0;
  std::vector<Trouble> damaged;
  std::vector<Trouble> foreign;          // under a name of ours, but no entry; never touched
  std::uint64_t other_key = 0;           // made with a key that is not here: nothing can be said
  std::vector<Trouble> unreadable;       // the system did not let us see
  std::vector<std::string> passed_over;  // folders and entries that could not even be listed
};

Result<std::vector<EntryInfo>> entries_of(Store& store) {
  std::vector<EntryInfo> entries;
  auto visited = store.visit([&](const EntryInfo& entry) {
    entries.push_back(entry);
    return Visit::go_on;
  });
  if (!visited) return std::unexpected(std::move(visited).error());
  return entries;
}

enum class Repairs { no, yes };

// At once: the longer a repair waits, the likelier is it that somebody else has mended the entry.
Trouble treat_damage(Store& store, Trouble trouble, Repairs repairs) {
  if (repairs == Repairs::no) return trouble;
  const auto repaired = repair(store, trouble.fingerprint);
  trouble.repaired = repaired && *repaired;
  if (!repaired) warn(fmt::format("{}: {}", trouble.fingerprint.hex(), repaired.error().message));
  return trouble;
}

void verify_one(Store& store, const EntryInfo& entry, Repairs repairs, Verdict& verdict) {
  if (entry.other_key) {
    ++verdict.other_key;
    return;
  }
  const Fingerprint& fingerprint = entry.fingerprint;
  const auto details = store.inspect(fingerprint);
  if (details) {
    // Without details it was removed since it was listed, which is nobody's fault.
    if (!*details) return;
    ++verdict.good;
    verdict.good_bytes += (*details)->info.payload_bytes;
    return;
  }
  Trouble trouble{fingerprint, details.error().message};
  switch (details.error().code) {
    case Errc::corrupt:
      return verdict.damaged.push_back(treat_damage(store, std::move(trouble), repairs));
    case Errc::not_ours:
    case Errc::too_large: return verdict.foreign.push_back(std::move(trouble));
    default: return verdict.unreadable.push_back(std::move(trouble));
  }
}

void print_troubles(std::string_view word, Colour colour, const std::vector<Trouble>& troubles) {
  for (const auto& [fingerprint, message, repaired] : troubles) {
    fmt::print("{} {}{}: {}\n", coloured(colour, word), fingerprint.hex(),
               repaired ? " (removed)" : "", printable(message));
  }
}

void print_text(const Verdict& verdict) {
  print_troubles("damaged", Colour::red, verdict.damaged);
  print_troubles("foreign", Colour::yellow, verdict.foreign);
  print_troubles("unreadable", Colour::red, verdict.unreadable);
  for (const std::string& message : verdict.passed_over) {
    fmt::print("{} {}\n", coloured(Colour::red, "unreadable"), printable(message));
  }
  fmt::print("{} good ({}), {} damaged, {} foreign, {} unreadable{}\n", verdict.good,
             human_bytes(verdict.good_bytes), verdict.damaged.size(), verdict.foreign.size(),
             verdict.unreadable.size() + verdict.passed_over.size(),
             verdict.other_key == 0 ? "" : fmt::format(", {} of another key", verdict.other_key));
}

Document list_of(const std::vector<Trouble>& troubles) {
  Document list = Document::list();
  for (const auto& [fingerprint, message, repaired] : troubles) {
    list.append(Document::object()
                    .set("fingerprint", fingerprint.hex())
                    .set("message", message)
                    .set("removed", repaired));
  }
  return list;
}

void print_json(const Verdict& verdict) {
  Document passed_over = Document::list();
  for (const std::string& message : verdict.passed_over) passed_over.append(message);
  Document::object()
      .set("good", verdict.good)
      .set("good_bytes", verdict.good_bytes)
      .set("damaged", list_of(verdict.damaged))
      .set("foreign", list_of(verdict.foreign))
      .set("unreadable", list_of(verdict.unreadable))
      .set("other_key", verdict.other_key)
      .set("passed_over", passed_over)
      .print();
}

int exit_code_of(const Verdict& verdict) {
  std::size_t left = 0;
  for (const Trouble& trouble : verdict.damaged) left += trouble.repaired ? 0 : 1;
  if (left != 0) {
    return fail(exit_corrupt,
                fmt::format("{} damaged; `larder verify --repair` removes what is damaged", left));
  }
  const std::size_t unreadable = verdict.unreadable.size() + verdict.passed_over.size();
  if (unreadable != 0) {
    return fail(
        exit_refused,
        fmt::format("{} could not be read; `larder doctor` looks for the cause", unreadable));
  }
  return exit_ok;
}

}  // namespace

int run_verify(const Context& context) {
  const Repairs repairs = context.options.repair ? Repairs::yes : Repairs::no;
  if (repairs == Repairs::yes) {
    if (const auto code = refuse_change(context)) return *code;
  }
  Warnings warnings;
  const Context heard = listening(context, warnings);
  auto store = repairs == Repairs::yes ? open_for_writing(heard) : open_for_reading(heard);
  if (!store) return fail(store.error());
  const auto told_by_open = static_cast<std::ptrdiff_t>(warnings.all().size());
  const auto entries = entries_of(**store);
  if (!entries) return fail(entries.error());

  Verdict verdict;
  verdict.passed_over = warnings.all();
  verdict.passed_over.erase(verdict.passed_over.begin(),
                            verdict.passed_over.begin() + told_by_open);
  {
    Progress progress("verifying");
    progress.expect(entries->size());
    for (const EntryInfo& entry : *entries) {
      verify_one(**store, entry, repairs, verdict);
      progress.step();
    }
  }
  context.options.format == Format::json ? print_json(verdict) : print_text(verdict);
  return exit_code_of(verdict);
}

}  // namespace larder::cli
