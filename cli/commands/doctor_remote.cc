// doctor, about remote tiers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/check.h"
#include "larder/remote.h"
#include "text.h"

namespace larder::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A line that is to be mended, told by the tier itself: its message names it.
Check failed(const Error& error) {
  const bool silent = error.code == Errc::unreachable || error.code == Errc::timed_out;
  return {Health::fail, "remote", error.message, silent ? exit_unreachable : exit_refused};
}

Result<void> write_and_read(RemoteStore& store, const Fingerprint& fingerprint) {
  const auto bytes = std::as_bytes(std::span(fingerprint.bytes));
  if (auto stored = store.put(fingerprint, bytes); !stored) return stored;
  auto found = store.get(fingerprint);
  if (!found) return std::unexpected(std::move(found).error());
  if (!*found || !std::ranges::equal((*found)->bytes(), bytes)) {
    return std::unexpected(Error{.code = Errc::corrupt,
                                 .message = store.describe() +
                                            ": what was put did not come back; it may be several "
                                            "servers that do not share their files"});
  }
  return {};
}

// The sizes that are tried, each four times the one before.
struct Sizes {
  std::uint64_t first;
  std::uint64_t last;
};

// Only where putting something large takes nothing else away: a Redis that is full evicts for it,
// and what stands behind plain HTTP may do so too. To find a limit is not worth a team's entries.
Sizes sizes_to_try(const RemoteStoreOptions& options) {
  constexpr std::uint64_t harmless = 64ull << 10, first = 1ull << 20;
  const std::string_view url = options.url;
  const bool may_evict = !url.starts_with("webdav") && !url.starts_with("s3:");
  const std::uint64_t most = options.max_entry_bytes;
  const std::uint64_t last = may_evict ? std::min(most, harmless) : most;
  return {std::min(first, last), last};
}

// What is tried is not left behind: a removal reads first, for which a slow line may need longer
// than for what the tier is there for.
Result<bool> remove_patiently(const RemoteStoreOptions& options, const Fingerprint& fingerprint) {
  RemoteStoreOptions patient = options;
  patient.timeouts.request = std::max(options.timeouts.request, milliseconds(60'000));
  auto store = open_remote_store(patient);
  if (!store) return std::unexpected(std::move(store).error());
  return (*store)->remove(fingerprint);
}

// The largest of these sizes that the tier takes, and why it does not take the next; 0: not even
// the first.
struct Taken {
  Sizes tried;
  std::uint64_t bytes = 0;
  std::optional<Error> refusal = {};
};

Taken largest_taken(RemoteStore& store, const RemoteStoreOptions& options) {
  Taken taken{.tried = sizes_to_try(options)};
  for (std::uint64_t bytes = taken.tried.first;; bytes = std::min(bytes * 4, taken.tried.last)) {
    const std::vector<std::byte> payload(bytes);
    const Fingerprint fingerprint = random_fingerprint();
    const auto stored = store.put(fingerprint, payload);
    (void)remove_patiently(options, fingerprint);
    if (!stored) {
      taken.refusal = stored.error();
      break;
    }
    taken.bytes = bytes;
    if (bytes == taken.tried.last) break;
  }
  return taken;
}

// What a server signs or believes may depend on its clock; S3 allows a quarter of an hour.
std::string clock_finding(RemoteStore& store, Health& health) {
  constexpr std::int64_t much_s = 60;
  const auto said = store.server_time_s();
  if (!said || !*said) return "";
  // A server may say anything.
  constexpr std::int64_t longest_s = 1ll << 40;
  const std::int64_t ahead_s =
      std::clamp(**said, -longest_s, longest_s) - static_cast<std::int64_t>(std::time(nullptr));
  if (ahead_s >= -1 && ahead_s <= 1) return ", its clock is right";
  if (ahead_s < -much_s || ahead_s > much_s) health = Health::warn;
  return fmt::format(", its clock is {} s {}; set the clocks", std::abs(ahead_s),
                     ahead_s > 0 ? "ahead" : "behind");
}

// A full one, say, refuses whatever the size.
bool is_about_size(const Error& refusal) {
  return refusal.code == Errc::too_large || refusal.code == Errc::timed_out ||
         refusal.code == Errc::unreachable;
}

std::string size_finding(const Taken& taken, std::uint64_t max_bytes, Health& health) {
  const std::uint64_t largest = taken.bytes;
  const bool is_cut_short = taken.tried.last < max_bytes;
  if (!taken.refusal) {
    return fmt::format(", takes {}{}", human_bytes(largest),
                       is_cut_short ? " (more is not tried, lest it evict others)" : "");
  }
  health = Health::warn;
  if (largest == 0) {
    return fmt::format(
        ", takes less than {}: raise its limit or request-timeout, or lower "
        "max-entry-size",
        human_bytes(taken.tried.first));
  }
  return fmt::format(
      ", takes {} but not max-entry-size, {}: raise its limit or request-timeout, "
      "or lower max-entry-size",
      human_bytes(largest), human_bytes(max_bytes));
}

Check check_server(RemoteStoreOptions options, bool writes) {
  options.remember_absent = {};  // each question is the server's to answer
  options.breaker.failures = 1000;
  auto opened = open_remote_store(options);
  if (!opened) return failed(opened.error());
  RemoteStore& store = **opened;
  const Fingerprint fingerprint = random_fingerprint();
  const auto connected = store.get(fingerprint);  // this one pays for the connection
  if (!connected) return failed(connected.error());
  const auto began = Clock::now();
  const auto asked = store.get(fingerprint);
  const std::chrono::duration<double, std::milli> took = Clock::now() - began;
  if (!asked) return failed(asked.error());
  Check check{Health::ok, "remote",
              fmt::format("{} answers in {:.2f} ms", store.describe(), took.count())};
  check.finding += clock_finding(store, check.health);
  if (!writes) {
    check.finding += ", and is only read";
    return check;
  }
  const auto written = write_and_read(store, fingerprint);
  const auto removed = store.remove(fingerprint);
  if (!written) return failed(written.error());
  if (!removed) return {Health::warn, "remote", removed.error().message};
  check.finding += ", an entry was put, read back and removed";
  const Taken taken = largest_taken(store, options);
  if (taken.refusal && !is_about_size(*taken.refusal)) return failed(*taken.refusal);
  check.finding += size_finding(taken, options.max_entry_bytes, check.health);
  return check;
}

}  // namespace

void check_remotes(const Context& context, std::vector<Check>& checks) {
  const bool writes_nothing = context.config.read_only || context.config.must_hit;
  for (const RemoteSetting& setting : context.config.remotes) {
    const bool reads =
        setting.store.access == Access::read_only || setting.write == RemoteWrite::off;
    RemoteStoreOptions tier = setting.store;
    tier.keys = context.keys;
    // As the others open it: the servers one by one do not show what is wrong with them together.
    if (const auto opened = open_remote_store(tier); !opened) {
      checks.push_back(failed(opened.error()));
      continue;
    }
    for (RemoteStoreOptions& server : servers_of(tier)) {
      checks.push_back(check_server(server, !reads && !writes_nothing));
    }
  }
}

}  // namespace larder::cli
