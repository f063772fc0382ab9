#include "commands/stats_remote.h"

#include <fmt/format.h>

#include <functional>

#include "remote.h"

namespace larder::cli {
namespace {

void for_each_tier(const Context& context, const std::function<void(RemoteStore&)>& call) {
  for (const RemoteSetting& setting : context.config.remotes) {
    RemoteStoreOptions options = setting.store;
    options.state_directory = state_directory(context);
    auto store = open_remote_store(options);
    if (!store) {
      warn(store.error().message);
      continue;
    }
    call(**store);
  }
}

// As the text format wants a label's value.
std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '"' || c == '\\') safe.push_back('\\');
    safe.push_back(c);
  }
  return safe;
}

}  // namespace

std::vector<TierFigures> gather_tiers(const Context& context) {
  std::vector<TierFigures> tiers;
  for_each_tier(context, [&](RemoteStore& store) {
    tiers.push_back({.tier = store.describe(), .counters = store.kept_metrics()});
  });
  return tiers;
}

void reset_tiers(const Context& context) {
  for_each_tier(context, [](RemoteStore& store) { (void)store.reset_statistics(); });
}

void add_tier(std::vector<Row>& rows, const TierFigures& figures) {
  const RemoteMetrics& m = figures.counters;
  rows.emplace_back("Remote", figures.tier);
  rows.emplace_back("  Look-ups", std::to_string(m.lookups));
  rows.emplace_back("    Hits", ratio(m.hits, m.lookups));
  rows.emplace_back("    Absent", std::to_string(m.absent));
  if (m.other_key != 0) rows.emplace_back("      Of another key", std::to_string(m.other_key));
  rows.emplace_back("    Corrupt", std::to_string(m.corrupt));
  rows.emplace_back("    Errors", std::to_string(m.errors));
  rows.emplace_back("    Timeouts", std::to_string(m.timeouts));
  rows.emplace_back("    Skipped", std::to_string(m.skipped));
  rows.emplace_back("  Uploads", std::to_string(m.uploads));
  rows.emplace_back("    Unchanged", std::to_string(m.uploads_unchanged));
  rows.emplace_back("    Failed", std::to_string(m.upload_failures));
  rows.emplace_back("    Skipped", std::to_string(m.uploads_skipped));
  rows.emplace_back("  Fetched", human_bytes(m.bytes_in));
  rows.emplace_back("  Sent", human_bytes(m.bytes_out));
}

Document to_document(const std::vector<TierFigures>& tiers) {
  Document list = Document::list();
  for (const TierFigures& figures : tiers) {
    Document tier = Document::object();
    tier.set("tier", figures.tier);
    for (const RemoteMetricField& field : remote_metric_fields()) {
      tier.set(field.name, figures.counters.*field.member);
    }
    list.append(tier);
  }
  return list;
}

void print_tier_families(const std::vector<TierFigures>& tiers) {
  if (tiers.empty()) return;
  for (const RemoteMetricField& field : remote_metric_fields()) {
    fmt::print("# HELP larder_remote_{0}_total Of a remote tier: {0}.\n", field.name);
    fmt::print("# TYPE larder_remote_{}_total counter\n", field.name);
    for (const TierFigures& figures : tiers) {
      fmt::print("larder_remote_{}_total{{tier=\"{}\"}} {}\n", field.name, escaped(figures.tier),
                 figures.counters.*field.member);
    }
  }
}

}  // namespace larder::cli
