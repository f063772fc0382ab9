#include "remote.h"

#include <utility>

namespace larder::cli {

Result<std::shared_ptr<Store>> with_remotes(const Context& context, std::shared_ptr<Store> local) {
  if (context.config.remotes.empty()) return local;
  auto tiers = open_remotes(context.config.remotes);
  if (!tiers) return std::unexpected(std::move(tiers).error());
  const bool writes_nothing = context.config.read_only || context.config.must_hit;
  for (RemoteTier& tier : *tiers) {
    if (writes_nothing) tier.write = RemoteWrite::off;
  }
  return make_backed_store(
      {.local = std::move(local), .tiers = *std::move(tiers), .log = context.log});
}

Result<std::shared_ptr<Store>> with_remotes(const Context& context,
                                            Result<std::shared_ptr<Store>> local) {
  return local ? with_remotes(context, *std::move(local)) : std::move(local);
}

}  // namespace larder::cli
