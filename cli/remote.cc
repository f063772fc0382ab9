#include "remote.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "exit_code.h"

namespace larder::cli {

std::string state_directory(const Context& context) {
  const Location& location = context.config.location;
  return location.kind == StoreKind::vyre ? std::string() : location.directory;
}

Result<Tiered> with_remotes(const Context& context, std::shared_ptr<Store> local,
                            Unopened unopened) {
  Tiered tiered{.store = std::move(local), .tiers = {}, .left_out = {}};
  const bool writes_nothing = context.config.read_only || context.config.must_hit;
  const OpenRemotesOptions options{
      .state_directory = writes_nothing ? "" : state_directory(context), .keys = context.keys};
  std::vector<RemoteTier> tiers;
  for (const RemoteSetting& setting : context.config.remotes) {
    auto opened = open_remotes({setting}, options);
    const bool fails =
        setting.required == Required::yes && unopened == Unopened::fails_where_required;
    if (!opened && fails) return std::unexpected(opened.error());
    if (!opened) {
      tiered.left_out.push_back(std::move(opened).error());
      continue;
    }
    RemoteTier& tier = tiers.emplace_back(std::move(opened->front()));
    if (writes_nothing) tier.write = RemoteWrite::off;
    tiered.tiers.push_back(tier.store);
  }
  if (tiers.empty()) return tiered;
  auto backed = make_backed_store({.local = std::move(tiered.store),
                                   .local_has_keys = !context.keys.empty(),
                                   .tiers = std::move(tiers),
                                   .log = context.log});
  if (!backed) return std::unexpected(std::move(backed).error());
  tiered.store = *std::move(backed);
  return tiered;
}

Result<Tiered> with_remotes(const Context& context, Result<std::shared_ptr<Store>> local) {
  if (!local) return std::unexpected(std::move(local).error());
  return with_remotes(context, *std::move(local));
}

void warn_of_left_out(const std::vector<Error>& left_out) {
  for (const Error& why : left_out) {
    warn("going on without a remote tier: " + why.message);
  }
}

std::string part_of_tiers(const std::vector<std::shared_ptr<RemoteStore>>& tiers) {
  std::string part;
  const auto add = [&](const RemoteStore& tier, std::string_view what) {
    part += (part.empty() ? "" : "; ") + tier.describe() + std::string(what);
  };
  for (const auto& tier : tiers) {
    const RemoteMetrics did = tier->remote_metrics();
    if (did.other_key != 0) {
      add(*tier, " has one that was made with another key, or without one; see --key-file");
    } else if (did.corrupt != 0) {
      add(*tier, " has one that is damaged; put it again");
    } else if (did.errors + did.timeouts != 0) {
      add(*tier, " could not tell; `larder doctor` says why");
    } else if (did.skipped != 0) {
      add(*tier,
          " was left out: it failed a moment ago, or what it has is too large, or is no entry");
    }
  }
  return part;
}

bool is_of_tier(const Context& context, const Error& error) {
  return std::ranges::any_of(context.config.remotes, [&](const RemoteSetting& setting) {
    const std::string_view url = setting.store.url;
    return error.message.contains(url.substr(0, url.find("://") + 3));
  });
}

}  // namespace larder::cli
