// prewarm: the entries that a list names, from the first remote tier that has them.
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/commands.h"
#include "commands/transfer.h"
#include "file_io.h"
#include "larder/remote.h"
#include "terminal.h"
#include "text.h"

namespace larder::cli {
namespace {

constexpr std::uint64_t largest_list = 1ull << 30;
constexpr std::string_view blank = " \t\r";

std::string_view trimmed(std::string_view line) {
  const std::size_t first = std::min(line.find_first_not_of(blank), line.size());
  line.remove_prefix(first);
  return line.substr(0, line.find_last_not_of(blank) + 1);
}

// One fingerprint on a line, each once; what begins with `#`, and what is empty, is passed over.
Result<std::vector<Fingerprint>> parse_list(std::string_view text, const std::string& name) {
  std::vector<Fingerprint> fingerprints;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const auto fingerprint = Fingerprint::from_hex(line);
    if (!fingerprint) {
      return std::unexpected(Error{.code = Errc::invalid_argument,
                                   .message = fmt::format("{}:{}: not a fingerprint; write 64 "
                                                          "lower-case hex digits",
                                                          name, number)});
    }
    fingerprints.push_back(*fingerprint);
  }
  return without_repeats(fingerprints);
}

Transfer fetch_all(RemoteStore& tier, Store& local, std::vector<Fingerprint>& wanted) {
  Transfer transfer{.tier = tier.describe(), .entries = wanted.size()};
  std::vector<Fingerprint> absent;
  std::mutex mutex;
  const std::uint64_t evicted = local.metrics().evictions;
  const auto left = move_in_batches(
      tier, wanted, "fetching", transfer, [&](RemoteStore& server, Batch batch, Transfer& share) {
        const auto missing = fetch_missing(server, local, batch, share);
        const std::lock_guard lock(mutex);
        absent.insert(absent.end(), missing.begin(), missing.end());
      });
  transfer.evicted = local.metrics().evictions - evicted;
  absent.insert(absent.end(), left.begin(), left.end());
  wanted = std::move(absent);
  return transfer;
}

}  // namespace

int run_prewarm(const Context& context) {
  if (const auto code = refuse_write(context)) return *code;
  const std::string& file = context.options.file;
  const auto text = read_payload(file, largest_list);
  if (!text) return fail(exit_refused, text.error().message);
  auto wanted = parse_list(text->text(), file);
  if (!wanted) return fail(wanted.error());
  const auto tiers = tiers_of(context, Access::read_only);
  if (!tiers) return fail(tiers.error());
  const auto local = open_for_writing(context);
  if (!local) return fail(local.error());
  std::vector<Transfer> transfers;
  for (const RemoteTier& tier : tiers->opened) {
    if (!transfers.empty() && wanted->empty()) break;
    transfers.push_back(fetch_all(*tier.store, **local, *wanted));
  }
  const auto flushed = (*local)->flush();
  const int code = conclude(context, transfers, tiers->left_out);
  if (!flushed) return fail(flushed.error());
  if (code != exit_ok || wanted->empty()) return code;
  return fail(exit_not_found,
              fmt::format("{} of {} could be had from no tier; compile {}: {}{}",
                          entries_text(wanted->size()), file == "-" ? "the list" : file,
                          wanted->size() == 1 ? "it" : "them", wanted->front().hex(),
                          wanted->size() == 1 ? "" : " and others"));
}

}  // namespace larder::cli
