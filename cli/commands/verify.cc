#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
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
  std::optional<Fingerprint> fingerprint;  // else the place alone is known
  std::string location;                    // of what has no fingerprint
  std::string message;
  std::uint64_t entries = 1;
  bool removed = false;

  std::string name() const { return fingerprint ? fingerprint->hex() : location; }
  std::uint64_t count() const { return std::max<std::uint64_t>(entries, 1); }
};

using Troubles = std::vector<Trouble>;

struct Verdict {
  std::uint64_t good = 0;
  std::uint64_t good_bytes = 0;
  Troubles damaged;
  Troubles foreign;             // under a name of ours, but no entry; never touched
  std::uint64_t other_key = 0;  // made with a key that is not here: nothing can be said
  Troubles unreadable;          // the system did not let us see

  Troubles& of(Errc code) {
    switch (code) {
      case Errc::corrupt: return damaged;
      case Errc::not_ours:
      case Errc::too_large: return foreign;
      default: return unreadable;
    }
  }
};

std::uint64_t count_of(const Troubles& troubles) {
  std::uint64_t count = 0;
  for (const Trouble& trouble : troubles) count += trouble.count();
  return count;
}

std::uint64_t count_of_repaired(const Troubles& troubles) {
  std::uint64_t count = 0;
  for (const Trouble& trouble : troubles) count += trouble.removed ? trouble.count() : 0;
  return count;
}

Result<std::vector<EntryInfo>> entries_of(Store& store) {
  std::vector<EntryInfo> entries;
  auto visited = store.visit([&](const EntryInfo& entry) {
    entries.push_back(entry);
    return Visit::go_on;
  });
  if (!visited) return std::unexpected(std::move(visited).error());
  return entries;
}

// At once: the longer a repair waits, the likelier is it that somebody else has mended the entry.
void treat_damage(Store& store, const Fingerprint& fingerprint, Trouble& trouble) {
  const auto repaired = repair(store, fingerprint);
  trouble.removed = repaired && *repaired;
  if (!repaired) warn(fmt::format("{}: {}", fingerprint.hex(), repaired.error().message));
}

void verify_one(Store& store, const EntryInfo& entry, Repair repairs, Verdict& verdict) {
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
  const Errc code = details.error().code;
  Trouble trouble{.fingerprint = fingerprint, .location = {}, .message = details.error().message};
  if (code == Errc::corrupt && repairs == Repair::yes) treat_damage(store, fingerprint, trouble);
  verdict.of(code).push_back(std::move(trouble));
}

Result<void> verify_strays(Store& store, Repair repairs, Verdict& verdict) {
  return store.visit_strays(
      [&](const Stray& stray) {
        verdict.of(stray.code)
            .push_back({.fingerprint = {},
                        .location = stray.location,
                        .message = stray.message,
                        .entries = stray.entries,
                        .removed = stray.removed});
        return Visit::go_on;
      },
      repairs);
}

void print_troubles(std::string_view word, Colour colour, const Troubles& troubles) {
  for (const Trouble& trouble : troubles) {
    const std::string several =
        trouble.entries > 1 ? fmt::format(" ({} entries)", trouble.entries) : "";
    const char* repair = trouble.fingerprint ? " (removed)" : " (repaired)";
    fmt::print("{} {}{}{}: {}\n", coloured(colour, word), printable(trouble.name()), several,
               trouble.removed ? repair : "", printable(trouble.message));
  }
}

void print_text(const Verdict& verdict) {
  print_troubles("damaged", Colour::red, verdict.damaged);
  print_troubles("foreign", Colour::yellow, verdict.foreign);
  print_troubles("unreadable", Colour::red, verdict.unreadable);
  const std::uint64_t repaired = count_of_repaired(verdict.damaged);
  fmt::print("{} good ({}), {} damaged{}, {} foreign, {} unreadable{}\n", verdict.good,
             human_bytes(verdict.good_bytes), count_of(verdict.damaged),
             repaired == 0 ? "" : fmt::format(" ({} of them repaired)", repaired),
             count_of(verdict.foreign), count_of(verdict.unreadable),
             verdict.other_key == 0 ? "" : fmt::format(", {} of another key", verdict.other_key));
}

Document list_of(const Troubles& troubles) {
  Document list = Document::list();
  for (const Trouble& trouble : troubles) {
    list.append(Document::object()
                    .set(trouble.fingerprint ? "fingerprint" : "location", trouble.name())
                    .set("message", trouble.message)
                    .set("entries", trouble.entries)
                    .set("removed", trouble.removed));
  }
  return list;
}

void print_json(const Verdict& verdict) {
  Document::object()
      .set("good", verdict.good)
      .set("good_bytes", verdict.good_bytes)
      .set("damaged", list_of(verdict.damaged))
      .set("foreign", list_of(verdict.foreign))
      .set("unreadable", list_of(verdict.unreadable))
      .set("other_key", verdict.other_key)
      .print();
}

int exit_code_of(const Verdict& verdict, Repair repairs) {
  std::uint64_t left = 0;
  for (const Trouble& trouble : verdict.damaged) left += trouble.removed ? 0 : trouble.count();
  if (left != 0) {
    const std::string_view advice =
        repairs == Repair::yes
            ? "and still there, as said above; try again"
            : "`larder verify --repair` mends it, or removes what nobody can mend";
    return fail(exit_corrupt, fmt::format("{} damaged; {}", left, advice));
  }
  const std::uint64_t unreadable = count_of(verdict.unreadable);
  if (unreadable != 0) {
    return fail(
        exit_refused,
        fmt::format("{} could not be read; `larder doctor` looks for the cause", unreadable));
  }
  return exit_ok;
}

}  // namespace

int run_verify(const Context& context) {
  const Repair repairs = context.options.repair ? Repair::yes : Repair::no;
  if (repairs == Repair::yes) {
    if (const auto code = refuse_change(context)) return *code;
  }
  auto store = repairs == Repair::yes ? open_for_writing(context) : open_for_reading(context);
  if (!store) return fail(store.error());
  // First what hides entries, so that they are counted below.
  Verdict verdict;
  const auto strays = verify_strays(**store, repairs, verdict);
  if (!strays) return fail(strays.error());
  const auto entries = entries_of(**store);
  if (!entries) return fail(entries.error());
  {
    Progress progress("verifying");
    progress.expect(entries->size());
    for (const EntryInfo& entry : *entries) {
      verify_one(**store, entry, repairs, verdict);
      progress.step();
    }
  }
  context.options.format == Format::json ? print_json(verdict) : print_text(verdict);
  return exit_code_of(verdict, repairs);
}

}  // namespace larder::cli
