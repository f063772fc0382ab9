#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "document.h"
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
  std::vector<Trouble> foreign;     // under a name of ours, but no entry; never touched
  std::vector<Trouble> unreadable;  // the system did not let us see
};

Result<std::vector<Fingerprint>> fingerprints_of(Store& store) {
  std::vector<Fingerprint> fingerprints;
  auto visited = store.visit([&](const EntryInfo& entry) {
    fingerprints.push_back(entry.fingerprint);
    return Visit::go_on;
  });
  if (!visited) return std::unexpected(std::move(visited).error());
  return fingerprints;
}

void verify_one(Store& store, const Fingerprint& fingerprint, Verdict& verdict) {
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
    case Errc::corrupt: return verdict.damaged.push_back(std::move(trouble));
    case Errc::not_ours:
    case Errc::too_large: return verdict.foreign.push_back(std::move(trouble));
    default: return verdict.unreadable.push_back(std::move(trouble));
  }
}

void repair(Store& store, Verdict& verdict) {
  for (Trouble& trouble : verdict.damaged) {
    const auto removed = store.remove(trouble.fingerprint);
    trouble.repaired = removed.has_value();
    if (!removed) warn(fmt::format("{}: {}", trouble.fingerprint.hex(), removed.error().message));
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
  fmt::print("{} good ({}), {} damaged, {} foreign, {} unreadable\n", verdict.good,
             human_bytes(verdict.good_bytes), verdict.damaged.size(), verdict.foreign.size(),
             verdict.unreadable.size());
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
  Document::object()
      .set("good", verdict.good)
      .set("good_bytes", verdict.good_bytes)
      .set("damaged", list_of(verdict.damaged))
      .set("foreign", list_of(verdict.foreign))
      .set("unreadable", list_of(verdict.unreadable))
      .print();
}

int exit_code_of(const Verdict& verdict) {
  std::size_t left = 0;
  for (const Trouble& trouble : verdict.damaged) left += trouble.repaired ? 0 : 1;
  if (left != 0) {
    return fail(exit_corrupt,
                fmt::format("{} damaged; `larder verify --repair` removes what is damaged", left));
  }
  if (!verdict.unreadable.empty()) {
    return fail(exit_refused,
                fmt::format("{} could not be read; `larder doctor` looks for the cause",
                            verdict.unreadable.size()));
  }
  return exit_ok;
}

}  // namespace

int run_verify(const Context& context) {
  const bool repairs = context.options.repair;
  auto store = repairs ? open_for_writing(context) : open_for_reading(context);
  if (!store) return fail(store.error());
  const auto fingerprints = fingerprints_of(**store);
  if (!fingerprints) return fail(fingerprints.error());

  Verdict verdict;
  {
    Progress progress("verifying");
    progress.expect(fingerprints->size());
    for (const Fingerprint& fingerprint : *fingerprints) {
      verify_one(**store, fingerprint, verdict);
      progress.step();
    }
  }
  if (repairs) repair(**store, verdict);
  context.options.format == Format::json ? print_json(verdict) : print_text(verdict);
  return exit_code_of(verdict);
}

}  // namespace larder::cli
