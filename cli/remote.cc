#include "remote.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace larder::cli {

std::string state_directory(const Context& context) {
  const Location& location = context.config.location;
  return location.kind == StoreKind::vyre ? std::string() : location.directory;
}

Result<std::shared_ptr<Store>> with_remotes(const Context& context, std::shared_ptr<Store> local) {
  if (context.config.remotes.empty()) return local;
  const bool writes_nothing = context.config.read_only || context.config.must_hit;
  auto tiers = open_remotes(context.config.remotes,
                            {writes_nothing ? "" : state_directory(context), context.keys});
  if (!tiers) return std::unexpected(std::move(tiers).error());
  for (RemoteTier& tier : *tiers) {
    if (writes_nothing) tier.write = RemoteWrite::off;
  }
  return make_backed_store({.local = std::move(local),
                            .local_has_keys = !context.keys.empty(),
                            .tiers = *std::move(tiers),
                            .log = context.log});
}

Result<std::shared_ptr<Store>> with_remotes(const Context& context,
                                            Result<std::shared_ptr<Store>> local) {
  return local ? with_remotes(context, *std::move(local)) : std::move(local);
}

bool is_of_tier(const Context& context, const Error& error) {
  return std::ranges::any_of(context.config.remotes, [&](const RemoteSetting& setting) {
    const std::string_view url = setting.store.url;
    return error.message.contains(url.substr(0, url.find("://") + 3));
  });
}

}  // namespace larder::cli
