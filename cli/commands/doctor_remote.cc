// doctor, about remote tiers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "commands/check.h"
#include "larder/remote.h"

namespace larder::cli {
namespace {

using Clock = std::chrono::steady_clock;

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

Check check_server(RemoteStoreOptions options, bool writes) {
  options.remember_absent = {};  // each question is the server's to answer
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
  const std::string answers =
      fmt::format("{} answers in {:.2f} ms", store.describe(), took.count());
  if (!writes) return {Health::ok, "remote", answers + ", and is only read"};

  const auto written = write_and_read(store, fingerprint);
  const auto removed = store.remove(fingerprint);
  if (!written) return failed(written.error());
  if (!removed) return {Health::warn, "remote", removed.error().message};
  return {Health::ok, "remote", answers + ", an entry was put, read back and removed"};
}

}  // namespace

void check_remotes(const Context& context, std::vector<Check>& checks) {
  const bool writes_nothing = context.config.read_only || context.config.must_hit;
  for (const RemoteSetting& setting : context.config.remotes) {
    const bool reads =
        setting.store.access == Access::read_only || setting.write == RemoteWrite::off;
    for (RemoteStoreOptions& server : servers_of(setting.store)) {
      server.keys = context.keys;
      checks.push_back(check_server(server, !reads && !writes_nothing));
    }
  }
}

}  // namespace larder::cli
