// What stats shows of remote tiers.
#ifndef LARDER_CLI_COMMANDS_STATS_REMOTE_H_
#define LARDER_CLI_COMMANDS_STATS_REMOTE_H_

#include <string>
#include <vector>

#include "context.h"
#include "document.h"
#include "larder/remote.h"
#include "text.h"

namespace larder::cli {

struct TierFigures {
  std::string tier;
  std::string name_space;
  RemoteMetrics counters;  // of every process that used it behind this store
};

// No server is asked. A tier that cannot be set up costs a warning.
std::vector<TierFigures> gather_tiers(const Context& context);
void reset_tiers(const Context& context);

void add_tier(std::vector<Row>& rows, const TierFigures& figures);
Document to_document(const std::vector<TierFigures>& tiers);
void print_tier_families(const std::vector<TierFigures>& tiers);

}  // namespace larder::cli

#endif  // LARDER_CLI_COMMANDS_STATS_REMOTE_H_
